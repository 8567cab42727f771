"""Read a journal without a lock: the newest segment that is in use, and those that it continues.

A journal is one numbered segment file per ownership. The first frame of a segment is its header, which says up to
which byte (``seal``) the segment before it (``prev``) counts, and repeats the records that stood behind that byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from nbflow.errors import StorageDamaged, StorageError

from .frames import Frame, decode_frame, every_frame, glance, says_signed, scan
from .os_calls import OS, READ_ONLY
from .signing import RunSeals, Seal, Signer
from .streamed import Records, Span

VERSION = 1
DECODED = 8 << 20
"""Bytes of a journal whose records are held decoded; those behind them are decoded anew each time they are read."""
Json = dict[str, Any]
_SEGMENT = re.compile(r"j-(\d{8,})\.jsonl")


class Tail(NamedTuple):
    """Where the next owner goes on: in front of the last frame, which may not be on the disk yet.

    Segment ``prev`` counts up to byte ``seal``; ``carried`` are the records of frame ``seq``, which stood there.
    """

    prev: int = 0
    seal: int = 0
    carried: list[Json] = []  # noqa: RUF012 - never changed
    seq: int = 0


class Header(NamedTuple):
    """The first frame of a segment; ``tail`` is where its owner went on, ``end`` its last byte."""

    number: int
    salt: int
    run: str
    workflow_id: str
    tail: Tail
    end: int
    seal: Seal | None = None
    """That of the frames behind it, when they are signed and it was checked."""


@dataclass(slots=True)
class Chain:
    """What a journal says: its ``records``, and how to go on.

    ``damage`` is empty, or says what is unreadable; the records are then those before the damage.
    """

    run: str = ""
    workflow_id: str = ""
    newest: int = 0
    records: list[Json] | Records = field(default_factory=list)
    tail: Tail = field(default_factory=Tail)
    damage: str = ""
    pending: list[Json] = field(default_factory=list)
    """Records of a unit whose last frame has not come yet."""
    signer: Signer | None = None
    """Who signed the newest segment, None when nobody did: who goes on with it signs too."""
    size: int = 0
    """Bytes of the frames that were taken."""
    pause: Callable[[], None] | None = None
    """Called at each frame by a reader who leaves the interpreter to others now and then; nothing is held decoded."""


class _Missing(Exception):
    """A segment that another one continues is not there."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def segment_path(folder: str, number: int) -> str:
    """Return the path of a segment."""
    return f"{folder}/j-{number:08d}.jsonl"


def segment_numbers(calls: OS, folder: str) -> list[int]:
    """Return the numbers of all segments, newest first; none when the folder is missing."""
    try:
        names = calls.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted((int(match[1]) for name in names if (match := _SEGMENT.fullmatch(name))), reverse=True)


def read_chain(calls: OS, folder: str, seals: RunSeals | None = None, pause: Callable[[], None] | None = None) -> Chain:
    """Return the committed records of a journal, with ``seals`` after their signatures have been checked.

    ``pause`` is called at each frame, and the records are decoded only as they are read. Raises StorageError when a
    newer nbflow wrote it, SignatureError. Damage is returned, not raised.
    """
    chain = _attempt(calls, folder, seals, pause)
    while chain.damage or not chain.newest:
        # A compaction between the listing and the reading empties old segments; then a newer one counts.
        seen = _newest(calls, folder)
        chain = _attempt(calls, folder, seals, pause)
        if _newest(calls, folder) == seen:
            break
    return chain


def peek(calls: OS, folder: str) -> tuple[str, bool]:
    """Return the id of a run and whether anything was ever committed to it, from its newest segments alone.

    The id is empty when no header can be read.
    """
    found = _peek(calls, folder)
    while found is None:
        seen = _newest(calls, folder)
        found = _peek(calls, folder)
        if _newest(calls, folder) == seen:
            break
    return found or ("", False)


def _attempt(calls: OS, folder: str, seals: RunSeals | None, pause: Callable[[], None] | None, below: int = 0) -> Chain:
    try:
        return _read_chain(calls, folder, seals, pause, below)
    except _Missing as missing:
        chain = _attempt(calls, folder, seals, pause, missing.number)
        chain.damage = f"segment {missing.number} is missing"
        return chain


