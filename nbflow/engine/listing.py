"""All runs of a storage as rows, from its listing caches; a journal is read only where a cache cannot be trusted."""

from __future__ import annotations

from ..core.graph import Json
from ..core.status import WorkflowStatus
from ..errors import NbflowError
from ..storage.base import RunEntry, Storage
from ..views.runs import RunRow
from .host import Host
from .inspect import read
from .keeper import summary
from .summary import summary_of


class Listing:
    """Lists the runs of one storage again and again. Use it from one thread at a time, not from the engine's.

    What it had to read of the journal of a dead run is kept until the run changes.
    """

    def __init__(self) -> None:
        self._dead: dict[str, tuple[tuple[float, str], Json]] = {}
        self._resting: dict[str, tuple[RunEntry, RunRow]] = {}

    def rows(self, host: Host) -> list[RunRow]:
        """Return every run, the last changed first."""
        return self.of(host.storage, here(host))

    def of(self, storage: Storage, here: dict[str, Json]) -> list[RunRow]:
        """Return every run, the last changed first; ``here`` are the summaries of those that live in this process."""
        entries = storage.list_runs()
        known = {entry.workflow_id for entry in entries}
        self._dead = {name: kept for name, kept in self._dead.items() if name in known}
        before, self._resting = self._resting, {}
        rows = []
        for entry in entries:
            name = entry.workflow_id
            kept = before.get(name)
            # a storage gives the same entry again, not an equal one, of a run that nobody has touched
            if kept is None or kept[0] is not entry or name in here:
                kept = entry, self._row(storage, entry, here.get(name))
            rows.append(kept[1])
            if entry.owner is None and name not in here:
                self._resting[name] = kept
        return rows

    def _row(self, storage: Storage, entry: RunEntry, fresh: Json | None) -> RunRow:
        live = entry.live if fresh is None else _goes(fresh)
        cached = entry.status if fresh is None else fresh
        status = _status(cached, live)
        if fresh is None and not (live or status.ended) and (entry.owner is not None or not cached):
            cached = self._recorded(storage, entry)
            status = _status(cached, live)
        return RunRow.of(entry.workflow_id, cached, status, live=live, changed=entry.changed)

    def _recorded(self, storage: Storage, entry: RunEntry) -> Json:
        """Return the summary of a run whose owner died, perhaps before it wrote down how its run had ended."""
        key = (entry.changed, str((entry.owner or {}).get("claim", "")))
        kept = self._dead.get(entry.workflow_id)
        if kept is None or kept[0] != key:
            try:
                found = summary_of(read(storage, entry.workflow_id))
            except NbflowError as error:
                found = {**entry.status, "trouble": str(error)}
            kept = self._dead[entry.workflow_id] = (key, found)
        return kept[1]


def here(host: Host) -> dict[str, Json]:
    """Return the summaries of the runs that live in this process, as they are now. Not on the engine's loop."""
    if not host.runners or not host.engine.thread.is_alive():
        return {}
    return host.engine.call(_here, host)


async def _here(host: Host) -> dict[str, Json]:
    return {runner.workflow_id: summary(runner) for runner in host.runners.values()}


def _goes(summary: Json) -> bool:
    """Tell whether a run of this process still goes; one that ended answers for itself until its cache is written."""
    return summary.get("status") in (WorkflowStatus.PENDING, WorkflowStatus.RUNNING)


def _status(summary: Json, live: bool) -> WorkflowStatus:
    try:
        status = WorkflowStatus(summary.get("status", "RESUMABLE"))
    except ValueError:
        status = WorkflowStatus.RESUMABLE
    if live and not summary:
        return WorkflowStatus.RUNNING  # its owner has not come to write its first summary yet
    return status if status.ended or live else WorkflowStatus.RESUMABLE
