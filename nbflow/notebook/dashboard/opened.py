"""The run that is opened below the list: its live view, fed by the engine here or from the journal elsewhere."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ...core.status import WorkflowStatus
from ...engine.inspect import read
from ...views.feed import Delta
from ...views.picture import Picture
from ...views.runs import RunRow
from ...views.scene_feed import feed_of
from .. import comms
from ..live import LiveView
from ..watch import Watch

if TYPE_CHECKING:
    from ...engine.host import Host
    from ...engine.runner import Runner

SHARE = 8
"""A journal is read again after so many times as long as its last reading took."""


class Opened:
    """One opened run. Use it from one thread at a time, not from the engine's."""

    def __init__(self, workflow_id: str, view: LiveView) -> None:
        self.workflow_id = workflow_id
        self.view = view
        self._runner: Runner | None = None
        self._seen: object = None
        self._picture: Picture | None = None
        self._version = 0
        self._not_before = 0.0

    def follow(self, host: Host, row: RunRow | None) -> None:
        """Bring the view up to date: from the engine when the run lives here, else from the journal if that moved."""
        runner = host.runners.get(self.workflow_id)
        if runner is not None:
            if runner is not self._runner:
                self._runner, self._seen, self._picture = runner, None, None
                host.engine.call(_attach, runner, self.view)
            return
        seen = (row.changed, row.live, row.status) if row is not None else None
        began = time.monotonic()
        if row is None or seen == self._seen or began < self._not_before:
            return
        self._runner, self._seen = None, seen
        self.view.apply(self._still(host, row))
        self._not_before = time.monotonic() + SHARE * (time.monotonic() - began)

    def _still(self, host: Host, row: RunRow) -> Delta:
        """Return the run as its journal has it; a run without an owner does not run, whatever was recorded last."""
        feed = feed_of(read(host.storage, self.workflow_id))
        feed.delta(host.clock.time(), everything=True)
        full = feed.full()
        run = full.run
        if row.status is WorkflowStatus.RESUMABLE and run is not None:
            run = run | {"state": "resumable"}
        if full.picture == self._picture:
            return replace(full, version=self._version, run=run, topo=None, picture=None)
        self._picture = full.picture
        self._version += 1  # places that are being worked out for the picture before are of no use any more
        return replace(full, version=self._version, run=run)

    def close(self) -> None:
        """End the view, and give its comms back."""
        layout, wire = self.view.layout, self.view.comm
        if wire is not None:
            comms.disown([wire.comm_id])
        self.view.close()
        layout.close()


async def _attach(runner: Runner, view: LiveView) -> None:
    Watch.of(runner).add(view)
