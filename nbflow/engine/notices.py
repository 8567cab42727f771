"""Keyed events and their stored form: send them to a stream, and read them back with their values."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from ..errors import EventsPruned
from ..rules.notification import Event, EventReceipt, Keys
from ..storage import values
from ..storage.base import EventStream, Json

PAGE = 1000
"""Events that are read at once."""

Entry = tuple[str, Any, str | None]
"""The key, the value and the id of an event to send; without an id it gets one of its own."""
Begin = int | str | datetime | None


def publish(
    stream: EventStream, entries: Iterable[Entry], *, sender: str = "", run: str = "", task: str = ""
) -> list[EventReceipt]:
    """Send events as one unit, all or none; they are durable when this returns. An id that came before counts once.

    Raises TypeError for a key or id that is no string, CheckpointError for a value that cannot be stored, StorageError.
    """
    now = round(time.time(), 6)
    origin = {name: text for name, text in (("run", run), ("task", task)) if text}
    events = [_stored(stream, entry, now, sender) | origin for entry in entries]
    found = stream.append(events)
    taken: set[int] = set()
    receipts = []
    for sent, (offset, event) in zip(events, found, strict=True):
        # Another event than ours, or ours for the second time in this unit.
        duplicate = offset in taken or event["at"] != sent["at"] or event["k"] != sent["k"]
        taken.add(offset)
        receipts.append(_receipt(stream.namespace, offset, event, duplicate))
    return receipts


def _stored(stream: EventStream, entry: Entry, now: float, sender: str) -> Json:
    key, value, event_id = entry
    if not isinstance(key, str) or not key:
        raise TypeError(f"An event needs a key, a string that is not empty; {key!r} is none.")
    if event_id is not None and (not isinstance(event_id, str) or not event_id):
        raise TypeError(f"The id of an event is a string that is not empty, not {event_id!r}.")
    event = {"id": event_id or uuid.uuid4().hex, "k": key, "v": values.encode(value, stream), "s": sender, "at": now}
    return event if event_id is None else event | {"x": 1}


def _receipt(namespace: str, offset: int, event: Json, duplicate: bool) -> EventReceipt:
    return EventReceipt(event["k"], offset, namespace, event["at"], event["id"], event["s"], duplicate)


def event_of(stream: EventStream, offset: int, stored: Json) -> Event:
    """Return a stored event with a new copy of its value. Raises CheckpointError when this Python cannot load it."""
    return Event(
        stored["k"], values.decode(stored["v"], stream), offset, stream.namespace, stored["at"], stored["id"],
        stored["s"], stored.get("run", ""), stored.get("task", ""),
    )  # fmt: skip


def events_of(stream: EventStream, pairs: Iterable[tuple[int, Json]]) -> list[Event]:
    """Return stored events with new copies of their values."""
    return [event_of(stream, offset, stored) for offset, stored in pairs]


def place_of(stream: EventStream, begin: Begin) -> int:
    """Return the offset that "now", "earliest", an offset or a moment means; a moment without a zone is local time.

    Raises ValueError, TypeError.
    """
    if begin is None or begin == "earliest":
        return stream.bounds()[0]
    if begin == "now":
        return stream.bounds()[1]
    if isinstance(begin, datetime):
        return stream.offset_at(begin.timestamp())
    if isinstance(begin, int) and not isinstance(begin, bool):
        if begin < 0:
            raise ValueError(f"An offset is 1 or more, not {begin}.")
        return max(begin, 1)
    raise TypeError(f"begin takes 'now', 'earliest', an offset or a datetime, not {begin!r}.")


def select(
    stream: EventStream, *, keys: Keys, sender: str | None = None, begin: Begin = None, end: Begin = None
) -> Iterator[tuple[int, Json]]:
    """Yield the stored events between two places, the second one not included, that have a key and a sender.

    Raises EventsPruned when ``begin`` is an offset that is not kept any more.
    """
    place = place_of(stream, begin)
    last = stream.bounds()[1] if end is None else place_of(stream, end)
    while place < last:
        try:
            found = stream.read(place, min(PAGE, last - place))
        except EventsPruned as error:
            if begin is not None and begin != "earliest":
                raise
            place = error.first
            continue
        if not found:
            return
        for offset, stored in found:
            if stored["k"] in keys and (sender is None or stored["s"] == sender):
                yield offset, stored
        place = found[-1][0] + 1
