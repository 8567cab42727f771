"""The events of a run that came before anybody waited for them: kept in order, counted once."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable, Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .records import EventReceived

MAX_PENDING = 1000
"""Events that may wait in one run's inbox."""

RESERVED = "nbflow:"
"""Keys that begin so are nbflow's own: nobody waits for them and nobody sends them as an event."""


MARK = 8
"""Bytes that are kept of an id, besides the 12 bits that choose its bucket."""


class Seen:
    """Every id that was ever added, in some ten bytes each and for as long as the run is.

    Kept are 76 bits of a digest. Among a million ids the odds that a new one is taken for one of them are 1 to 10^17.

    >>> seen = Seen()
    >>> seen.add("a")
    >>> "a" in seen, "b" in seen, len(seen)
    (True, False, 1)
    """

    __slots__ = ("_buckets", "_count")

    def __init__(self) -> None:
        self._buckets: dict[int, bytearray] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, event_id: str) -> bool:
        bucket, mark = _mark(event_id)
        return _holds(self._buckets.get(bucket, b""), mark)

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Yield what is kept, by bucket, in the form that ``take`` needs."""
        return ((bucket, bytes(found)) for bucket, found in self._buckets.items())

    def take(self, marks: Iterable[tuple[int, bytes]]) -> None:
        """Take in what another one kept; nothing of it may be here."""
        for bucket, found in marks:
            self._buckets.setdefault(bucket, bytearray()).extend(found)
            self._count += len(found) // MARK

    def add(self, event_id: str) -> None:
        """Remember an id. Idempotent."""
        bucket, mark = _mark(event_id)
        found = self._buckets.get(bucket)
        if found is None:
            self._buckets[bucket] = bytearray(mark)
        elif _holds(found, mark):
            return
        else:
            found += mark
        self._count += 1


def _mark(event_id: str) -> tuple[int, bytes]:
    found = blake2b(event_id.encode("utf-8", "surrogatepass"), digest_size=MARK + 2).digest()
    return int.from_bytes(found[:2], "big") & 0xFFF, found[2:]


def _holds(bucket: bytes | bytearray, mark: bytes) -> bool:
    place = bucket.find(mark)
    while place >= 0 and place % MARK:
        place = bucket.find(mark, place + 1)
    return place >= 0


class Inbox:
    """Unconsumed events by key, oldest first, and the ids of all events ever received."""

    __slots__ = ("_by_key", "_order", "seen")

    def __init__(self) -> None:
        self.seen = Seen()
        self._by_key: dict[str, deque[EventReceived]] = {}
        self._order: dict[str, EventReceived] = {}

    def __len__(self) -> int:
        return len(self._order)

    def knows(self, event_id: str) -> bool:
        """Tell whether this event was received before, consumed or not."""
        return event_id in self.seen

    def accept(self, event: EventReceived) -> bool:
        """Remember the id of an event; return False when it is a repetition."""
        if event.event_id in self.seen:
            return False
        self.seen.add(event.event_id)
        return True

    def keep(self, event: EventReceived) -> None:
        """Put an accepted event at the end of its queue."""
        self._by_key.setdefault(event.key, deque()).append(event)
        self._order[event.event_id] = event

    def take(self, key: str) -> EventReceived | None:
        """Return the oldest event of a key and forget it, or None."""
        queue = self._by_key.get(key)
        if not queue:
            return None
        event = queue.popleft()
        if not queue:
            del self._by_key[key]
        del self._order[event.event_id]
        return event

    def first(self, keys: Container[str]) -> EventReceived | None:
        """Return the oldest unconsumed event of any of these keys, or None; it stays."""
        return next((event for event in self._order.values() if event.key in keys), None)

    def oldest(self) -> EventReceived | None:
        """Return the oldest unconsumed event, or None; it stays."""
        return next(iter(self._order.values()), None)

    def take_id(self, event_id: str) -> EventReceived | None:
        """Return one unconsumed event and forget it, or None."""
        event = self._order.pop(event_id, None)
        if event is not None:
            queue = self._by_key[event.key]
            queue.remove(event)
            if not queue:
                del self._by_key[event.key]
        return event

    def waiting(self) -> list[EventReceived]:
        """Return the unconsumed events in order of arrival."""
        return list(self._order.values())
