"""Where an event of HTTP goes: to the run in this process, else into the inbox of whoever owns it or will."""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from dataclasses import dataclass
from typing import Any

from ..core.inbox import MAX_PENDING
from ..core.state import RunState
from ..engine import events
from ..engine.events import Receipt
from ..engine.host import Host
from ..engine.runner import Runner
from ..errors import InboxFull, StorageError, StorageFull, WorkflowNotFoundError
from ..storage.base import Storage
from . import replies
from .declared import Declared, declared
from .elsewhere import Follower, Followers
from .replies import MINUTE, Reply, refusal

PATIENCE = 10.0
"""Seconds that a client waits for its event to be in the journal, unless it says otherwise."""
MOST = 60.0
"""Seconds that it can wait at most."""
TICK = 0.25
"""Seconds between two looks at whether the storage of a run of this process fails."""
NOBODY = "nobody runs the run: it takes the event when it is resumed"
ASKED = "the owner of the run takes it in a moment"


@dataclass(frozen=True, slots=True)
class Event:
    """An event that goes to a run; one that is ``shared`` is an answer that others may give under the same id."""

    key: str
    payload: Any
    id: str
    by: str = ""
    source: str = "http"
    shared: bool = False


class Intake:
    """Gives events to the runs of one storage; ``host`` is who owns some of them in this process."""

    def __init__(self, storage: Storage, host: Host | None = None) -> None:
        self.storage = storage
        self.host = host
        self.followers = Followers(storage)

    async def send(self, workflow_id: str, event: Event, seconds: float = PATIENCE) -> Reply:
        """Give an event to a run and return what became of it; with 0 ``seconds`` only that it is stored."""
        if seconds > 0:
            reply = await self._here(workflow_id, event, seconds)
            if reply is not None:
                return reply
        try:
            return await self._elsewhere(workflow_id, event, seconds)
        except WorkflowNotFoundError:
            return replies.no_run(workflow_id)
        except StorageFull as error:
            return replies.full(str(error))
        except InboxFull:
            return crowded(workflow_id)

    # ---- a run of this process ----

    def runner(self, workflow_id: str) -> Runner | None:
        """Return the run, if it is live in this process."""
        runner = self.host.runners.get(workflow_id) if self.host is not None else None
        return None if runner is None or runner.closed or runner.leaving else runner

    async def _here(self, workflow_id: str, event: Event, seconds: float) -> Reply | None:
        runner = self.runner(workflow_id)
        if runner is None or self.host is None:
            return None
        try:
            giving = self.host.engine.start(_give, self.host, runner, event)
        except RuntimeError:
            return None  # the engine was closed: the run lies in the storage
        end = time.monotonic() + seconds
        while not await within(giving, min(TICK, end - time.monotonic())):
            if runner.trouble.reason:
                return _troubled(runner)
            if time.monotonic() >= end:
                break
        else:
            return giving.result()
        return replies.late(event.id, seconds, await self._keep(workflow_id, event))

    async def _keep(self, workflow_id: str, event: Event) -> bool:
        """Leave an event in the inbox that an engine which does not answer could not write; its id counts once."""
        try:
            leaving = asyncio.to_thread(
                events.leave, self.storage, workflow_id, event.key, event.payload, event.id, event.by, event.source
            )
            return bool(await asyncio.wait_for(leaving, PATIENCE))
        except (StorageError, WorkflowNotFoundError, TimeoutError):
            return False

    # ---- a run of another process, or of none ----

    async def _elsewhere(self, workflow_id: str, event: Event, seconds: float) -> Reply:
        follower = self.followers.of(workflow_id)
        look = await follower.look()
        refused = refused_at_once(look.state, event)
        if refused is not None:
            return refused
        receipt = await asyncio.to_thread(
            events.leave, self.storage, workflow_id, key_of(look.state, event.key), event.payload, event.id, event.by,
            event.source, look.state,
        )  # fmt: skip
        if receipt.status not in ("queued", "duplicate"):
            return reply_to(look.state, event, receipt)
        if seconds <= 0 or not look.live:
            return replies.stored(receipt, ASKED if look.live else NOBODY)
        return await self._followed(follower, event, receipt, seconds)

    async def _followed(self, follower: Follower, event: Event, receipt: Receipt, seconds: float) -> Reply:
        """Wait until the owner's journal has the event."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                look = await asyncio.wait_for(follower.look(), left)
            except TimeoutError:
                break
            became = look.became.get(event.id)
            if became is not None:
                node = "" if became.node is None else look.state.nodes[became.node].node_id
                if event.shared and node and events.is_anothers(look.brought[event.id], receipt):
                    return replies.decided(node, replies.decision_of(look.state.nodes[became.node or 0]))
                return reply_to(look.state, event, Receipt(became.status, "", event.id, node))
            if not look.live:
                return replies.stored(receipt, NOBODY)
        return replies.late(event.id, seconds, kept=True)


async def within(future: concurrent.futures.Future[Any], seconds: float) -> bool:
    """Tell whether a future of the engine is done within a time; it goes on in any case."""
    waiting = asyncio.wrap_future(future)
    done, _ = await asyncio.wait([waiting], timeout=seconds)
    return bool(done)


async def _give(host: Host, runner: Runner, event: Event) -> Reply | None:
    """Give an event to a live run. On the engine's loop; None when the run was let go meanwhile."""
    state = runner.state
    refused = refused_at_once(state, event)
    if refused is not None:
        return refused
    if runner.trouble.reason:
        return _troubled(runner)
    key = key_of(state, event.key)
    receipt = await events.deliver(host, runner, key, event.payload, event.id, event.by, event.source)
    if receipt.status == "closed" and not receipt.node and not replies.has_ended(state):
        return None
    return reply_to(state, event, receipt)


