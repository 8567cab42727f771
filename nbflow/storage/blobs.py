"""Immutable files for values too large for the journal, named by the sha256 of their content.

A blob is one line of JSON, padded to a multiple of 4096 bytes, that says where the buffers are, then the buffers, each
at a multiple of 64 bytes. Buffers are written and read in slices and never joined: a 2 GB array needs no second copy.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from nbflow.errors import Fenced, StorageDamaged, StorageError

from .failures import storage_errors
from .foreign import parse
from .os_calls import CREATE_NEW, OS, READ_ONLY, discard, make_folder, write_all
from .place import RunPlace

PAGE = 4096
ALIGNMENT = 64
SLICE = 1 << 24
BESIDE = 1 << 18
"""Bytes from which on the disk is asked to begin before its content is hashed: 1 MB is written in 0.5 ms, and hashed in
0.5. A smaller one is hashed sooner than asked for."""
TEMPORARY = "tmp-"
TEMPORARY_LIFE = 3600.0
"""Seconds after which an unfinished blob is a leftover of a dead owner."""

Json = dict[str, Any]
_NAME = re.compile(r"[0-9a-f]{64}")


class FolderBlobs:
    """The blobs of one run in a folder. Safe to use from several threads."""

    def __init__(self, place: RunPlace) -> None:
        self._place = place
        self._folder = f"{place.folder}/blobs"
        self._durable = False

    def put_blob(self, head: Json, buffers: Sequence[Any]) -> tuple[str, int]:
        """Store one value durably; return (sha256, size in bytes). Idempotent.

        ``buffers`` are contiguous and must not change meanwhile. Raises StorageFull, StorageError.
        """
        calls = self._place.calls
        temporary = f"{self._folder}/{TEMPORARY}{calls.random_hex(8)}"
        with storage_errors(f"a value of run {self._place.workflow_id!r}"):
            self._make_folder()
            try:
                fd = calls.open(temporary, CREATE_NEW)
                try:
                    sha256, size = _write(calls, fd, head, buffers)
                    named = self._is_named(temporary, self._path(sha256))
                    calls.fsync(fd)
                finally:
                    calls.close(fd)
                if not named:
                    calls.rename(temporary, self._path(sha256))
            except BaseException:
                discard(calls, temporary)
                raise
            calls.fsync_dir(self._folder)
        return sha256, size

    def _is_named(self, temporary: str, path: str) -> bool:
        """Give an unsynced file its name, unless it is taken: one sync then does for the file and its name.

        Nobody knows the name yet, so nobody misses what a crash leaves of the file. Who stores an equal value later
        finds the name taken, perhaps by such a ruin, and puts a whole and synced file in its place.
        """
        calls = self._place.calls
        if sys.platform == "win32":  # where an open file keeps its name
            return False
        try:
            calls.link(temporary, path)
        except OSError:
            return False
        calls.unlink(temporary)
        return True

    def get_blob(self, sha256: str) -> tuple[Json, list[bytearray]]:
        """Return the head and the writable buffers of a stored value.

        Raises StorageDamaged when it is missing or not what was stored.
        """
        calls = self._place.calls
        with storage_errors(f"blob {sha256} of run {self._place.workflow_id!r}"):
            try:
                fd = calls.open(self._path(sha256), READ_ONLY)
            except FileNotFoundError:
                raise StorageDamaged(f"A value of run {self._place.workflow_id!r} is missing: blob {sha256}.") from None
            try:
                return _Reader(self._place, fd, sha256).read()
            finally:
                calls.close(fd)

    def share(self, folder: str, names: Collection[str]) -> None:
        """Take over blobs of another run's folder, durably; the content is copied only where there are no hard links.

        Raises StorageDamaged when one is not there, StorageFull, StorageError.
        """
        if not names:
            return
        calls = self._place.calls
        with storage_errors(f"the values of run {self._place.workflow_id!r}"):
            self._make_folder()
            for sha256 in names:
                self._share(f"{folder}/blobs/{sha256}.nbb", self._path(sha256))
            calls.fsync_dir(self._folder)

    def keep_only(self, names: Collection[str], check_fence: Callable[[], None], young: float = 0.0) -> None:
        """Remove all blobs but these; only for the owner. A failure leaves a file that nobody needs.

        ``check_fence`` raises when the folder is not the owner's any more: its names may then be those of another run.
        With ``young`` a blob stays that was stored less than so many seconds ago, by whomever.
        """
        kept = {f"{sha256}.nbb" for sha256 in names}
        try:
            found = self._place.calls.listdir(self._folder)
            for name in found:
                if name in kept:
                    continue
                check_fence()
                if young:
                    self._discard_old(name, young)
                else:
                    discard(self._place.calls, f"{self._folder}/{name}")
        except (OSError, Fenced):
            pass

    def _discard_old(self, name: str, young: float) -> None:
        """Remove a blob that is old, also when an equal one is stored at this moment, which takes its name."""
        calls, path = self._place.calls, f"{self._folder}/{name}"
        if name.startswith(TEMPORARY) or calls.now() - calls.stat(path).st_mtime < young:
            return
        aside = f"{self._folder}/{TEMPORARY}{calls.random_hex(8)}"
        calls.rename(path, aside)
        if calls.now() - calls.stat(aside).st_mtime < young:
            calls.rename(aside, path)
        else:
            discard(calls, aside)

    def _share(self, path: str, to: str) -> None:
        calls = self._place.calls
        temporary = f"{self._folder}/{TEMPORARY}{calls.random_hex(8)}"
        try:
            calls.link(path, temporary)
        except FileNotFoundError:
            raise StorageDamaged(f"A value to be shared is missing: {path}.") from None
        except OSError:
            self._copy(path, temporary, to)
            return
        calls.rename(temporary, to)  # in the place of a file that a crash may have torn
        discard(calls, temporary)  # it stays where both are names of one file

    def _copy(self, path: str, temporary: str, to: str) -> None:
        calls = self._place.calls
        source = calls.open(path, READ_ONLY)
        try:
            fd = calls.open(temporary, CREATE_NEW)
            try:
                while piece := calls.read(source, SLICE):
                    write_all(calls, fd, piece)
                calls.fsync(fd)
            finally:
                calls.close(fd)
            calls.rename(temporary, to)
        except BaseException:
            discard(calls, temporary)
            raise
        finally:
            calls.close(source)

    def sweep(self) -> None:
        """Remove what owners left that died while they wrote; only for the owner."""
        calls = self._place.calls
        try:
            names = [name for name in calls.listdir(self._folder) if name.startswith(TEMPORARY)]
            for name in names:
                if calls.now() - calls.stat(f"{self._folder}/{name}").st_mtime > TEMPORARY_LIFE:
                    discard(calls, f"{self._folder}/{name}")
        except OSError:
            pass

    def _make_folder(self) -> None:
        if not self._durable:
            make_folder(self._place.calls, self._folder)
            # Also when it was there: whoever made it may not have come to this line.
            self._place.calls.fsync_dir(self._place.folder)
            self._durable = True

    def _path(self, sha256: str) -> str:
        if not _NAME.fullmatch(sha256):
            raise StorageDamaged(f"Run {self._place.workflow_id!r} names a value {sha256!r:.99}, which is no blob.")
        return f"{self._folder}/{sha256}.nbb"


class _Reader:
    """One pass over a blob file that checks its name."""

    def __init__(self, place: RunPlace, fd: int, sha256: str) -> None:
        self._place = place
        self._fd = fd
        self._sha256 = sha256
        self._digest = hashlib.sha256()
        self._offset = 0

    def read(self) -> tuple[Json, list[bytearray]]:
        """Return the head and the buffers."""
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
        if self._place.calls.read(self._fd, 1) or self._digest.hexdigest() != self._sha256:
            raise self._damaged()
        return head, buffers

    def _take(self, length: int) -> bytearray:
        if length > self._place.calls.fstat(self._fd).st_size - self._offset:
            raise self._damaged()
        content = bytearray(length)
        view, done = memoryview(content), 0
        while done < length:
            piece = self._place.calls.read(self._fd, min(SLICE, length - done))
            if not piece:
                raise self._damaged()
            self._digest.update(piece)
            view[done : done + len(piece)] = piece
            done += len(piece)
        self._offset += length
        return content

    def _damaged(self) -> StorageError:
        return StorageDamaged(
            f"A value of run {self._place.workflow_id!r} is not what was stored: blob {self._sha256}. Delete the run's "
            "result of that task and run it again, or take the file from a backup."
        )


def _write(calls: OS, fd: int, head: Json, buffers: Sequence[Any]) -> tuple[str, int]:
    """Write a blob; return its sha256, made while the disk takes it, and its size."""
    digest, size = hashlib.sha256(), 0
    for piece in blob_pieces(head, buffers):
        write_all(calls, fd, piece)
        if piece.nbytes >= BESIDE:
            calls.begin_sync(fd, size, piece.nbytes)
        digest.update(piece)
        size += piece.nbytes
    return digest.hexdigest(), size


def blob_pieces(head: Json, buffers: Sequence[Any]) -> Iterator[memoryview]:
    """Yield the content of a blob file in slices of up to 16 MiB."""
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
