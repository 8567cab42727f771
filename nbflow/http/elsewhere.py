"""A run that another process owns, or nobody: its journal is read for all who wait, and events go to its inbox."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from ..core.codec import decode
from ..core.commands import Acknowledge
from ..core.graph import Json
from ..core.records import EventReceived
from ..core.state import RunState
from ..errors import WorkflowNotFoundError
from ..storage.base import Storage

TICK = 0.05
"""Seconds at least between two looks at a journal."""
SHARE = 0.25
"""The share of the time that may go into reading one journal."""
FORGET = 60.0
"""Seconds after which a journal that nobody asked for is forgotten."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a journal says: the state, what became of each event and what it brought, and whether somebody runs it."""

    state: RunState
    became: dict[str, Acknowledge] = field(default_factory=dict)
    brought: dict[str, Json] = field(default_factory=dict)
    live: bool = False


class Follower:
    """Reads one journal, for any number of those who wait, never twice at once and not all the time."""

    def __init__(self, storage: Storage, workflow_id: str) -> None:
        self._storage = storage
        self.workflow_id = workflow_id
        self.used = time.monotonic()
        self._not_before = self.used
        self._reading: asyncio.Task[Look] | None = None
        self._coming: asyncio.Task[Look] | None = None

    async def look(self) -> Look:
        """Return what the journal says at some moment after the call. Raises WorkflowNotFoundError, StorageError."""
        self.used = time.monotonic()
        if self._coming is None:
            self._coming = asyncio.ensure_future(self._read(self._reading))
            self._coming.add_done_callback(lambda task: task.cancelled() or task.exception())  # all may have gone
        return await asyncio.shield(self._coming)

    async def _read(self, before: asyncio.Task[Look] | None) -> Look:
        if before is not None:
            await asyncio.wait([before])
        await asyncio.sleep(self._not_before - time.monotonic())
        self._reading, self._coming = self._coming, None  # who comes from now on gets the next one
        began = time.monotonic()
        try:
            return await asyncio.to_thread(read, self._storage, self.workflow_id)
        finally:
            ended = time.monotonic()
            self._not_before = ended + max(TICK, (ended - began) / SHARE)


class Followers:
    """The followers of the runs that somebody asks for."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._known: dict[str, Follower] = {}
        self._swept = time.monotonic()

    def of(self, workflow_id: str) -> Follower:
        """Return the follower of a run, whether that exists or not."""
        now = time.monotonic()
        if now - self._swept > FORGET / 10:
            self._swept = now
            self._known = {name: known for name, known in self._known.items() if now - known.used < FORGET}
        return self._known.setdefault(workflow_id, Follower(self._storage, workflow_id))


def read(storage: Storage, workflow_id: str) -> Look:
    """Return what the journal of a run says. Raises WorkflowNotFoundError, StorageError."""
    entry = storage.entry(workflow_id)
    if entry is None or not storage.exists(workflow_id):
        raise WorkflowNotFoundError(workflow_id)
    state, became, brought = RunState(), dict[str, Acknowledge](), dict[str, Json]()
    for wire in storage.read_run(workflow_id):
        record = decode(wire)
        if isinstance(record, EventReceived):
            brought.setdefault(record.event_id, record.payload)
        for command in state.handle(record) if record is not None else ():
            if isinstance(command, Acknowledge):
                became.setdefault(command.event_id, command)
    if state.status is None:
        raise WorkflowNotFoundError(workflow_id)
    return Look(state, became, brought, entry.live)
