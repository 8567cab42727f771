"""How an event gets into a run: checked at the door, made durable, and acknowledged with what became of it."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..core.answers import decide
from ..core.inbox import MAX_PENDING
from ..core.node import Node
from ..core.records import WaitOpened
from ..core.state import RunState
from ..core.status import NodeStatus, WorkflowStatus
from ..storage import values
from ..storage.base import Storage

if TYPE_CHECKING:
    from .host import Host
    from .runner import Runner


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of an event. ``status`` is one of

    delivered (a wait took it), queued (durable, nobody waits yet), duplicate (this id came before), rejected (it does
    not fit, and ``reason`` says why; the run is as before), closed (the run has ended, or the question was answered).
    ``id`` names the event, ``node`` who took it. True when the event counts.
    """

    status: str
    reason: str = ""
    id: str = ""
    node: str = ""

    def __bool__(self) -> bool:
        return self.status in ("delivered", "queued", "duplicate")


def open_question(state: RunState, name: str) -> Node | None:
    """Return the node whose open question has this key, node id or title."""
    for node in state.nodes:
        wait = node.wait
        if wait is not None and wait.prompt and node.status is NodeStatus.WAITING and _is(wait, node, name):
            return node
    return None


def answered_question(state: RunState, name: str) -> Node | None:
    """Return the node whose question of this key, node id or title is answered already."""
    for node in state.nodes:
        wait = node.wait
        if wait is not None and wait.prompt and node.status.finished and _is(wait, node, name):
            return node
    return None


def _is(wait: WaitOpened, node: Node, name: str) -> bool:
    return name in (wait.key, node.node_id, (wait.prompt or {}).get("title"))


def check(state: RunState, key: str, payload: Any, by: str, at: float, source: str) -> tuple[Any, str]:
    """Return the payload as it will be stored, and why it is refused ('' when it is not)."""
    if not isinstance(key, str) or not key:
        return payload, "an event needs a key, a string that is not empty"
    if len(state.inbox) >= MAX_PENDING:
        return payload, f"{MAX_PENDING} events wait already for somebody to take them"
    node = open_question(state, key)
    if node is None or node.wait is None or node.wait.prompt is None:
        return payload, ""
    decision, reason = decide(node.wait.prompt, payload, by, at, source)
    return (payload if decision is None else decision), reason


async def deliver(
    host: Host, runner: Runner, key: str, payload: Any, event_id: str | None, by: str, source: str
) -> Receipt:
    """Give an event to a live run and return its receipt once it is durable. On the engine's loop."""
    if open_question(runner.state, key) is None:
        return await _deliver(host, runner, key, payload, event_id, by, source)
    async with runner.waits.answering:  # of two answers at once the second must find the first one durable
        return await _deliver(host, runner, key, payload, event_id, by, source)


async def _deliver(
    host: Host, runner: Runner, key: str, payload: Any, event_id: str | None, by: str, source: str
) -> Receipt:
    state, event_id = runner.state, event_id or uuid.uuid4().hex
    if state.inbox.knows(event_id):
        return Receipt("duplicate", "this id came before", event_id)
    done = answered_question(state, key) if open_question(state, key) is None else None
    if done is not None:
        return Receipt("closed", _decided(done), event_id, done.node_id)
    if runner.closed or state.status in (WorkflowStatus.SUCCESSFUL, WorkflowStatus.CANCELED):
        return Receipt("closed", f"run {runner.workflow_id!r} is {state.status}", event_id)
    payload, reason = check(state, key, payload, by, runner.now(), source)
    if reason:
        return Receipt("rejected", reason, event_id)
    stored = values.encode(payload, runner.blobs)
    became = await host.send(runner, event_id, key, stored, by, source)
    node = "" if became.node is None else state.nodes[became.node].node_id
    return Receipt(became.status, "", event_id, node)


def _decided(node: Node) -> str:
    decision = (node.value or {}).get("v")
    if isinstance(decision, dict):
        who = f" by {decision['by']}" if decision.get("by") else ""
        return f"decided already: {decision.get('option')}{who}"
    return "answered already"


def leave(storage: Storage, workflow_id: str, key: str, payload: Any, event_id: str | None, by: str) -> Receipt:
    """Leave an event for a run that this process does not own; its owner takes it, now or when it is resumed.

    Raises WorkflowNotFoundError.
    """
    from .inspect import read

    event_id = event_id or uuid.uuid4().hex
    state = read(storage, workflow_id)
    if state.inbox.knows(event_id):
        return Receipt("duplicate", "this id came before", event_id)
    done = answered_question(state, key) if open_question(state, key) is None else None
    if done is not None:
        return Receipt("closed", _decided(done), event_id, done.node_id)
    if state.status in (WorkflowStatus.SUCCESSFUL, WorkflowStatus.CANCELED):
        return Receipt("closed", f"run {workflow_id!r} is {state.status}", event_id)
    now = round(time.time(), 3)
    payload, reason = check(state, key, payload, by, now, "inbox")
    if reason:
        return Receipt("rejected", reason, event_id)
    stored = values.encode(payload, storage.blobs(workflow_id))
    event = {"id": event_id, "key": key, "payload": stored, "by": by, "source": "inbox", "at": now}
    fresh = storage.send(workflow_id, event)
    return Receipt("queued" if fresh else "duplicate", "stored; the run takes it when it is live", event_id)
