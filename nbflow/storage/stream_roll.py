"""Roll the small files of a stream into segments, and prune what is old. Both may be raced, and killed anywhere."""

from __future__ import annotations

import math
import re

from .frames import Frame
from .os_calls import discard, put_in_place, write_file
from .stream_files import START, Segment, StreamFiles, frame_end, pairs_of
from .stream_ids import index_of

ROLL = 1024
"""Events in the tail after which it is rolled."""
PIECE_EVENTS, PIECE_BYTES = 4096, 8 << 20
"""When a segment is large enough."""
LEFTOVER = 3600.0
"""Seconds after which an unfinished file is that of a dead process, and a value that no event names may go."""

Link = tuple[Frame, bytes]
_BLOB = re.compile(rb'"blob":"([0-9a-f]{64})"')


def roll(files: StreamFiles) -> None:
    """Put all frames of the tail into segments."""
    rolled = files.marks().rolled
    chain = _chain(files, rolled, None)
    # Had another one rolled them meanwhile, a frame here could be that of a sleeper, in a place that is taken.
    if not chain or files.marks().rolled != rolled:
        return
    piece: list[Link] = []
    size = 0
    for link in chain:
        piece.append(link)
        size += len(link[1])
        if frame_end(link[0]) - piece[0][0].seq >= PIECE_EVENTS or size >= PIECE_BYTES:
            _keep(files, piece)
            piece, size = [], 0
    if piece:
        _keep(files, piece)
    _drop_tail(files, frame_end(chain[-1][0]))
    _sweep(files)


def prune(files: StreamFiles, before: int, end: int) -> int:
    """Remove all events below an offset; return how many were there. ``end`` is durable and not below the stream's."""
    while True:
        marks = files.marks()
        before = min(before, end)
        if before <= marks.first:
            return 0
        chain = _chain(files, marks.rolled, before)
        if files.marks().rolled == marks.rolled:
            break
    files.set_mark("first", before)
    gone = [raw for _, raw in chain]
    if chain:
        _drop_tail(files, frame_end(chain[-1][0]))
    for segment in files.segments():
        if segment.end <= before:
            gone.append(_content(files, files.segment(segment)))
            discard(files.calls, files.segment(segment))
            discard(files.calls, f"{files.segment(segment)}.ids")
    _drop_blobs(files, {name for raw in gone for name in _BLOB.findall(raw)})
    return before - marks.first


def _chain(files: StreamFiles, offset: int, before: int | None) -> list[Link]:
    chain = []
    while link := files.raw_frame(offset):
        offset = frame_end(link[0])
        if before is not None and offset > before:
            break
        chain.append(link)
    return chain


def _keep(files: StreamFiles, piece: list[Link]) -> None:
    """Make one segment, durable with its index before it counts. Raced by another roller, both make the same."""
    calls, pairs = files.calls, [pair for frame, _ in piece for pair in pairs_of(frame)]
    until = max(math.ceil(event["at"] * 1000) for _, event in pairs)
    path = files.segment(Segment(piece[0][0].seq, frame_end(piece[-1][0]), max(until, 0)))
    for target, content in ((f"{path}.ids", index_of(pairs)), (path, b"".join(raw for _, raw in piece))):
        if content:
            temporary = files.temporary()
            try:
                write_file(calls, temporary, content, sync=True)
                put_in_place(calls, temporary, target)
            finally:
                discard(calls, temporary)
    calls.fsync_dir(f"{files.folder}/segments")


def _drop_tail(files: StreamFiles, rolled: int) -> None:
    """Set the mark first: a process that slept, and finds its place free again, must find out why."""
    files.set_mark("rolled", rolled)
    for offset in files.loose(START):
        if offset < rolled:
            discard(files.calls, files.tail(offset))


def _sweep(files: StreamFiles) -> None:
    calls = files.calls
    for name in calls.listdir(f"{files.folder}/tmp"):
        path = f"{files.folder}/tmp/{name}"
        try:
            if calls.now() - calls.stat(path).st_mtime > LEFTOVER:
                discard(calls, path)
        except FileNotFoundError:
            continue


def _drop_blobs(files: StreamFiles, names: set[bytes]) -> None:
    """Remove values that only pruned events named; a young one may be that of an event that is just being sent."""
    if not names:
        return
    paths = [files.tail(offset) for offset in files.loose(START)] + [files.segment(each) for each in files.segments()]
    for path in paths:
        names = names.difference(_BLOB.findall(_content(files, path)))
    for name in names:
        path = f"{files.folder}/blobs/{name.decode()}.nbb"
        try:
            if files.calls.now() - files.calls.stat(path).st_mtime > LEFTOVER:
                discard(files.calls, path)
        except FileNotFoundError:
            continue


def _content(files: StreamFiles, path: str) -> bytes:
    try:
        return files.calls.read_all(path)
    except FileNotFoundError:
        return b""
