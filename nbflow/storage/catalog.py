"""List the runs of a folder from small caches, without reading their journals.

``status.json`` in a run and ``cache/index.json`` beside all runs are caches, never truth: they are written without
waiting for the disk, may be stale or absent, and may be deleted at any time.

A run's folder says by its own time whether anything in it is to be read again: its status and its owner's claim come
and go by new names alone. So a listing of runs that rest takes one look at each.
"""

from __future__ import annotations

import json
from operator import attrgetter
from typing import Any, NamedTuple

from nbflow.errors import StorageError

from .base import RunEntry
from .chain import peek, segment_numbers, segment_path
from .foreign import parse
from .os_calls import OS, discard, write_file
from .ownership import is_live, read_owner
from .place import RunPlace

Json = dict[str, Any]
INDEX_VERSION = 2
INDEX_AFTER = 50
"""Rows that may be read anew at each listing before the index is worth writing."""
RACY_SECONDS = 2.0
"""A folder that changed this short ago may change once more within the same tick of the clock: it is read again."""


def write_status(place: RunPlace, epoch: int, seq: int, status: Json) -> None:
    """Replace the status of a run in one piece, without waiting for the disk; a failure leaves the old one."""
    content = json.dumps({"workflow_id": place.workflow_id, "seq": seq, "status": status}).encode("ascii")
    temporary = f"{place.folder}/status.json.{epoch}"
    try:
        write_file(place.calls, temporary, content, sync=False)
        place.calls.rename(temporary, f"{place.folder}/status.json")
    except OSError:
        discard(place.calls, temporary)


class Row(NamedTuple):
    """What is known of a run since its folder had the time ``at`` (ns); an owner may have died since."""

    at: int
    owned: bool
    entry: RunEntry


class Catalog:
    """The listing of all runs below ``<root>/runs``."""

    def __init__(self, calls: OS, root: str) -> None:
        self._calls = calls
        self._runs = f"{root}/runs"
        self._index_path = f"{root}/cache/index.json"
        self._known: dict[str, Row] | None = None

    def list_runs(self) -> list[RunEntry]:
        """Return every run that was ever committed, by last change, newest first."""
        try:
            names = self._calls.listdir(self._runs)
        except (FileNotFoundError, NotADirectoryError):
            return []
        known = self._known if self._known is not None else self._read_index()
        stat, runs, settled = self._calls.stat, self._runs, (self._calls.now() - RACY_SECONDS) * 1e9
        rows: dict[str, Row] = {}
        entries, fresh = [], 0
        for name in names:
            row = known.get(name)
            try:
                at = stat(f"{runs}/{name}").st_mtime_ns  # before its files: what changes meanwhile is read once more
            except OSError:
                continue
            if row is None or row.at != at:
                row = self._read(name, at)
                fresh += row is not None
            entry = self._entry(name, row)
            if entry is not None:
                entries.append(entry)
            if row is not None and at < settled:
                rows[name] = row
        if fresh > INDEX_AFTER:
            self._write_index(rows)
        self._known = rows
        return sorted(entries, key=attrgetter("changed"), reverse=True)

    def entry(self, name: str) -> RunEntry | None:
        """Return one run by its folder name, or None."""
        return self._entry(name, self._read(name, 0))

    def _read(self, name: str, at: int) -> Row | None:
        """Return what the files of a run say, None when it has no status that can be read."""
        folder = f"{self._runs}/{name}"
        try:
            cached = parse(self._calls.read_all(f"{folder}/status.json"))
            changed = self._calls.stat(f"{folder}/status.json").st_mtime
            owned = self._calls.exists(f"{folder}/owner.json")
            entry = RunEntry(str(cached["workflow_id"]), dict(cached["status"]), None, False, changed)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return Row(at, owned, entry)

    def _entry(self, name: str, row: Row | None) -> RunEntry | None:
        if row is None:
            return self._entry_from_journal(f"{self._runs}/{name}")
        if not row.owned:
            return row.entry
        return self._with_owner(f"{self._runs}/{name}", row.entry.workflow_id, row.entry.status, row.entry.changed)

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

    def _read_index(self) -> dict[str, Row]:
        try:
            index = parse(self._calls.read_all(self._index_path))
            rows = index["runs"] if index["v"] == INDEX_VERSION else {}
            return {
                name: Row(int(at), bool(owned), RunEntry(str(workflow_id), dict(status), None, False, float(changed)))
                for name, (at, owned, changed, workflow_id, status) in rows.items()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def _write_index(self, rows: dict[str, Row]) -> None:
        temporary = f"{self._index_path}.{self._calls.random_hex(4)}"
        index = {
            name: [at, owned, entry.changed, entry.workflow_id, entry.status]
            for name, (at, owned, entry) in rows.items()
        }
        content = json.dumps({"v": INDEX_VERSION, "runs": index}).encode("ascii")
        try:
            write_file(self._calls, temporary, content, sync=False)
            self._calls.rename(temporary, self._index_path)
        except OSError:
            discard(self._calls, temporary)