def _troubled(runner: Runner) -> Reply:
    reason = runner.trouble.reason
    if reason == "STORAGE_FULL":
        return replies.full("the run is paused")
    status = 503 if reason == "STORAGE_UNREACHABLE" else 500
    return refusal(status, f"The run is paused: {reason}", replies.SEND_AGAIN, dict(MINUTE))


# ---- what the state says ----


def key_of(state: RunState, name: str) -> str:
    """Return the key of the open question that is called so, by its node or its title, else the name itself."""
    node = events.open_question(state, name) if name not in state.waiting else None
    return node.wait.key if node is not None and node.wait is not None else name


def refused_at_once(state: RunState, event: Event) -> Reply | None:
    """Return why a run does not take an event, as far as that shows before it is given, or None."""
    if state.inbox.knows(event.id):
        return replies.processed(Receipt("duplicate", "", event.id))
    known = event.key in state.waiting or events.open_question(state, event.key) is not None
    done = None if known else events.answered_question(state, event.key)
    if done is not None:
        return replies.decided(done.node_id, replies.decision_of(done))
    if replies.has_ended(state):
        return replies.over(state)
    if len(state.inbox) >= MAX_PENDING:
        return crowded(state.workflow_id)
    if known:
        return None
    found = declared(state, event.key)
    if found is Declared.YES:
        return None
    workflow_id = state.workflow_id
    return replies.taken(workflow_id, event.key) if found is Declared.TAKEN else replies.no_key(workflow_id, event.key)


def crowded(workflow_id: str) -> Reply:
    """Return the reply for a run whose inbox is full."""
    said = f"{MAX_PENDING} events wait already for run {workflow_id!r}."
    return refusal(429, said, "Send it again when the run has taken some.", dict(MINUTE))


def reply_to(state: RunState, event: Event, receipt: Receipt) -> Reply:
    """Return what a client is told about what became of its event."""
    if receipt:
        return replies.processed(receipt)
    if receipt.status == "rejected":
        return replies.unfit(receipt.reason)
    if receipt.node in state.index:
        return replies.decided(receipt.node, replies.decision_of(state.nodes[state.index[receipt.node]]))
    return replies.over(state)