def _peek(calls: OS, folder: str) -> tuple[str, bool] | None:
    for number in segment_numbers(calls, folder):
        try:
            raw = _front(calls, folder, number)
        except _Missing:
            continue
        header = _header(raw, number, read=glance)
        if header is not None:
            committed = header.tail.prev or header.tail.carried
            return header.workflow_id, bool(committed or decode_frame(raw, header.end, header.salt))
        if _is_damaged(raw):
            return "", True
    return None


def _newest(calls: OS, folder: str) -> tuple[int, bool]:
    """Return the number of the newest segment, and whether it has a header: a compaction changes one or the other."""
    for number in segment_numbers(calls, folder):
        try:
            return number, _header(_front(calls, folder, number), number, read=glance) is not None
        except _Missing:
            break
    return 0, False


def run_of(calls: OS, fd: int, number: int) -> str:
    """Return which run an open segment says that it belongs to, empty when it has no header."""
    return _identity(calls, fd, number)[0]


def newest_run(calls: OS, folder: str) -> tuple[str, bool]:
    """Return which run a folder holds, empty when it has none, and whether that is signed, from the newest header."""
    for number in segment_numbers(calls, folder):
        try:
            fd = calls.open(segment_path(folder, number), READ_ONLY)
        except FileNotFoundError:
            continue
        try:
            run, signed = _identity(calls, fd, number)
        finally:
            calls.close(fd)
        if run:
            return run, signed
    return "", False


def _identity(calls: OS, fd: int, number: int) -> tuple[str, bool]:
    raw = bytearray()
    while b"\n" not in raw and (piece := calls.read(fd, 1 << 16)):
        raw += piece
    header = _header(bytes(raw), number, read=glance)
    return (header.run, says_signed(raw)) if header is not None else ("", False)


def readable_frames(calls: OS, folder: str, number: int, seals: RunSeals | None = None) -> list[Frame]:
    """Return every frame of a segment that can be read, whatever stands between them; none without its header.

    What the header carried over counts as a frame.
    """
    raw = _read(calls, folder, number)
    header = _header(raw, number, seals)
    if header is None:
        return []
    carried = Frame(header.tail.seq, header.tail.carried, False, 0, header.end)
    return [carried, *every_frame(raw, header.end, header.salt, header.seal)]


def refuse_damage(chain: Chain, workflow_id: str) -> Chain:
    """Return the chain, or raise StorageDamaged with the remedy."""
    if chain.damage:
        raise StorageDamaged(
            f"The journal of run {workflow_id!r} is damaged: {chain.damage}. {len(chain.records)} records before that "
            f"can be read. nbflow.salvage({workflow_id!r}) goes on from them and keeps the damaged files."
        )
    return chain


def _read_chain(calls: OS, folder: str, seals: RunSeals | None, pause: Callable[[], None] | None, below: int) -> Chain:
    chain = Chain(pause=pause)
    segments: list[tuple[Header, bytes]] = []
    for number in segment_numbers(calls, folder):
        if below and number >= below:
            continue
        raw = _read(calls, folder, number)
        header = _header(raw, number, seals)
        if header is not None:
            segments.append((header, raw))
            break
        if _is_damaged(raw):
            chain.damage = f"the header of segment {number} is unreadable, and frames follow it"
    while segments and (older := segments[-1][0].tail.prev):
        raw = _read(calls, folder, older)
        if not raw:
            raise _Missing(older)
        header = _header(raw, older, seals)
        if header is None or header.run != segments[-1][0].run or header.tail.prev >= older:
            chain = _read_chain(calls, folder, seals, pause, older)
            chain.damage = f"the header of segment {older} is unreadable"
            return chain
        segments.append((header, raw))
    _replay(chain, segments)
    return chain


