"""What a large value is made of, in a folder as in an object store; its name is the sha256 of this content.

One line of JSON, padded to a multiple of 4096 bytes, says where the buffers are; then the buffers, each at a multiple
of 64 bytes. Buffers are written and read in slices and never joined: a 2 GB array needs no second copy.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from nbflow.errors import StorageDamaged, StorageError

from .base import Json
from .foreign import parse
from .os_calls import OS, write_all

PAGE = 4096
ALIGNMENT = 64
SLICE = 1 << 24
BESIDE = 1 << 18
"""Bytes from which on the disk is asked to begin before its content is hashed: 1 MB is written in 0.5 ms, and hashed in
0.5. A smaller one is hashed sooner than asked for."""


def blob_pieces(head: Json, buffers: Sequence[Any]) -> Iterator[memoryview]:
    """Yield the content of a value in slices of up to 16 MiB."""
    views = [memoryview(buffer).cast("B") for buffer in buffers]
    line, offsets = _table(head, [view.nbytes for view in views])
    yield memoryview(line)
    end = len(line)
    for view, offset in zip(views, offsets, strict=True):
        if offset > end:
            yield memoryview(bytes(offset - end))
        for start in range(0, view.nbytes, SLICE):
            yield view[start : start + SLICE]
        end = offset + view.nbytes


def write_content(calls: OS, fd: int, pieces: Iterable[memoryview], start: int = 0, front: bytes = b"") -> str:
    """Write the content of a value from byte ``start`` on, behind what comes in ``front`` of it; return its sha256.

    The file ends before the front. The disk takes the content while it is hashed.
    """
    digest, small = hashlib.sha256(), bytearray(front)
    for piece in pieces:
        if len(small) + piece.nbytes < BESIDE:
            small += piece
        else:
            write_all(calls, fd, small)
            small.clear()
            write_all(calls, fd, piece)
            if piece.nbytes >= BESIDE:
                calls.begin_sync(fd, start, piece.nbytes)
        digest.update(piece)
        start += piece.nbytes
    if small:
        write_all(calls, fd, small)
    return digest.hexdigest()


class ContentReader:
    """One pass over the content of a value, ``size`` bytes from where the file stands, that checks its name."""

    def __init__(self, calls: OS, fd: int, size: int, sha256: str, workflow_id: str) -> None:
        self._calls = calls
        self._fd = fd
        self._size = size
        self._sha256 = sha256
        self._workflow_id = workflow_id
        self._digest = hashlib.sha256()
        self._offset = 0

    def read(self) -> tuple[Json, list[bytearray]]:
        """Return the head and the buffers. Raises StorageDamaged."""
        line = bytearray()
        while not line.endswith(b"\n"):
            line += self._take(PAGE)
        try:
            table = parse(line)
            head, places = table["head"], [(int(offset), int(length)) for offset, length in table["buffers"]]
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged() from error
        buffers = []
        for offset, length in places:
            if offset < self._offset or offset - self._offset >= ALIGNMENT:
                raise self._damaged()
            self._take(offset - self._offset)
            buffers.append(self._take(length))
        if self._offset != self._size or self._digest.hexdigest() != self._sha256:
            raise self._damaged()
        return head, buffers

    def _take(self, length: int) -> bytearray:
        if length > self._size - self._offset:
            raise self._damaged()
        content = bytearray(length)
        view, done = memoryview(content), 0
        while done < length:
            piece = self._calls.read(self._fd, min(SLICE, length - done))
            if not piece:
                raise self._damaged()
            self._digest.update(piece)
            view[done : done + len(piece)] = piece
            done += len(piece)
        self._offset += length
        return content

    def _damaged(self) -> StorageError:
        return StorageDamaged(
            f"A value of run {self._workflow_id!r} is not what was stored: blob {self._sha256}. Delete the run's "
            "result of that task and run it again, or take the file from a backup."
        )


def _table(head: Json, lengths: list[int]) -> tuple[bytes, list[int]]:
    pages = 1
    while True:
        offsets, end = [], pages * PAGE
        for length in lengths:
            offsets.append(-(-end // ALIGNMENT) * ALIGNMENT)
            end = offsets[-1] + length
        table = {"head": head, "buffers": list(zip(offsets, lengths, strict=True))}
        line = json.dumps(table).encode("ascii")
        if len(line) < pages * PAGE:
            return line.ljust(pages * PAGE - 1) + b"\n", offsets
        pages = len(line) // PAGE + 1
