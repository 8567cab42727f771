"""What a dashboard shows of a storage, and what of it has changed since the last look."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ...engine.host import Host
from ...engine.listing import Listing, here
from ...views import words
from ...views.runs import RunList, RunRow
from .asked import Asked

Json = dict[str, Any]

NOBODY, HERE, ELSEWHERE = 0, 1, 2
"""Who runs a run now."""


class Board:
    """All runs and their open questions. ``look`` from one thread at a time; ``whole`` from any.

    A message has ``v``, which counts the changes; ``runs`` and ``asks`` by their ids, with None for what is gone;
    ``order``, the ids of the questions as they are shown; and ``more``, how many open ones are not shown.
    """

    def __init__(self) -> None:
        self.asked = Asked()
        self.rows = RunList([])
        self._listing = Listing()
        self._whole: Json = {"v": 0, "runs": {}, "asks": {}, "order": [], "more": 0, "where": ""}

    def look(self, host: Host) -> Json | None:
        """Look at the storage; return what changed, None when nothing did. Raises StorageError."""
        live = here(host)
        rows = self._listing.of(host.storage, live)
        self.rows = RunList(rows, host.storage.url)
        asks = self.asked.look(host, rows)
        before = self._whole
        now: Json = {
            "v": before["v"] + 1,
            "runs": {row.workflow_id: _message(row, row.workflow_id in live and row.live) for row in rows},
            "asks": {ask["id"]: ask for ask in asks},
            "order": [ask["id"] for ask in asks],
            "more": self.asked.more,
            "where": host.storage.url,
        }
        changed = {name: now[name] for name in ("order", "more", "where") if now[name] != before[name]}
        for name in ("runs", "asks"):
            parts = _difference(before[name], now[name])
            if parts:
                changed[name] = parts
        if not changed:
            return None
        self._whole = now
        return {"v": now["v"], **changed}

    def whole(self) -> Json:
        """Return everything as of the last look."""
        return {**self._whole, "now": round(time.time(), 3)}

    def ask(self, ask_id: str) -> Json | None:
        """Return a question as it is shown, None when it is not."""
        found: Json | None = self._whole["asks"].get(ask_id)
        return found

    def row(self, workflow_id: str) -> RunRow | None:
        """Return the row of a run, None when there is no such run."""
        return next((row for row in self.rows if row.workflow_id == workflow_id), None)


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> Json:
    """Return what to take over to come from one to the other; None for what is gone."""
    changed = {name: value for name, value in now.items() if before.get(name) != value}
    return changed | {name: None for name in before if name not in now}


def _message(row: RunRow, is_here: bool) -> list[Any]:
    """Return a run as the front end wants it; times in whole seconds."""
    where = HERE if is_here else ELSEWHERE if row.live else NOBODY
    times = [round(at) if at else None for at in (row.created, row.changed, row.started, row.ended)]
    name, trouble = words.name(row.name), words.one_line(row.trouble)
    return [name, row.look[0], row.done, row.total, row.counts, len(row.questions), *times, where, trouble]
