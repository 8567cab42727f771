"""Results that later runs may use again: ``cache/results/<key>.json``, large values in ``cache/blobs/``. A cache."""

from __future__ import annotations

import json

from nbflow.errors import StorageError

from ..base import Json
from ..frames import decode_frame, encode_frame
from ..results import large_of
from ..signing import Seal, Signer, seal_of
from .blobs import ObjectBlobs
from .bucket import Bucket

_RESULTS = "cache/results/"


class ObjectResults:
    """The results that the runs of an object store share. No failure of it is raised: then there is no result."""

    def __init__(self, bucket: Bucket, signer: Signer | None) -> None:
        self._bucket = bucket
        self._signer = signer
        self._blobs = ObjectBlobs(bucket, "cache/blobs/", "the cache of results")

    def read(self, key: str, run: ObjectBlobs) -> Json | None:
        """Return an entry, its large value made one of the run's; None when there is none, or not whole."""
        try:
            entry = self._entry(f"{_RESULTS}{key}.json")
            if entry is None or entry.get("key") != key:
                return None
            run.share(self._blobs, large_of(entry))
        except StorageError:
            return None
        return entry

    def write(self, key: str, entry: Json, run: ObjectBlobs) -> None:
        """Keep an entry of a run in the place of what was there."""
        name = f"{_RESULTS}{key}.json"
        try:
            self._blobs.share(run, large_of(entry))
            text = json.dumps({**entry, "key": key}, separators=(",", ":"))
            self._bucket.put(name, encode_frame(0, [text], 0, seal=self._seal(name)))
        except StorageError:
            pass

    def clear(self, task: str = "") -> int:
        """Remove all entries, or those of the tasks of one name, and return how many."""
        gone, needed = [], set()
        for each in self._bucket.find(_RESULTS):
            entry = self._entry(each.key) if task else None
            if entry is not None and entry.get("task") != task:
                needed.update(large_of(entry))
            else:
                gone.append(each.key)
        self._bucket.delete(gone)
        self._blobs.keep_only(needed)
        return len(gone)

    def _entry(self, name: str) -> Json | None:
        raw = self._bucket.get(name)
        try:
            frame = decode_frame(raw, 0, 0, self._seal(name)) if raw is not None else None
        except StorageError:
            return None  # a result that is not signed counts as none where everything must be
        return frame.records[0] if frame is not None else None

    def _seal(self, name: str) -> Seal | None:
        return seal_of(self._signer, "The cache of results", "result", name) if self._signer is not None else None
