"""Read a stream without a lock: where it ends, the events from an offset on, and the first event of a moment."""

from __future__ import annotations

from nbflow.errors import EventsPruned

from .stream_files import START, Marks, Pairs, StreamFiles, frame_end, pairs_of
from .stream_recent import Recent


class Reader:
    """One reader of a stream. ``durable`` is an offset below which everything is known to be durable."""

    def __init__(self, files: StreamFiles, recent: Recent) -> None:
        self.durable = 0
        self._files = files
        self._recent = recent

    def find_end(self) -> int:
        """Return the offset of the next event. The last one may not be durable yet."""
        while True:
            marks = self._files.marks()
            end = max(marks)
            if names := self._files.loose(marks.rolled):
                frame = self._files.frame(names[-1])
                end = max(end, frame_end(frame)) if frame else 0
            if end and self._files.marks() == marks:
                return end

    def read(self, begin: int, limit: int) -> Pairs:
        """Return up to ``limit`` durable events from an offset on, at least one when there is one.

        Raises EventsPruned, StorageDamaged.
        """
        if found := self._recent.since(begin, limit):
            return found
        begin = max(begin, START)
        while True:
            marks = self._files.marks()
            if begin < marks.first:
                raise EventsPruned(self._files.namespace, marks.first)
            try:
                if begin < marks.rolled:
                    return self._from_segments(begin, limit, marks)
                found = self._from_tail(begin, limit, marks.rolled)
            except FileNotFoundError:
                continue  # rolled or pruned meanwhile
            # Only now are they no frames of a sleeper, in places that were taken before.
            if self._files.marks().rolled <= begin:
                return found

    def offset_at(self, at: float) -> int:
        """Return the offset of the first event whose time is ``at`` or later, or the end."""
        while True:
            marks = self._files.marks()
            late = (each for each in self._files.segments() if each.until >= at * 1000 and each.end > marks.first)
            segment = next(late, None)
            place = max(segment.first, marks.first) if segment else max(marks)
            try:
                while found := self.read(place, 1000):
                    for offset, event in found:
                        if event["at"] >= at:
                            return offset
                    place = found[-1][0] + 1
            except EventsPruned:
                continue
            return place

    def is_rolled(self, offset: int, ids: list[str]) -> bool:
        """Tell whether the events with these ids, whose place is below the mark, are in a segment.

        When they are pruned already nobody can tell; then they are not, since to send once more is better than never.
        """
        marks = self._files.marks()
        place = max(offset, marks.first)
        end = offset + len(ids)
        if place >= end or marks.rolled < end:  # a frame is rolled as a whole
            return False
        try:
            found = self._from_segments(place, 1, marks)
        except FileNotFoundError:
            return False
        return bool(found) and found[0][1].get("id") == ids[place - offset]

    def _from_segments(self, begin: int, limit: int, marks: Marks) -> Pairs:
        segment = next((each for each in self._files.segments() if each.first <= begin < each.end), None)
        if segment is None:
            if self._files.marks() == marks:
                raise self._files.damaged(f"the segment with offset {begin} is missing")
            raise FileNotFoundError(begin)
        found: Pairs = []
        for frame in self._files.frames(segment, begin):
            found.extend(pair for pair in pairs_of(frame) if pair[0] >= begin)
            if len(found) >= limit:
                break
        return found[:limit]

    def _from_tail(self, begin: int, limit: int, rolled: int) -> Pairs:
        frame = self._files.frame(begin)
        if frame is None:
            start = max((offset for offset in self._files.loose(rolled) if offset < begin), default=0)
            frame = self._files.frame(start) if start else None
        found: Pairs = []
        while frame is not None and len(found) < limit:
            found.extend(pair for pair in pairs_of(frame) if pair[0] >= begin)
            frame = self._files.frame(frame_end(frame))
        if found and found[-1][0] >= self.durable:
            self._files.sync_tail()
        return found[:limit]
