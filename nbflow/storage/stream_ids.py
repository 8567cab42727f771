"""Which events were sent with an id of the sender's, so that sending one again gives the first receipt."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from nbflow.errors import EventsPruned

from .base import Json
from .frames import Frame
from .stream_files import Pairs, StreamFiles, frame_end

_HASH = 16
_DIGITS = 20


def index_of(pairs: Pairs) -> bytes:
    """Return ``#<hash><offset>`` for each event that was sent with an id; the offset has 12 digits or more."""
    return b"".join(_entry(event, offset) for offset, event in pairs if "x" in event)


class Ids:
    """An index of the ids of one stream, read when the first event with an id is sent.

    It is searched as bytes: a million ids take 30 MB and some milliseconds, and no object each.
    """

    def __init__(self, files: StreamFiles, read: Callable[[int, int], Pairs]) -> None:
        self._files = files
        self._read = read
        self._index = bytearray()
        self._end = 0

    def learn(self, end: int) -> None:
        """Know all ids below ``end``."""
        if not self._end:
            rolled = self._files.marks().rolled  # before the listing: its segments then hold all below
            for segment in self._files.segments():
                self._index += self._files.ids(segment)
            self._end = rolled
        while self._end < end:
            try:
                found = self._read(self._end, 1000)
            except EventsPruned as error:
                self._end = error.first
                continue
            if not found:
                return
            self._index += index_of(found)
            self._end = found[-1][0] + 1

    def take(self, frame: Frame) -> None:
        """Know the ids of the frame that comes next; of any other, wait until they are asked for."""
        if self._end == frame.seq:
            self._index += index_of(list(enumerate(frame.records, frame.seq)))
            self._end = frame_end(frame)

    def find(self, event_id: str) -> tuple[int, Json] | None:
        """Return the first event that is there with an id."""
        needle = b"#" + _hashed(event_id)
        place = self._index.find(needle)
        while place >= 0:
            digits = self._index[place + len(needle) : place + len(needle) + _DIGITS]
            try:
                found = self._read(int(digits.split(b"#")[0]), 1)
            except EventsPruned:
                found = []
            if found and found[0][1].get("id") == event_id and "x" in found[0][1]:
                return found[0]
            place = self._index.find(needle, place + 1)
        return None


def _entry(event: dict[str, Any], offset: int) -> bytes:
    return b"#%b%012d" % (_hashed(event["id"]), offset)


def _hashed(event_id: str) -> bytes:
    return hashlib.sha256(event_id.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH].encode("ascii")
