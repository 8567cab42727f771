"""Send keyed events and listen to them: from a cell, from a task on any executor, and from any other process."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
from collections.abc import Iterable
from typing import Any

from . import home
from .dag.elsewhere import Place, place
from .engine.notices import Begin, event_of, place_of, publish, select
from .engine.subscriptions import EveryNamespace, Listening, Subscription
from .engine.voice import current
from .errors import StorageError
from .rules.notification import Event, EventReceipt, Keys
from .storage.base import EventStream, Storage
from .storage.names import check_namespace

_opened: dict[tuple[int, str, str, bool | None], Storage] = {}
"""The storages of other processes' runs, by this process, folder and durability: one object each, with its threads."""


class NotificationClient:
    """A sender and a listener of the events of one namespace. Safe to use from any number of threads.

    ``namespace`` is by default that of the flow whose task makes the client, elsewhere "default"; ``"*"`` listens to
    all of them, and sends to none. ``sender`` names who sends; in a task it is
    ``<run>/<task>`` by default. ``storage`` is a folder or a storage object; by default that of the task, else the one
    that ``nbflow.init`` chose. A client goes with a function to another process and works there.

    >>> from nbflow.rules import NotificationClient
    >>> with NotificationClient("doc") as client:
    ...     receipt = client.send_event("price", {"EUR": 1.09})
    ...     [(event.offset, event.key, event.value) for event in client.list_events()]
    [(1, 'price', {'EUR': 1.09})]
    """

    def __init__(self, namespace: str | None = None, sender: str | None = None, *, storage: Any = None) -> None:
        namespace = namespace if namespace is not None else _here()[3]
        if namespace != "*":
            check_namespace(namespace)
        self.namespace = namespace
        self.sender = sender
        self._given = storage
        self._begin()

    def _begin(self) -> None:
        self._used: tuple[int, Storage | None] = (0, None)
        self._lock = threading.Lock()
        self._closed = False
        self._listeners: dict[str, Listening] = {}
        self._numbers = itertools.count(1)

    # ---- sending ----

    def send_event(self, key: str, value: Any = None, id: str | None = None) -> EventReceipt:
        """Send an event and return its receipt with its offset; it is durable then. ``value`` is anything picklable.

        ``id`` makes it count once for as long as it is kept: sending it again gives the first receipt, from any
        process. Raises CheckpointError for a value that cannot be stored, StorageError (sent again with the same id,
        the event counts once), RuntimeError after ``close``.

        >>> from nbflow.rules import NotificationClient
        >>> client = NotificationClient("doc-send")
        >>> client.send_event("paid", 12, id="invoice-7") == client.send_event("paid", 12, id="invoice-7")
        True
        """
        return self._send([(key, value, id)])[0]

    def send_events(self, pairs: Iterable[tuple[str, Any]]) -> list[EventReceipt]:
        """Send (key, value) pairs as one unit: all are stored or none, and their offsets follow each other."""
        return self._send([(key, value, None) for key, value in pairs])

    async def asend_event(self, key: str, value: Any = None, id: str | None = None) -> EventReceipt:
        """Send an event without blocking the loop. As ``send_event`` otherwise."""
        return await asyncio.to_thread(self.send_event, key, value, id)

    # ---- listening ----

    def register_listener(
        self, processor: Any, event_keys: str | Iterable[str] | None = None, begin: Begin = "now", *,
        on_error: str = "retry", retries: int | None = 3,
    ) -> str:  # fmt: skip
        """Give events to a ListenerProcessor, or to a function of a list of events, and return the listener's id.

        ``event_keys`` are names and globs; None is every key. ``begin`` is "now", "earliest", an offset or a datetime.
        Events come in order, in a thread of the listener's own: those of this process within a millisecond or so, those
        of others within some 30. When the processor raises, the error is shown and the events come again, ``retries``
        times (None: for ever), then they are skipped; with ``on_error="skip"`` at once. Nothing of a listener
        outlives its process: keep an offset and begin there.

        >>> import queue
        >>> from nbflow.rules import NotificationClient
        >>> client, heard = NotificationClient("doc-listen"), queue.Queue()
        >>> listener = client.register_listener(heard.put, ["model.*"])
        >>> _ = client.send_event("model.trained", "v2")
        >>> [event.value for event in heard.get(timeout=10)]
        ['v2']
        >>> client.unregister_listener(listener)
        """
        deliver = getattr(processor, "process", processor)
        if not callable(deliver):
            raise TypeError(f"A listener is a ListenerProcessor or a function of a list of events, not {processor!r}.")
        options: dict[str, Any] = {
            "keys": event_keys, "begin": begin, "on_error": on_error, "retries": retries,
            "on_gap": getattr(processor, "missed", None), "name": _name(processor),
        }  # fmt: skip
        listening: Subscription | EveryNamespace
        if self.namespace == "*":
            listening = EveryNamespace(self._store(), deliver, **options)
        else:
            listening = Subscription(self._stream(), deliver, **options)
        with self._lock:
            self._refuse_if_closed()
            listener_id = f"listener-{next(self._numbers)}"
            self._listeners[listener_id] = listening
        listening.start()
        return listener_id

    def unregister_listener(self, id: str) -> None:
        """Stop a listener: this returns at once, and nothing is delivered after. An unknown id is no error."""
        with self._lock:
            listening = self._listeners.pop(id, None)
        if listening is not None:
            listening.close()

    # ---- looking ----

    def list_events(
        self, key: str | Iterable[str] | None = None, sender: str | None = None, begin: Begin = None,
        end: Begin = None, limit: int | None = None,
    ) -> list[Event]:  # fmt: skip
        """Return the events of a key (or keys, or globs) and a sender, from ``begin`` to before ``end``, in order.

        Both are an offset or a datetime. Raises EventsPruned when the offset ``begin`` is not kept any more. With
        namespace "*" they are in order of their times.
        """
        found: list[Event] = []
        for stream in self._streams():
            chosen = select(stream, keys=Keys(key), sender=sender, begin=begin, end=end)
            found.extend(event_of(stream, *pair) for pair in itertools.islice(chosen, limit))
        if self.namespace == "*":
            found.sort(key=lambda event: (event.at, event.namespace, event.offset))
        return found[:limit]

    def count_events(
        self, key: str | Iterable[str] | None = None, sender: str | None = None, begin: Begin = None, end: Begin = None
    ) -> int:
        """Return how many events ``list_events`` would, without loading their values."""
        streams = self._streams()
        if key is None and sender is None and begin is None and end is None:
            return sum(last - first for first, last in (stream.bounds() for stream in streams))
        found = (select(stream, keys=Keys(key), sender=sender, begin=begin, end=end) for stream in streams)
        return sum(1 for chosen in found for _ in chosen)

    def prune(self, before: Begin = None, keep: int | None = None) -> int:
        """Remove the events before an offset or a moment, or all but the newest ``keep``; return how many went.

        Offsets go on as if nothing had happened. A listener that had not come so far is told. Raises ValueError unless
        exactly one of the two is given.

        >>> from nbflow.rules import NotificationClient
        >>> client = NotificationClient("doc-prune")
        >>> _ = client.send_events(("tick", n) for n in range(10))
        >>> client.prune(keep=3), [event.offset for event in client.list_events()]
        (7, [8, 9, 10])
        """
        if (before is None) == (keep is None):
            raise ValueError("prune takes either before= (an offset or a datetime) or keep= (how many stay).")
        if keep is not None and keep < 0:
            raise ValueError(f"keep must be 0 or more, not {keep}.")
        removed = 0
        for stream in self._streams():
            place = place_of(stream, before) if keep is None else stream.bounds()[1] - keep
            removed += stream.prune(place)
        return removed

    # ---- the end ----

    def close(self) -> None:
        """Stop all listeners; every later use raises RuntimeError. Idempotent."""
        with self._lock:
            self._closed = True
            listeners = [*self._listeners.values()]
            self._listeners.clear()
        for listening in listeners:
            listening.close()

    def __enter__(self) -> NotificationClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        given = self._given if self._given is None or isinstance(self._given, (str, os.PathLike)) else self._given.url
        return {"namespace": self.namespace, "sender": self.sender, "_given": given}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin()

    def __repr__(self) -> str:
        return f"NotificationClient({self.namespace!r})"

    # ---- where ----

    def _send(self, entries: list[tuple[str, Any, str | None]]) -> list[EventReceipt]:
        stream = self._stream()
        _, run, task, _ = _here()
        sender = self.sender if self.sender is not None else f"{run}/{task}" if run else ""
        return publish(stream, entries, sender=sender, run=run, task=task)

    def _stream(self) -> EventStream:
        return self._store().stream(self.namespace)

    def _streams(self) -> list[EventStream]:
        storage = self._store()
        names = storage.namespaces() if self.namespace == "*" else [self.namespace]
        return [storage.stream(name) for name in names]

    def _store(self) -> Storage:
        self._refuse_if_closed()
        if self._given is not None:
            return _open(self._given)
        pid, storage = self._used
        if storage is None or pid == os.getpid():
            # Each time anew: a client that a cell made is used in tasks, and after another nbflow.init.
            storage = _storage_here()
            self._used = os.getpid(), storage
        return storage  # in a fork, which has no host of its own, the one that was used before it

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise RuntimeError(f"This {self!r} is closed: make another one.")


