"""A wait as a node: what a listener is, and how a workflow asks for an event, a moment or a person."""

from __future__ import annotations

import inspect
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import FunctionType
from typing import Any, ClassVar, NamedTuple

from ..core.graph import NodeKind
from .node import Node
from .task import Task


@dataclass(frozen=True, slots=True)
class Event:
    """A signal from outside: ``key`` says what it is about, ``payload`` is its content, ``id`` makes it unique.

    >>> import nbflow as nf
    >>> event = nf.Event("price", 12, id="price-1")
    >>> event.key, event.payload
    ('price', 12)
    """

    key: str = ""
    payload: Any = None
    id: str = ""
    at: float = field(default_factory=time.time)
    by: str = ""
    source: str = ""


class EventListener:
    """A source of events that the engine polls: subclass it, with a constructor that takes no arguments.

    Listeners keep no state and are never pickled; only the class is stored. The engine makes a new one to poll and
    another to commit. It polls until the event is durable; after a crash it polls again only if it was not.

    >>> import nbflow as nf
    >>> class Ticker(nf.EventListener):
    ...     async def poll_for_event(self, stock):
    ...         return nf.Event("price", {"stock": stock, "price": 12})
    >>> nf.run(nf.wait_for_event(Ticker, "ACME")).payload
    {'stock': 'ACME', 'price': 12}
    """

    def __repr__(self) -> str:
        return f"<listener {type(self).__name__}>"

    @classmethod
    def node_name(cls, *args: Any, **kwargs: Any) -> str:
        """Return what a node of this listener is called, before a number is added."""
        return cls.__name__

    @classmethod
    def check(cls, *args: Any, **kwargs: Any) -> None:
        """Refuse arguments that must not be stored, when the node is made: raise TypeError or ValueError."""

    async def poll_for_event(self, *args: Any, **kwargs: Any) -> Any:
        """Return when the event is there; its value is the node's value. Gets the arguments of ``wait_for_event``."""
        raise NotImplementedError(f"{type(self).__name__} must define 'async def poll_for_event(self, ...)'.")

    async def event_checkpointed(self, event: Any) -> None:
        """Tell the source that the event is durable. Called once, and again after a crash: must be idempotent."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What a wait of the inbox is: the key of its events, its deadline, the value at the deadline, and the question.

    ``deadline`` is in UTC seconds. Without ``has_fallback`` passing the deadline is a failure. ``notify`` is who is
    told that the question is open.
    """

    key: str = ""
    deadline: float | None = None
    fallback: Any = None
    has_fallback: bool = False
    prompt: dict[str, Any] | None = None
    notify: tuple[Any, ...] = ()


class ThisWait(NamedTuple):
    """Which wait a listener serves: the same for its poll, its commit, and both again after a crash.

    ``opened`` is when it began, in UTC seconds.

    >>> from nbflow.listeners import ThisWait
    >>> ThisWait._fields
    ('workflow_id', 'node_id', 'args', 'kwargs', 'opened')
    """

    workflow_id: str
    node_id: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    opened: float


_this_wait: ContextVar[ThisWait] = ContextVar("nbflow_this_wait")


def this_wait() -> ThisWait:
    """Return which wait is polled for or committed now, with its arguments: what a listener knows itself by.

    Raises LookupError outside ``poll_for_event`` and ``event_checkpointed``.

    >>> import nbflow as nf
    >>> from nbflow.listeners import this_wait
    >>> class Echo(nf.EventListener):
    ...     async def poll_for_event(self, word):
    ...         return f"{this_wait().node_id} says {word}"
    >>> nf.run(nf.wait_for_event(Echo, "hello"))
    'Echo says hello'
    """
    return _this_wait.get()


def serve_wait(wait: ThisWait) -> None:
    """Let ``this_wait`` tell this in the present context."""
    _this_wait.set(wait)


class InboxListener(EventListener):
    """A wait that the engine answers from the run's inbox and clock; nothing polls, so waiting costs nothing.

    ``quick`` says that ``wait`` does next to nothing, so no thread is needed for it.
    """

    quick: ClassVar[bool] = False

    def wait(self, node_id: str, now: float, *args: Any, **kwargs: Any) -> Wait:
        """Return what to wait for, worked out once when the wait opens."""
        raise NotImplementedError


class KeyListener(InboxListener):
    """Wait for the next event of a key; its value is the payload."""

    quick = True

    def wait(self, node_id: str, now: float, key: str = "", *, timeout: float | None = None, **default: Any) -> Wait:
        """Return a wait for ``key``; with ``timeout`` seconds, and ``default`` as its value then, else a failure."""
        deadline = None if timeout is None else now + timeout
        return Wait(key or node_id, deadline, default.get("default"), "default" in default)


