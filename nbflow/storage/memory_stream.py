"""The events of one namespace in memory: the promises of a folder, and gone with the process."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

from nbflow.errors import EventsPruned

from .base import Blobs, Json
from .doorbell import Doorbell
from .stream_files import START


class MemoryStream:
    """One namespace in memory. The promises are those of ``EventStream``."""

    def __init__(self, namespace: str, blobs: Blobs) -> None:
        self.namespace = namespace
        self.put_blob = blobs.put_blob
        self.get_blob = blobs.get_blob
        self._lock = threading.Lock()
        self._first = START
        self._events: list[str] = []
        self._ids: dict[str, int] = {}
        self._bell = Doorbell()

    def append(self, events: Sequence[Json]) -> list[tuple[int, Json]]:
        """Store events, all or none, and return each with its offset, or the first one of its id."""
        texts = [json.dumps(event, allow_nan=False) for event in events]
        with self._lock:
            receipts = [self._store(event, text) for event, text in zip(events, texts, strict=True)]
            end = self._end
        self._bell.ring(end)
        return receipts

    def read(self, begin: int, limit: int = 1000) -> list[tuple[int, Json]]:
        """Return up to ``limit`` events from an offset on. Raises EventsPruned."""
        begin = max(begin, START)
        with self._lock:
            if begin < self._first:
                raise EventsPruned(self.namespace, self._first)
            place = begin - self._first
            return [(begin + index, json.loads(text)) for index, text in enumerate(self._events[place : place + limit])]

    def bounds(self) -> tuple[int, int]:
        """Return the first offset that is there and the one that the next event will get."""
        with self._lock:
            return self._first, self._end

    def offset_at(self, at: float) -> int:
        """Return the offset of the first event whose time is ``at`` or later, or the end."""
        with self._lock:
            times = (json.loads(text)["at"] for text in self._events)
            return next((self._first + index for index, time in enumerate(times) if time >= at), self._end)

    def prune(self, before: int) -> int:
        """Remove all events below an offset for good; return how many were there."""
        with self._lock:
            removed = max(min(before, self._end) - self._first, 0)
            del self._events[:removed]
            self._first += removed
            self._ids = {event_id: offset for event_id, offset in self._ids.items() if offset >= self._first}
            return removed

    def wait(self, offset: int, timeout: float) -> bool:
        """Return True once the event of an offset is there, False after ``timeout`` seconds."""
        return self._bell.wait(offset, timeout)

    def watch(self, ring: Callable[[int], None]) -> Callable[[], None]:
        """Call ``ring`` with the new end whenever the stream has grown; return what ends that."""
        return self._bell.watch(ring)

    @property
    def _end(self) -> int:
        return self._first + len(self._events)

    def _store(self, event: Json, text: str) -> tuple[int, Any]:
        offset = self._ids.get(event["id"]) if "x" in event else None
        if offset is not None:
            return offset, json.loads(self._events[offset - self._first])
        self._events.append(text)
        if "x" in event:
            self._ids[event["id"]] = self._end - 1
        return self._end - 1, json.loads(text)