def _here() -> tuple[Storage | Place | None, str, str, str]:
    """Return where the task that calls this keeps its run, the run, the task, and the namespace of its events."""
    voice = current.get()
    if voice is not None:
        return voice.place
    there = place.get()
    return (there, there.run, there.task, there.namespace) if there is not None else (None, "", "", "default")


def _storage_here() -> Storage:
    where, *_ = _here()
    if isinstance(where, Place):
        sign = where.signed if "://" in where.storage else where.signed or None
        return _open(where.storage, where.durability, sign, where.options)
    return home.default_host().storage if where is None else where


def _open(
    where: Any, durability: str | None = None, sign: bool | None = None, options: dict[str, Any] | None = None
) -> Storage:
    if isinstance(where, str) and where.startswith("memory:") and not where.startswith("memory://"):
        raise StorageError(
            "The storage of this run is in the memory of another process, where events of this one cannot get: use a "
            "folder, nbflow.init(storage='some/folder')."
        )
    if not isinstance(where, (str, os.PathLike)):
        return home.open_storage(where, durability)
    key = (os.getpid(), os.path.abspath(os.fspath(where)), durability or "", sign)
    if key not in _opened:
        _opened.setdefault(key, home.open_storage(where, durability, sign, options))
    return _opened[key]


def _name(processor: Any) -> str:
    return getattr(processor, "__name__", type(processor).__name__)
