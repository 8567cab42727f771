"""Give the events of a stream to who listens: in order, each once, and again when the listener raises."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from ..errors import EventsPruned, StorageError
from ..rules.notification import Event, Keys
from ..storage.base import EventStream, Json, Storage
from .notices import PAGE, Begin, event_of, place_of

PAUSE = 0.1
"""Seconds before events are given to a listener again that raised; twice as long each time."""
LONGEST_PAUSE = 5.0
NEW_NAMESPACES = 0.5
"""Seconds between two looks for namespaces that are new."""

Deliver = Callable[[list[Event]], Any]


def complain(line: str, error: BaseException | None = None) -> None:
    """Show a person what went wrong with a listener, with the traceback if there is an error."""
    print(line, file=sys.stderr)
    if error is not None:
        traceback.print_exception(error)


class Listening(Protocol):
    """What can be closed: nothing is delivered after."""

    def close(self) -> None:
        """Deliver nothing more. Returns at once; a call that has begun may end. Idempotent."""


class Subscription:
    """One listener of one stream, in a thread of its own, which has the context of who made it.

    ``begin`` is resolved at once: what is sent after this line is delivered. When ``deliver`` raises, the error is
    shown and the same events come again, ``retries`` times (None: for ever; 0, or ``on_error="skip"``: never); then
    they are skipped. ``position`` is the offset that is next.
    """

    def __init__(
        self, stream: EventStream, deliver: Deliver, *, keys: str | Iterable[str] | None = None, begin: Begin = "now",
        on_error: str = "retry", retries: int | None = 3, on_gap: Callable[[int, int], None] | None = None,
        name: str = "",
    ) -> None:  # fmt: skip
        if on_error not in ("retry", "skip"):
            raise ValueError(f"on_error must be 'retry' or 'skip', not {on_error!r}.")
        self.position = place_of(stream, begin)
        self._stream = stream
        self._deliver = deliver
        self._keys = Keys(keys)
        self._retries = 0 if on_error == "skip" else retries
        self._on_gap = on_gap
        self._name = name or getattr(deliver, "__qualname__", type(deliver).__name__)
        self._closed = threading.Event()
        self._wake = threading.Event()
        self._turn = threading.Lock()
        self._unwatch: Callable[[], None] | None = None

    def start(self) -> Subscription:
        """Begin to deliver."""
        self._unwatch = self._stream.watch(lambda end: self._wake.set())
        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(self._run,), name="nbflow-listener", daemon=True).start()
        return self

    def close(self) -> None:
        """Deliver nothing more. Returns at once; a call that has begun may end. Idempotent."""
        with self._turn:
            self._closed.set()
        self._wake.set()
        if self._unwatch is not None:
            self._unwatch()

    def _run(self) -> None:
        away = False
        while not self._closed.is_set():
            self._wake.clear()
            try:
                while self._step():
                    away = False
            except Exception as error:
                if not away:  # said once, however long it lasts
                    complain(f"nbflow: {self._title} cannot read its events, and tries again until it can: {error}")
                away = True
                self._closed.wait(LONGEST_PAUSE)
                self._wake.set()
            self._wake.wait()

    def _step(self) -> bool:
        """Deliver what is there; False when there is nothing, or nothing is wanted any more."""
        try:
            found = self._stream.read(self.position, PAGE)
        except EventsPruned as error:
            self._tell_of_gap(error.first)
            return not self._closed.is_set()
        if not found or self._closed.is_set():
            return False
        events = self._load(found)
        if events and not self._give(events):
            return False
        self.position = found[-1][0] + 1
        return True

    def _load(self, found: list[tuple[int, Json]]) -> list[Event]:
        events = []
        for offset, stored in found:
            if stored["k"] in self._keys:
                try:
                    events.append(event_of(self._stream, offset, stored))
                except Exception as error:  # the code of a class in it may raise anything
                    complain(f"nbflow: {self._title} skips event {offset} ({stored['k']!r}): {error}")
        return events

    def _give(self, events: list[Event]) -> bool:
        """Call the listener until it takes the events or they are skipped; False when it is closed meanwhile."""
        tries = 0
        while True:
            with self._turn:  # so that no call begins once close() has returned
                if self._closed.is_set():
                    return False
            try:
                self._call(events)
                return True
            except BaseException as error:
                tries += 1
                if self._closed.is_set():
                    return False
                self._show(error, events, tries)
            if self._retries is not None and tries > self._retries:
                return True
            if self._closed.wait(min(PAUSE * 2 ** (tries - 1), LONGEST_PAUSE)):
                return False

    def _call(self, events: list[Event]) -> None:
        answer = self._deliver(events)
        if inspect.isawaitable(answer):
            asyncio.run(_awaited(answer))

    def _show(self, error: BaseException, events: list[Event], tries: int) -> None:
        again = self._retries is None or tries <= self._retries
        which = f"event {events[0].offset}" if len(events) == 1 else f"events {events[0].offset} to {events[-1].offset}"
        what = f"it gets {which} again" if again else f"{which} skipped"
        complain(f"nbflow: {self._title} raised at {which}: {what}, and the listener is kept.", _of_the_user(error))

    def _tell_of_gap(self, first: int) -> None:
        missed, self.position = self.position, first
        complain(f"nbflow: {self._title} missed events {missed} to {first - 1}: they were pruned before they came.")
        if self._on_gap is not None and not self._closed.is_set():
            try:
                self._on_gap(missed, first - 1)
            except Exception as error:
                complain(f"nbflow: {self._title} raised when it was told of that.", error)

    @property
    def _title(self) -> str:
        return f"the listener {self._name} of namespace {self._stream.namespace!r}"


class EveryNamespace:
    """One listener of all namespaces, the present ones and those to come. Order is kept within each."""

    def __init__(self, storage: Storage, deliver: Deliver, *, begin: Begin = "now", **options: Any) -> None:
        if isinstance(begin, int):
            raise ValueError("An offset belongs to one namespace: with namespace='*' begin takes a time.")
        self._storage = storage
        self._deliver = deliver
        self._options = options
        self._one_call = threading.Lock()
        self._closed = threading.Event()
        self._parts: dict[str, Subscription] = {}
        self._find(begin)

    def start(self) -> EveryNamespace:
        """Begin to deliver."""
        for part in self._parts.values():
            part.start()
        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(self._run,), name="nbflow-listener", daemon=True).start()
        return self

    def close(self) -> None:
        """Deliver nothing more. Returns at once; a call that has begun may end. Idempotent."""
        self._closed.set()
        for part in [*self._parts.values()]:
            part.close()

    def _run(self) -> None:
        while not self._closed.wait(NEW_NAMESPACES):
            try:
                for part in self._find("earliest"):
                    part.start()
                    if self._closed.is_set():
                        part.close()
            except StorageError:
                continue

    def _find(self, begin: Begin) -> list[Subscription]:
        new = [name for name in self._storage.namespaces() if name not in self._parts]
        for name in new:
            self._parts[name] = Subscription(self._storage.stream(name), self._give, begin=begin, **self._options)
        return [self._parts[name] for name in new]

    def _give(self, events: list[Event]) -> Any:
        with self._one_call:
            return self._deliver(events)


def _of_the_user(error: BaseException) -> BaseException:
    """Leave the frames of this file out of a traceback."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return error.with_traceback(trace)


async def _awaited(answer: Any) -> Any:
    return await answer
