"""List the runs of a folder from small caches, without reading their journals.

``status.json`` in a run and ``cache/index.json`` beside all runs are caches, never truth: they are written without
waiting for the disk, may be stale or absent, and may be deleted at any time.
"""

from __future__ import annotations

import json
from typing import Any

from nbflow.errors import StorageError

from .base import RunEntry
from .chain import peek, segment_numbers, segment_path
from .os_calls import OS, discard, write_file
from .ownership import is_live, read_owner
from .place import RunPlace

Json = dict[str, Any]
INDEX_VERSION = 1
INDEX_AFTER = 50
"""Rows that may be read anew at each listing before the index is worth writing."""
RACY_SECONDS = 2.0
"""A file that changed this short ago may change once more within the same tick of the clock: it is read again."""


def write_status(place: RunPlace, epoch: int, seq: int, status: Json) -> None:
    """Replace the status of a run in one piece, without waiting for the disk; a failure leaves the old one."""
    content = json.dumps({"workflow_id": place.workflow_id, "seq": seq, "status": status}).encode("ascii")
    temporary = f"{place.folder}/status.json.{epoch}"
    try:
        write_file(place.calls, temporary, content, sync=False)
        place.calls.rename(temporary, f"{place.folder}/status.json")
    except OSError:
        discard(place.calls, temporary)


class Catalog:
    """The listing of all runs below ``<root>/runs``."""

    def __init__(self, calls: OS, root: str) -> None:
        self._calls = calls
        self._runs = f"{root}/runs"
        self._index_path = f"{root}/cache/index.json"
        self._known: dict[str, list[Any]] | None = None

    def list_runs(self) -> list[RunEntry]:
        """Return every run that was ever committed, by last change, newest first."""
        try:
            names = self._calls.listdir(self._runs)
        except (FileNotFoundError, NotADirectoryError):
            return []
        known = self._known if self._known is not None else self._read_index()
        fresh: dict[str, list[Any]] = {}
        entries = [entry for name in names if (entry := self._entry(name, known, fresh)) is not None]
        if sum(known.get(name) is not row for name, row in fresh.items()) > INDEX_AFTER:
            self._write_index(fresh)
        self._known = fresh
        return sorted(entries, key=lambda entry: entry.changed, reverse=True)

    def entry(self, name: str) -> RunEntry | None:
        """Return one run by its folder name, or None."""
        return self._entry(name, {}, {})

    def _entry(self, name: str, known: dict[str, list[Any]], fresh: dict[str, list[Any]]) -> RunEntry | None:
        folder = f"{self._runs}/{name}"
        try:
            stat = self._calls.stat(f"{folder}/status.json")
        except OSError:
            return self._entry_from_journal(folder)
        row = known.get(name)
        if row is None or row[0] != stat.st_mtime_ns or row[1] != stat.st_size:
            try:
                cached = json.loads(self._calls.read_all(f"{folder}/status.json"))
                row = [stat.st_mtime_ns, stat.st_size, str(cached["workflow_id"]), dict(cached["status"])]
            except (OSError, ValueError, KeyError, TypeError):
                return self._entry_from_journal(folder)
        if self._calls.now() - stat.st_mtime > RACY_SECONDS:
            fresh[name] = row
        return self._with_owner(folder, row[2], row[3], stat.st_mtime)

    def _entry_from_journal(self, folder: str) -> RunEntry | None:
        try:
            workflow_id, committed = peek(self._calls, folder)
            if not committed:
                return None
            changed = self._calls.stat(segment_path(folder, segment_numbers(self._calls, folder)[0])).st_mtime
        except (OSError, StorageError, IndexError):
            return None
        return self._with_owner(folder, workflow_id or folder.rpartition("/")[2], {}, changed)

    def _with_owner(self, folder: str, workflow_id: str, status: Json, changed: float) -> RunEntry:
        found = read_owner(self._calls, folder)
        if found is None:
            return RunEntry(workflow_id, status, None, False, changed)
        return RunEntry(workflow_id, status, found[0], is_live(self._calls, *found), changed)

    def _read_index(self) -> dict[str, list[Any]]:
        try:
            index = json.loads(self._calls.read_all(self._index_path))
            rows = index["runs"] if index["v"] == INDEX_VERSION else {}
            return {name: row for name, row in rows.items() if len(row) == 4}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def _write_index(self, rows: dict[str, list[Any]]) -> None:
        temporary = f"{self._index_path}.{self._calls.random_hex(4)}"
        try:
            write_file(
                self._calls, temporary, json.dumps({"v": INDEX_VERSION, "runs": rows}).encode("ascii"), sync=False
            )
            self._calls.rename(temporary, self._index_path)
        except OSError:
            discard(self._calls, temporary)
