"""Read the log of a run without a lock: who owns it, and what was committed.

A reader never sees less than was acknowledged: commits are removed only when a piece or a snapshot with the same is
there, and the log is listed before the pieces. What changes between two calls is looked at once more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from nbflow.errors import StorageDamaged, StorageError

from ..base import Json
from .bucket import Listed
from .entries import Damaged, Header, Tombstone, decode_commit, decode_own, decode_snapshot, epoch_of, is_commit
from .place import ObjectPlace

_NUMBER = re.compile(r"(\d{12,})\.json")
_PIECE = re.compile(r"(\d{12,})-(\d{12,})\.json")
ATTEMPTS = 40
"""How often a log that changes under the reader is read anew."""


class Top(NamedTuple):
    """The end of a log: its last number, what says to whom it belongs, and the numbers that are there.

    ``own`` is the newest header, a tombstone, or None when there is nothing; ``used`` tells whether records were
    committed in this life.
    """

    number: int
    own: Header | Tombstone | None
    used: bool
    numbers: list[int]
    changed: float


class Piece(NamedTuple):
    """An object with all of the log from ``first`` to before ``end``."""

    first: int
    end: int
    key: str
    size: int


@dataclass(slots=True)
class Log:
    """What a log says: its ``records``, and how its owner goes on.

    ``damage`` is empty, or says what is unreadable; the records are then those before the damage, and ``readable``
    those behind it.
    """

    top: int = 0
    header: Header | None = None
    records: list[Json] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    loose: list[int] = field(default_factory=list)
    """The numbers behind the last piece."""
    fences: set[int] = field(default_factory=set)
    """Those of them that are headers, which stay for ever."""
    damage: str = ""
    readable: list[Json] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    """The objects that were read, of a damaged log."""


class _Changed(Exception):
    """Something was removed between two calls."""


def numbers_of(place: ObjectPlace, listed: list[Listed]) -> list[int]:
    """Return the numbers of the objects of a log, in order."""
    found = (_NUMBER.fullmatch(each.key[len(place.log) :]) for each in listed)
    return sorted(int(match[1]) for match in found if match)


def read_top(place: ObjectPlace) -> Top:
    """Return where a log ends. Raises StorageDamaged, SignatureError."""
    for _ in range(ATTEMPTS):
        listed = place.bucket.find(place.log)
        numbers = numbers_of(place, listed)
        if not numbers:
            return Top(0, None, False, [], 0.0)
        top = numbers[-1]
        raw = place.bucket.get(place.number(top))
        if raw is None:
            continue  # rolled up meanwhile, so there is a newer one
        try:
            own, used = _own(place, top, raw)
        except Damaged as damage:
            raise damaged(place, str(damage)) from None
        return Top(top, own, used, numbers, max(each.changed for each in listed))
    raise _restless(place)


def read_log(place: ObjectPlace, top: Top | None = None) -> Log:
    """Return the committed records of a run, none when it is not there. Damage is returned, not raised.

    Raises SignatureError, StorageError when a newer nbflow wrote it.
    """
    for _ in range(ATTEMPTS):
        seen = top or read_top(place)
        top = None
        if not isinstance(seen.own, Header):
            return Log(seen.number)
        try:
            log = _read(place, seen, seen.own)
        except _Changed:
            continue
        if not log.damage or read_top(place).numbers == seen.numbers:
            return log
    raise _restless(place)


def refuse_damage(place: ObjectPlace, log: Log) -> Log:
    """Return the log, or raise StorageDamaged with the remedy."""
    if log.damage:
        raise damaged(place, f"{log.damage}. {len(log.records)} records before that can be read")
    return log


def damaged(place: ObjectPlace, what: str) -> StorageDamaged:
    """Return the error for a log that is not what was written."""
    return StorageDamaged(
        f"The journal of run {place.workflow_id!r} is damaged: {what}. nbflow.salvage({place.workflow_id!r}) goes on "
        "from what can be read and keeps the damaged objects."
    )


def pieces_of(place: ObjectPlace) -> list[Piece]:
    """Return all pieces of a run, by their numbers."""
    found = ((each, _PIECE.fullmatch(each.key[len(place.pieces) :])) for each in place.bucket.find(place.pieces))
    return sorted(Piece(int(match[1]), int(match[2]), each.key, each.size) for each, match in found if match)


def lines_from(raw: bytes, number: int) -> list[tuple[int, bytes]]:
    """Return the number and the bytes of each object in a piece, from ``number`` on. Raises Damaged."""
    found = []
    for line in raw.splitlines(keepends=True):
        try:
            place = int(line[5 : line.index(b",", 5)])
        except ValueError:
            raise Damaged(f"a piece with object {number} is unreadable") from None
        if place >= number:
            found.append((place, line))
    return found


def _own(place: ObjectPlace, top: int, raw: bytes) -> tuple[Header | Tombstone, bool]:
    if not is_commit(raw):
        own = decode_own(place, top, raw)
        return own, isinstance(own, Header) and own.used
    epoch = epoch_of(place, top, raw)
    header = place.bucket.get(place.number(epoch))
    if header is None:
        raise Damaged(f"header {epoch} is missing")
    own = decode_own(place, epoch, header)
    if isinstance(own, Tombstone):
        raise Damaged(f"header {epoch} is none")
    return own, True


def _read(place: ObjectPlace, top: Top, header: Header) -> Log:
    log = Log(top.number, header)
    position = header.start
    # Only now: what a listing of the log lacks, since it was rolled up, is in a piece by this time.
    every = pieces_of(place)
    while following := max((each for each in every if each.first <= position < each.end), key=_end, default=None):
        log.pieces.append(following)
        position = following.end
    log.loose = [number for number in top.numbers if number >= position]
    log.keys = [each.key for each in log.pieces] + [place.number(number) for number in log.loose]
    found = place.bucket.get_many(log.keys)
    lines: list[tuple[int, bytes | None]] = []
    position = header.start
    for piece, raw in zip(log.pieces, found, strict=False):
        if raw is None:
            raise _Changed
        try:
            lines += lines_from(raw, position)
        except Damaged:
            lines.append((position, None))
        position = piece.end
    for number, raw in zip(log.loose, found[len(log.pieces) :], strict=True):
        if raw is None:
            raise _Changed
        lines.append((number, raw))
    _Replay(place, log).take(lines)
    return log


class _Replay:
    """Takes the objects of a log in their order, until the end or the first damage."""

    def __init__(self, place: ObjectPlace, log: Log) -> None:
        self._place = place
        self._log = log
        self._owner: Header | None = None

    def take(self, lines: list[tuple[int, bytes | None]]) -> None:
        log = self._log
        assert log.header is not None
        expected = log.header.start
        for number, raw in lines:
            records: list[Json] = []
            try:
                if number != expected and not log.damage:
                    raise Damaged(f"object {expected} is missing")
                expected = number + 1
                records = self._records(number, raw)
            except Damaged as damage:
                log.damage = log.damage or str(damage)
            (log.readable if log.damage else log.records).extend(records)
        if expected <= log.top and not log.damage:
            log.damage = f"object {expected} is missing"
        log.top = max(log.top, expected - 1)  # a piece that was made meanwhile may go further

    def _records(self, number: int, raw: bytes | None) -> list[Json]:
        if raw is None:
            raise Damaged(f"object {number} is unreadable")
        if is_commit(raw):
            if self._owner is None:
                raise Damaged(f"object {number} has no header")
            return decode_commit(self._place, self._owner, number, raw).records
        own = decode_own(self._place, number, raw)
        if isinstance(own, Tombstone):
            raise Damaged(f"object {number} is a tombstone in the middle")
        self._owner = own
        self._log.fences.add(number)
        if own.start != number or not own.snapshot:
            return []
        snapshot = self._place.bucket.get(f"{self._place.snapshots}{own.snapshot}")
        if snapshot is None:
            raise Damaged(f"snapshot {own.snapshot} is missing")
        return decode_snapshot(self._place, own, snapshot)


def _end(piece: Piece) -> int:
    return piece.end


def _restless(place: ObjectPlace) -> StorageError:
    return StorageError(f"The journal of run {place.workflow_id!r} changes while it is read: try again.")
