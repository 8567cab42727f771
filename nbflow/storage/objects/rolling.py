"""Put many commits into one object, so that a log stays quick to read: safe to kill anywhere, and to race.

A piece has a part of the log, byte for byte. It is there before what it replaces is removed, and a piece is removed
only when a larger one has all of it: so at any moment all that counts can be found. Headers stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable

from nbflow.errors import StorageError

from .bucket import create_once
from .entries import Damaged, Header, is_commit
from .place import ObjectPlace
from .reading import Log, Piece, lines_from, pieces_of

ROLL = 200
"""Commits after which they are rolled up."""


class Rolling:
    """Rolls the log of one owner, beside its commits."""

    def __init__(self, place: ObjectPlace, log: Log) -> None:
        self._place = place
        self._pieces = [*log.pieces]
        assert log.header is not None
        self._start = log.header.start
        self._begin = self._pieces[-1].end if self._pieces else self._start
        self._fences = set(log.fences)
        self._tried = 0
        self._wait: Callable[[], None] | None = None

    def grown(self, top: int) -> None:
        """Roll up all commits but the newest, if there are enough of them."""
        if top - max(self._begin, self._tried) < ROLL:
            return
        self.wait()
        self._tried = top  # after a failure, not at each commit again
        self._wait = self._place.bucket.spawn(lambda: self._roll(top))

    def wait(self) -> None:
        """Return when nothing is being rolled."""
        if self._wait is not None:
            self._wait()
            self._wait = None

    def begin_anew(self, header: Header) -> None:
        """Remove what is before a header that begins anew; a failure leaves what counts for nothing."""
        self.wait()
        old = [number for number in range(self._begin, header.number) if number not in self._fences]
        self._pieces, self._start, self._begin, self._fences = [], header.number, header.number, {header.number}
        try:
            keys = [self._place.number(number) for number in old]
            keys += [piece.key for piece in pieces_of(self._place) if piece.end <= header.number]
            keep = f"{self._place.snapshots}{header.snapshot}"
            keys += [each.key for each in self._place.bucket.find(self._place.snapshots) if each.key < keep]
            self._place.bucket.delete(keys)
        except StorageError:
            pass

    def _roll(self, end: int) -> None:
        try:
            self._keep(end)
        except (StorageError, Damaged):
            pass  # the log stays as it is until the next one tries

    def _keep(self, end: int) -> None:
        """Make the piece of all before ``end``, together with pieces before it that are not much larger."""
        bucket, numbers = self._place.bucket, range(self._begin, end)
        found = bucket.get_many([self._place.number(number) for number in numbers])
        content = [raw for raw in found if raw is not None]
        if len(content) < len(numbers):
            return  # another owner is at it
        if not all(_is_line(number, raw) for number, raw in zip(numbers, content, strict=True)):
            return  # in a piece it would make all the others unreadable too
        commits = [number for number, raw in zip(numbers, content, strict=True) if is_commit(raw)]
        kept, position = [*self._pieces], self._begin
        size = sum(len(raw) for raw in content)
        while kept and kept[-1].size <= 2 * size:
            piece = kept.pop()
            raw = bucket.get(piece.key)
            if raw is None:
                return
            first = max(piece.first, kept[-1].end if kept else self._start)
            content[:0] = [line for number, line in lines_from(raw, first) if number < position]
            size, position = sum(len(raw) for raw in content), first
        key = f"{self._place.pieces}{position:012d}-{end:012d}.json"
        if not create_once(bucket, key, b"".join(content)):
            return
        self._pieces = [*kept, Piece(position, end, key, size)]
        self._begin = end
        self._remove(commits, position, end)

    def _remove(self, commits: list[int], first: int, end: int) -> None:
        covered = [
            piece.key for piece in pieces_of(self._place) if first <= piece.first and piece.end <= end
            and (piece.first, piece.end) != (first, end)
        ]  # fmt: skip
        self._place.bucket.delete([*(self._place.number(number) for number in commits), *covered])


def _is_line(number: int, raw: bytes) -> bool:
    return raw.endswith(b"\n") and lines_from(raw, 0) == [(number, raw)]