def _replay(chain: Chain, segments: list[tuple[Header, bytes]]) -> None:
    """Take the frames of all segments, oldest last in the list, until the end or the first damage."""
    seq = segments[-1][0].tail.seq - 1 if segments else 0
    while segments:
        header, raw = segments.pop()
        if header.tail.seq != seq + 1:
            chain.damage = f"segment {header.number} goes on at frame {header.tail.seq}, not {seq + 1}"
            return
        _take_header(chain, header)
        seal = segments[-1][0].tail.seal if segments else len(raw)
        counted = raw[:seal]
        found = scan(
            counted, header.end, header.salt, header.tail.seq + 1, partial(_take, chain, header, counted), header.seal
        )
        if found.damage or (segments and found.end != seal):
            where = found.damage or f"it is readable up to byte {found.end}, and {seal} bytes count"
            chain.damage = f"segment {header.number}: {where}"
            return
        seq = found.seq - 1


def _take_header(chain: Chain, header: Header) -> None:
    chain.run, chain.workflow_id, chain.newest = header.run, header.workflow_id, header.number
    chain.signer = header.seal.signer if header.seal is not None else None
    chain.tail = header.tail
    chain.records.extend(chain.pending + header.tail.carried)
    chain.pending = []


def _take(chain: Chain, header: Header, raw: bytes, frame: Frame) -> None:
    chain.size += frame.end - frame.start
    if chain.pause is not None:
        chain.pause()
    if chain.size > (DECODED if chain.pause is None else 0) and isinstance(chain.records, list):
        chain.records = Records(chain.records)
    if frame.more or chain.pending or isinstance(chain.records, list):
        chain.pending += frame.records
    else:
        chain.records.add(Span(raw, frame.start, frame.end), len(frame.records))
    if not frame.more:
        if chain.pending:
            chain.records.extend(chain.pending)
            chain.pending = []
        chain.tail = Tail(header.number, frame.start, frame.records, frame.seq)


def _read(calls: OS, folder: str, number: int) -> bytes:
    try:
        return calls.read_all(segment_path(folder, number))
    except FileNotFoundError:
        raise _Missing(number) from None


def _front(calls: OS, folder: str, number: int) -> bytes:
    """Return the first two lines of a segment, or what there is of them: a long one must not be read for its header."""
    try:
        fd = calls.open(segment_path(folder, number), READ_ONLY)
    except FileNotFoundError:
        raise _Missing(number) from None
    raw, lines = bytearray(), 0
    try:
        while lines < 2 and (piece := calls.read(fd, max(1 << 14, len(raw)))):
            raw += piece
            lines += piece.count(b"\n")
    finally:
        calls.close(fd)
    return bytes(raw)


def _header(
    raw: bytes, number: int, seals: RunSeals | None = None, read: Callable[..., Frame | None] = decode_frame
) -> Header | None:
    frame = read(raw, 0, 0)
    if frame is None or not frame.records or not _is_header(frame.records[0]):
        return None
    fields = frame.records[0]
    if fields["v"] > VERSION:
        raise StorageError(
            f"The journal was written by nbflow {fields.get('nbflow', '?')} in format {fields['v']}, and this nbflow "
            f"reads up to format {VERSION}: install a newer one (pip install -U nbflow)."
        )
    tail = Tail(fields["prev"], fields["seal"], frame.records[1:], frame.seq)
    header = Header(number, fields["salt"], fields["run"], fields["id"], tail, frame.end)
    own = seals.header(number, says_signed(raw)) if seals is not None else None
    if seals is None or own is None:
        return header
    decode_frame(raw, 0, 0, own)  # raises when it is not signed as the header of this segment of this run
    return header._replace(seal=seals.frames(own, header.run, number, header.salt))


def _is_header(fields: Any) -> bool:
    kinds = {"v": int, "salt": int, "prev": int, "seal": int, "run": str, "id": str}
    if not isinstance(fields, dict) or fields.get("t") != "seg":
        return False
    return all(type(fields.get(name)) is kind for name, kind in kinds.items())


def _is_damaged(raw: bytes) -> bool:
    # An owner that died while it wrote the header leaves one broken line at most: frames follow only a whole header.
    return 0 <= raw.find(b"\n") < len(raw) - 1
