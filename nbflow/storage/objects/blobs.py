"""Immutable objects for values too large for the log, named by the sha256 of their content; the format of a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from nbflow.errors import StorageDamaged, StorageError

from ..base import Json
from ..blob_content import ALIGNMENT, SLICE, blob_pieces
from .bucket import Bucket, Listed, exists


class ObjectBlobs:
    """The blobs below one prefix. Safe to use from several threads; ``where`` is what a person calls their owner."""

    def __init__(self, bucket: Bucket, prefix: str, where: str) -> None:
        self._bucket = bucket
        self.prefix = prefix
        self._where = where

    def put_blob(self, head: Json, buffers: Sequence[Any]) -> tuple[str, int]:
        """Store one value durably; return (sha256, size in bytes). Idempotent; makes no second copy."""
        digest, size = hashlib.sha256(), 0
        for piece in blob_pieces(head, buffers):
            digest.update(piece)
            size += piece.nbytes
        sha256 = digest.hexdigest()
        if not self._is_stored(sha256):
            self._bucket.put_pieces(self.key(sha256), blob_pieces(head, buffers))
            self._stored(sha256)
        return sha256, size

    def get_blob(self, sha256: str) -> tuple[Json, list[bytearray]]:
        """Return the head and the writable buffers. Raises StorageDamaged when it is missing or not what was stored."""
        for key in self.places(sha256):
            found = self._bucket.get_part(key, 0, SLICE)
            if found is not None:
                return _Reader(self._bucket, key, sha256, self._where, *found).read()
        raise StorageDamaged(f"A value of {self._where} is missing: blob {sha256}.")

    def share(self, source: ObjectBlobs, names: Collection[str]) -> None:
        """Take over blobs from another prefix; the store copies them. Raises StorageDamaged when one is not there."""
        for sha256 in names:
            if self._is_stored(sha256):
                continue
            if not any(self._bucket.copy(key, self.key(sha256)) for key in source.places(sha256)):
                raise StorageDamaged(f"A value to be shared is missing: blob {sha256} of {source._where}.")
            self._stored(sha256)

    def keep_only(self, names: Collection[str]) -> None:
        """Remove all blobs but these. A failure leaves objects that nobody needs."""
        kept = {self.key(sha256) for sha256 in names}
        try:
            self._bucket.delete([each.key for each in self._bucket.find(self.prefix) if each.key not in kept])
        except StorageError:
            pass

    def key(self, sha256: str) -> str:
        """Return the key under which a blob is stored now."""
        return f"{self.prefix}{sha256}.nbb"

    def places(self, sha256: str) -> Iterator[str]:
        """Yield the keys under which a blob may be found."""
        yield self.key(sha256)

    def _is_stored(self, sha256: str) -> bool:
        return exists(self._bucket, self.key(sha256))

    def _stored(self, sha256: str) -> None:
        """Take note that a blob is there."""


class RunBlobs(ObjectBlobs):
    """The blobs of one life of a run: ``<sha256>/<epoch>.nbb``, each under the epoch of the owner that stored it.

    So an owner that was fenced off, or a request that was given up, can remove what an older owner stored and nothing
    that this one did, though the content is the same.
    """

    def __init__(self, bucket: Bucket, prefix: str, where: str, epoch: int = 0) -> None:
        super().__init__(bucket, prefix, where)
        self.epoch = epoch
        self._places: dict[str, list[str]] = {}
        self._mine: set[str] = set()

    def key(self, sha256: str) -> str:
        """Return the key under which a blob is stored now."""
        return f"{self.prefix}{sha256}/{self.epoch:012d}.nbb"

    def places(self, sha256: str) -> Iterator[str]:
        """Yield the keys under which a blob may be found, the newest first. One listing serves for many blobs."""
        if self.key(sha256) in self._mine:
            yield self.key(sha256)
        yield from self._places.get(sha256, ())
        self._places = _by_name(self._bucket.find(self.prefix))
        yield from self._places.get(sha256, ())

    def unneeded(self, names: Collection[str], young: float) -> list[str]:
        """Return the keys of all blobs but these and those of the last ``young`` seconds.

        To be asked before the journal says that they are not needed, and to be removed after.
        """
        now = self._bucket.now() + self._bucket.clock_offset() if young else 0.0
        found = (each for each in self._bucket.find(self.prefix) if not young or now - each.changed >= young)
        return [each.key for each in found if each.key[len(self.prefix) :].partition("/")[0] not in names]

    def forget(self, keys: list[str], epoch: int) -> None:
        """Remove blobs, and store others under a new epoch. A failure leaves objects that nobody needs."""
        self.epoch = epoch
        self._places = {}
        try:
            self._bucket.delete(keys)
        except StorageError:
            pass

    def _is_stored(self, sha256: str) -> bool:
        return self.key(sha256) in self._mine

    def _stored(self, sha256: str) -> None:
        self._mine.add(self.key(sha256))


def _by_name(found: list[Listed]) -> dict[str, list[str]]:
    places: dict[str, list[str]] = {}
    for each in reversed(found):
        places.setdefault(each.key.split("/")[-2], []).append(each.key)
    return places


class _Reader:
    """One pass over a blob, slice by slice, that checks its name."""

    def __init__(self, bucket: Bucket, key: str, sha256: str, where: str, first: bytes, size: int) -> None:
        self._bucket = bucket
        self._key = key
        self._sha256 = sha256
        self._where = where
        self._size = size
        self._offset = 0
        self._slice = memoryview(first)
        """What was fetched from ``_offset`` on and not taken yet."""
        self._digest = hashlib.sha256()

    def read(self) -> tuple[Json, list[bytearray]]:
        """Return the head and the buffers."""
        line = bytearray()
        while not line.endswith(b"\n"):
            line += self._take(4096)
        try:
            table = json.loads(line)
            head, places = table["head"], [(int(offset), int(length)) for offset, length in table["buffers"]]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
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
        if length < 0 or length > self._size - self._offset:
            raise self._damaged()
        content = bytearray(length)
        view, done = memoryview(content), 0
        while done < length:
            if not self._slice:
                found = self._bucket.get_part(self._key, self._offset, min(self._offset + SLICE, self._size))
                if not found or not found[0]:
                    raise self._damaged()
                self._slice = memoryview(found[0])
            part = self._slice[: length - done]
            self._slice = self._slice[len(part) :]
            self._digest.update(part)
            view[done : done + len(part)] = part
            done += len(part)
            self._offset += len(part)
        return content

    def _damaged(self) -> StorageDamaged:
        return StorageDamaged(
            f"A value of {self._where} is not what was stored: blob {self._sha256}. Delete the run's result of that "
            "task and run it again, or take the object from a backup."
        )
