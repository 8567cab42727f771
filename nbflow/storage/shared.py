"""The large values of one run for other processes: those of this computer, or of others that see the same files."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from nbflow.errors import StorageDamaged, SystemFailure

from .base import Json
from .blobs import FolderBlobs
from .failures import storage_errors
from .os_calls import OS, READ_ONLY, LazyOS
from .packs import Packs, Spot
from .place import RunPlace
from .root import MARK


class Unseen(SystemFailure):
    """A process was given the place of a value and does not see the files of the storage."""

    blameless = True
    """The body had not started: the engine sends it again, with its values, and counts no attempt."""


@dataclass(frozen=True)
class SharedBlobs:
    """Read and write the values of a run in its folder, from any process; it travels by pickle.

    ``check`` compares what is read with its name; leave it out only for what was written in this very session.
    With ``copy`` a value is read into memory, which nobody else can change afterwards; else its file is mapped:
    processes share its pages, and one that writes into the value gets pages of its own.
    """

    root: str
    folder: str
    workflow_id: str
    mark: str
    durable: bool = True
    check: bool = True
    copy: bool = False

    def here(self) -> bool:
        """Tell whether this process sees the files: the same storage, not just one at the same path."""
        return os.path.isdir(self.folder) and mark_of(self.root) == self.mark

    def put_blob(self, head: Json, buffers: Any) -> tuple[str, int]:
        """Store one value durably; return (sha256, size in bytes). Idempotent. Raises StorageError."""
        return self._blobs().put_blob(head, buffers)

    def get_blob(self, sha256: str) -> tuple[Json, list[Any]]:
        """Return the head and the writable buffers of a value. Raises Unseen, StorageDamaged."""
        if not self.here():
            raise Unseen(
                f"The values of run {self.workflow_id!r} are in {self.folder}, which this process does not see."
            )
        if self.copy:
            found = self._blobs().get_blob(sha256)
            return found[0], list(found[1])
        with storage_errors(f"blob {sha256} of run {self.workflow_id!r}"):
            return self._blobs().look(sha256, lambda spot: self._mapped(spot, sha256))

    def _blobs(self) -> FolderBlobs:
        parents = (os.path.dirname(self.folder), self.root, os.path.dirname(self.root))
        place = RunPlace(OS() if self.durable else LazyOS(), self.folder, self.workflow_id, parents)
        return FolderBlobs(place, packs=_packs(f"{self.folder}/blobs"))

    def _mapped(self, spot: Spot, sha256: str) -> tuple[Json, list[Any]]:
        fd = os.open(spot.path, READ_ONLY)
        try:
            mapping = mmap.mmap(fd, 0, access=mmap.ACCESS_COPY)
        except ValueError:  # an empty file
            raise self._damaged(sha256) from None
        finally:
            os.close(fd)
        end = spot.start + spot.size
        view = memoryview(mapping)[spot.start : end]
        if self.check and hashlib.sha256(view).hexdigest() != sha256:
            raise self._damaged(sha256)
        try:
            table = json.loads(mapping[spot.start : mapping.find(b"\n", spot.start, end)])
            places = [(int(offset), int(length)) for offset, length in table["buffers"]]
            head: Json = table["head"]
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged(sha256) from error
        if any(offset < 0 or length < 0 or offset + length > len(view) for offset, length in places):
            raise self._damaged(sha256)
        return head, [view[offset : offset + length] for offset, length in places]

    def _damaged(self, sha256: str) -> StorageDamaged:
        return StorageDamaged(f"A value of run {self.workflow_id!r} is not what was stored: blob {sha256}.")


@lru_cache(maxsize=8)
def _packs(folder: str) -> Packs:
    return Packs(OS(), folder)


def mark_of(root: str) -> str:
    """Return what tells the storage in this folder from every other one; '' when there is none."""
    try:
        with open(f"{root}/{MARK}", encoding="utf-8") as file:
            return str(json.load(file)["uuid"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