class TimerListener(InboxListener):
    """Wait for a moment: UTC seconds, or a datetime with a time zone.

    The moment is journaled: a restart does not begin to count anew.

    >>> import nbflow as nf
    >>> import time
    >>> nf.run(nf.wait_for_event(nf.TimerListener, time.time() + 0.01))
    """

    quick = True

    def wait(self, node_id: str, now: float, timestamp: float | datetime) -> Wait:
        """Return a wait that ends at ``timestamp``."""
        return Wait(deadline=_moment(timestamp), has_fallback=True)


class SleepListener(InboxListener):
    """Wait for some seconds from when the wait opens."""

    quick = True

    def wait(self, node_id: str, now: float, duration: float | timedelta) -> Wait:
        """Return a wait that ends ``duration`` seconds from now."""
        return Wait(deadline=now + _seconds(duration), has_fallback=True)


def _moment(given: Any) -> float:
    if isinstance(given, datetime) and given.tzinfo is not None:
        return given.timestamp()
    try:
        return float(given)
    except (TypeError, ValueError):
        raise TypeError(
            "TimerListener takes a moment: UTC seconds, as time.time() + 60, or a datetime with a time zone, as "
            f"datetime(2026, 12, 24, 18, tzinfo=UTC), not {given!r}."
        ) from None


def _seconds(given: Any) -> float:
    if isinstance(given, timedelta):
        return given.total_seconds()
    try:
        return float(given)
    except (TypeError, ValueError):
        raise TypeError(f"sleep takes seconds or a timedelta, not {given!r}.") from None


def wait_for_event(listener: type[EventListener] | str, *args: Any, **kwargs: Any) -> Node[Any]:
    """Return a node that waits for an event and has its payload as value. Waiting holds no thread and no process.

    ``listener`` is a subclass of EventListener, whose ``poll_for_event`` gets the arguments, or the key of events that
    ``send`` brings (then ``timeout=`` seconds and ``default=`` are understood). Arguments may be nodes. Every wait has
    ``.options(task_id=, metadata=, timeout=, default=, catch_exceptions=)``: when nothing came in time, or it was
    canceled (``run.cancel_wait``), ``default`` is its value; without one it fails, or with ``catch_exceptions=True``
    has the value ``(None, exception)`` (and else ``(event, None)``). Raises TypeError when it is neither.

    >>> import nbflow as nf
    >>> run = nf.run_async(nf.wait_for_event("go"))
    >>> bool(run.send("go", 42))
    True
    >>> run.result()
    42
    """
    if isinstance(listener, str):
        if not listener:
            raise ValueError("The key of an event must not be empty.")
        if args or not kwargs.keys() <= {"timeout", "default"}:
            wrong = ", ".join([*map(repr, args), *(f"{name}=" for name in kwargs.keys() - {"timeout", "default"})])
            raise TypeError(f"wait_for_event({listener!r}) takes timeout= and default=, not {wrong}.")
        return _bind(KeyListener, f"wait_for_{listener}"[:255], (listener, *args), kwargs)
    if not (isinstance(listener, type) and issubclass(listener, EventListener)):
        raise TypeError(
            f"wait_for_event takes a subclass of EventListener (the class, not an instance) or a key, not {listener!r}."
        )
    _check_arguments(listener, args, kwargs)
    listener.check(*args, **kwargs)
    return _bind(listener, listener.node_name(*args, **kwargs), args, kwargs)


def sleep(duration: float | timedelta) -> Node[None]:
    """Return a node that is done ``duration`` (seconds, or a timedelta) after the run comes to it.

    A restart does not start it anew.

    >>> import nbflow as nf
    >>> nf.run(nf.sleep(0.01)) is None
    True
    """
    return _bind(SleepListener, "sleep", (duration,), {})


def _check_arguments(listener: type[EventListener], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raise TypeError where arguments do not fit: here, in the user's cell, and not when the wait opens."""
    inbox = issubclass(listener, InboxListener)
    method = inspect.getattr_static(listener, "wait" if inbox else "poll_for_event")
    if not isinstance(method, FunctionType):
        return  # what wraps it may take anything
    signature = inspect.signature(method)
    given_by_us = 3 if inbox else 1  # self, and node_id and now
    try:
        signature.bind(*(None,) * given_by_us, *args, **kwargs)
    except TypeError as error:
        own = [part.replace(annotation=part.empty) for part in signature.parameters.values()][given_by_us:]
        shown = signature.replace(parameters=own, return_annotation=signature.empty)
        raise TypeError(f"{listener.__name__}{shown} cannot be bound: {error}.") from None


def _bind(listener: type[EventListener], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Node[Any]:
    return Node(NodeKind.EVENT, Task(listener, name=name), args, kwargs)
