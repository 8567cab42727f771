"""Results that later runs may use again: ``cache/results/<key>.json``, with their large values in ``cache/blobs``.

A cache, never truth: it is written without waiting for the disk, an entry that is not whole counts as none, and all of
it may be deleted at any time. A run that takes an entry links its large value into its own folder, durably, so nothing
that is removed here is missed by a run.
"""

from __future__ import annotations

import json

from nbflow.errors import StorageError

from .base import Json
from .blobs import FolderBlobs
from .frames import decode_frame, encode_frame
from .os_calls import OS, discard, make_folder, write_file
from .place import RunPlace
from .signing import Seal, Signer, seal_of


class ResultCache:
    """The results that the runs of a folder share. No failure of it is raised: then there is no result."""

    def __init__(self, calls: OS, root: str, signer: Signer | None = None) -> None:
        self._calls = calls
        self._signer = signer
        self._place = RunPlace(calls, f"{root}/cache", "the cache of results", (root,))
        self._folder = f"{root}/cache/results"
        self._blobs = FolderBlobs(self._place)

    def read(self, key: str, run: FolderBlobs) -> Json | None:
        """Return an entry, its large value made one of the run's; None when there is none, or not whole."""
        entry = self._entry(f"{key}.json")
        if entry is None or entry.get("key") != key:
            return None
        try:
            run.share(self._place, large_of(entry))
        except StorageError:
            return None
        return entry

    def write(self, key: str, entry: Json, run: RunPlace) -> None:
        """Keep an entry of a run in the place of what was there."""
        temporary = f"{self._folder}/{key}.{self._calls.random_hex(4)}"
        try:
            make_folder(self._calls, self._folder)
            self._blobs.share(run, large_of(entry))
            line = encode_frame(
                0, [json.dumps({**entry, "key": key}, separators=(",", ":"))], 0, seal=self._seal(f"{key}.json")
            )
            write_file(self._calls, temporary, line, sync=False)
            self._calls.rename(temporary, f"{self._folder}/{key}.json")
        except (OSError, StorageError):
            discard(self._calls, temporary)

    def clear(self, task: str = "") -> int:
        """Remove all entries, or those of the tasks of one name, and return how many."""
        try:
            names = self._calls.listdir(self._folder)
        except OSError:
            return 0
        gone, needed = 0, set()
        for name in names:
            entry = self._entry(name)
            if entry is not None and task and entry.get("task") != task:
                needed.update(large_of(entry))
                continue
            discard(self._calls, f"{self._folder}/{name}")
            gone += entry is not None
        self._blobs.keep_only(needed, lambda: None)
        return gone

    def _entry(self, name: str) -> Json | None:
        try:
            frame = decode_frame(self._calls.read_all(f"{self._folder}/{name}"), 0, 0, self._seal(name))
        except (OSError, StorageError):
            return None  # a result that is not signed counts as none where everything must be
        return frame.records[0] if frame is not None else None

    def _seal(self, name: str) -> Seal | None:
        return seal_of(self._signer, "The cache of results", "result", name) if self._signer is not None else None


def large_of(entry: Json) -> list[str]:
    """Return the blobs of an entry."""
    stored = entry["value"]
    return [stored["blob"]] if "blob" in stored else []
