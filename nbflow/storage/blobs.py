"""Immutable files for values too large for the journal, named by the sha256 of their content.

``blobs/<sha256>.nbb`` holds one value and is always whole: it is synced before it has its name. Values that an owner
stores one after the other lie in its pack (``packs.py``), which is quicker.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, TypeVar

from nbflow.errors import Fenced, StorageDamaged

from .base import Json
from .blob_content import SLICE, ContentReader, blob_pieces, write_content
from .failures import storage_errors
from .os_calls import CREATE_NEW, READ_ONLY, discard, make_folder, write_all
from .packs import SUFFIX, Pack, Packs, Spot
from .place import RunPlace

TEMPORARY = "tmp-"
TEMPORARY_LIFE = 3600.0
"""Seconds after which an unfinished blob is a leftover of a dead owner."""

Found = TypeVar("Found")
SUFFIXES = (".nbb", SUFFIX)
_NAME = re.compile(r"[0-9a-f]{64}")


class FolderBlobs:
    """The large values of one run in a folder. Safe to use from several threads.

    With ``packed`` what is stored goes into a pack while it comes one after the other; this is for the owner alone.
    """

    def __init__(self, place: RunPlace, *, packed: bool = False, packs: Packs | None = None) -> None:
        self._place = place
        self._folder = f"{place.folder}/blobs"
        self._durable = False
        self._packs = packs or Packs(place.calls, self._folder)
        self._pack = Pack(place.calls, self._folder) if packed else None

    def put_blob(self, head: Json, buffers: Sequence[Any]) -> tuple[str, int]:
        """Store one value durably; return (sha256, size in bytes). Idempotent.

        ``buffers`` are contiguous and must not change meanwhile. Raises StorageFull, StorageError.
        """
        pieces = [*blob_pieces(head, buffers)]
        size = sum(piece.nbytes for piece in pieces)
        with storage_errors(f"a value of run {self._place.workflow_id!r}"):
            self._make_folder()
            packed = self._pack.put(pieces, size) if self._pack is not None else None
            return packed or self._put_file(pieces), size

    def get_blob(self, sha256: str) -> tuple[Json, list[bytearray]]:
        """Return the head and the writable buffers of a stored value.

        Raises StorageDamaged when it is missing or not what was stored.
        """
        with storage_errors(f"blob {sha256} of run {self._place.workflow_id!r}"):
            return self.look(sha256, lambda spot: self._read(spot, sha256))

    def look(self, sha256: str, read: Callable[[Spot], Found]) -> Found:
        """Return what ``read`` makes of the place where a value lies. Raises what it raises, and StorageDamaged.

        It is looked for twice: who owns the run may just have removed a pack, of which it made files before, or have
        given up an equal value that was to stand at the end of one.
        """
        for is_last in (False, True):
            spot = self._find(sha256)
            try:
                if spot is not None:
                    return read(spot)
            except FileNotFoundError:
                pass
            except StorageDamaged:
                if is_last:
                    raise
        raise StorageDamaged(f"A value of run {self._place.workflow_id!r} is missing: blob {sha256}.")

    def pack_no_more(self) -> None:
        """Make each value a file of its own from now on, which no reader has to search for."""
        if self._pack is not None:
            self._pack.close()

    def rest(self) -> None:
        """Keep no file open for what is stored next, when nothing was stored since the last call."""
        if self._pack is not None:
            self._pack.rest()

    def share(self, source: RunPlace, names: Collection[str]) -> None:
        """Take over large values of another run, durably; what can be linked is not copied.

        Raises StorageDamaged when one is not there, StorageFull, StorageError.
        """
        if not names:
            return
        with storage_errors(f"the values of run {self._place.workflow_id!r}"):
            self._make_folder()
            there = FolderBlobs(source)
            shared = self._share_packs(there, names)
            for sha256 in names:
                if sha256 not in shared:
                    there.look(sha256, partial(self._share, sha256))
            self._place.calls.fsync_dir(self._folder)

    def keep_only(self, names: Collection[str], check_fence: Callable[[], None], young: float = 0.0) -> None:
        """Remove all blobs but these; only for the owner. A failure leaves a file that nobody needs.

        ``check_fence`` raises when the folder is not the owner's any more: its names may then be those of another run.
        With ``young`` a blob stays that was stored less than so many seconds ago, by whomever.
        """
        kept = {f"{sha256}.nbb" for sha256 in names}
        try:
            for name in self._place.calls.listdir(self._folder):
                if name in kept:
                    continue
                check_fence()
                if not name.endswith(SUFFIX) or self._is_dispensable(name, names, young):
                    check_fence()
                    self._remove(name, young)
        except (OSError, Fenced, StorageDamaged):
            pass

    def sweep(self) -> None:
        """Remove what owners left that died while they wrote; only for the owner."""
        calls = self._place.calls
        try:
            for name in calls.listdir(self._folder):
                path = f"{self._folder}/{name}"
                blob = name.removeprefix(TEMPORARY)
                if blob == name:
                    continue
                if blob.endswith(SUFFIXES) and not calls.exists(f"{self._folder}/{blob}"):
                    calls.rename(path, f"{self._folder}/{blob}")  # it was being removed, and may be a new one
                elif calls.now() - calls.stat(path).st_mtime > TEMPORARY_LIFE:
                    discard(calls, path)
        except OSError:
            pass

    # ---- files ----

    def _put_file(self, pieces: Sequence[memoryview]) -> str:
        calls = self._place.calls
        temporary = self._temporary()
        try:
            fd = calls.open(temporary, CREATE_NEW)
            try:
                sha256 = write_content(calls, fd, pieces)
                calls.fsync(fd)
            finally:
                calls.close(fd)
            calls.rename(temporary, self._path(sha256))
        except BaseException:
            discard(calls, temporary)
            raise
        calls.fsync_dir(self._folder)
        return sha256

    def _find(self, sha256: str) -> Spot | None:
        path = self._path(sha256)
        mine = self._pack.find(sha256) if self._pack is not None else None
        if mine is not None:
            return mine
        for each in (path, f"{self._folder}/{TEMPORARY}{sha256}.nbb"):  # where it is while it is perhaps removed
            try:
                return Spot(each, 0, self._place.calls.stat(each).st_size)
            except FileNotFoundError:
                pass
        return self._packs.find(sha256)

    def _read(self, spot: Spot, sha256: str) -> tuple[Json, list[bytearray]]:
        calls = self._place.calls
        fd = calls.open(spot.path, READ_ONLY)
        try:
            calls.seek(fd, spot.start)
            return ContentReader(calls, fd, spot.size, sha256, self._place.workflow_id).read()
        finally:
            calls.close(fd)

    def _remove(self, name: str, young: float) -> None:
        """Remove a file unless it is young, also when an equal value takes its name, or it is shared, right now."""
        calls, path = self._place.calls, f"{self._folder}/{name}"
        if not young:
            discard(calls, path)
        elif name.endswith(SUFFIXES) and not self._is_young(path, young):
            aside = f"{self._folder}/{TEMPORARY}{name}"
            calls.rename(path, aside)
            if self._is_young(aside, young):
                calls.rename(aside, path)
            else:
                discard(calls, aside)

    def _is_young(self, path: str, young: float) -> bool:
        calls = self._place.calls
        return calls.now() - calls.stat(path).st_mtime < young

    def _share(self, sha256: str, spot: Spot) -> None:
        path = self._path(sha256)
        if spot.path.endswith(SUFFIX) or not self._link(spot.path, path):
            self._copy(spot, sha256)

    def _link(self, path: str, to: str) -> bool:
        """Give a file a name here as well; return False where there are no hard links.

        It is young again: it is needed, though nothing that is stored says so yet.
        """
        calls = self._place.calls
        try:
            calls.utime(path)
            calls.link(path, to)
        except FileExistsError:
            try:
                calls.utime(to)
            except FileNotFoundError:  # it was just being removed
                return self._link(path, to)
        except FileNotFoundError:
            raise
        except OSError:
            return False
        return True

    def _copy(self, spot: Spot, sha256: str) -> None:
        """Make a file of what lies somewhere. Raises StorageDamaged, with nothing made, when it is something else."""
        calls, temporary, rest = self._place.calls, self._temporary(), spot.size
        digest = hashlib.sha256()
        source = calls.open(spot.path, READ_ONLY)
        try:
            calls.seek(source, spot.start)
            fd = calls.open(temporary, CREATE_NEW)
            try:
                while rest and (piece := calls.read(source, min(SLICE, rest))):
                    write_all(calls, fd, piece)
                    digest.update(piece)
                    rest -= len(piece)
                calls.fsync(fd)
            finally:
                calls.close(fd)
            if digest.hexdigest() != sha256:
                raise StorageDamaged(f"A value of run {self._place.workflow_id!r} is not what was stored: {spot}.")
            calls.rename(temporary, self._path(sha256))
        except BaseException:
            discard(calls, temporary)
            raise
        finally:
            calls.close(source)

    # ---- packs ----

    def _share_packs(self, source: FolderBlobs, names: Collection[str]) -> set[str]:
        """Link the packs that are worth it, and return the values in them."""
        shared: set[str] = set()
        for path in source._packs.paths():
            wanted = source._packs.worth_linking(path, names)
            try:
                if wanted and self._link(path, f"{self._folder}/{path.rpartition('/')[2]}"):
                    shared |= wanted
            except FileNotFoundError:
                pass
        return shared

    def _is_dispensable(self, name: str, names: Collection[str], young: float) -> bool:
        """Tell whether a pack can go, since not all in it is needed; of a part that is needed files are made first."""
        path = f"{self._folder}/{name}"
        if not self._is_settled(path, young):
            return False
        inside = self._packs.inside(path)
        needed = sorted(inside.keys() & set(names))
        if inside and len(needed) == len(inside):
            return False
        for sha256 in needed:
            self._copy(inside[sha256], sha256)
        if needed:
            self._place.calls.fsync_dir(self._folder)
        return True

    def _is_settled(self, path: str, young: float) -> bool:
        """Tell whether a pack does not grow any more and is not young; our own is ended for that."""
        if young and self._is_young(path, young):
            return False
        if self._pack is not None and self._pack.path == path:
            self._pack.roll()
            return not (young and self._is_young(path, young))  # it may have grown since the first look
        return True

    # ---- names ----

    def _temporary(self) -> str:
        return f"{self._folder}/{TEMPORARY}{self._place.calls.random_hex(8)}"

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
