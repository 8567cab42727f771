"""The events of a run that came before anybody waited for them: kept in order, counted once."""

from __future__ import annotations

from collections import deque
from collections.abc import Container
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .records import EventReceived

MAX_PENDING = 1000
"""Events that may wait in one run's inbox."""

RESERVED = "nbflow:"
"""Keys that begin so are nbflow's own: nobody waits for them and nobody sends them as an event."""


class Inbox:
    """Unconsumed events by key, oldest first, and the ids of all events ever received."""

    __slots__ = ("_by_key", "_order", "_seen")

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._by_key: dict[str, deque[EventReceived]] = {}
        self._order: dict[str, EventReceived] = {}

    def __len__(self) -> int:
        return len(self._order)

    def knows(self, event_id: str) -> bool:
        """Tell whether this event was received before, consumed or not."""
        return event_id in self._seen

    def accept(self, event: EventReceived) -> bool:
        """Remember the id of an event; return False when it is a repetition."""
        if event.event_id in self._seen:
            return False
        self._seen.add(event.event_id)
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
