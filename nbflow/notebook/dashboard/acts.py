"""What a person does to a run from a dashboard: answer, resume, cancel, whoever owns the run."""

from __future__ import annotations

import uuid
from contextvars import Context
from typing import Any

from ...core.node import Node
from ...core.state import RunState
from ...core.status import NodeStatus
from ...engine import ending, events
from ...engine.events import Receipt
from ...engine.host import Host
from ...engine.inspect import read
from ...engine.runner import Runner
from ..show import user
from .asked import split_id

Json = dict[str, Any]

TAKEN = "Sent: the run takes it in a moment"
KEPT = "Sent: the run takes it when somebody goes on with it"
BEFORE = "An answer was sent before; the first one counts"
GONE = "this question is not open any more"


def answer(host: Host, ask_id: str, payload: Json) -> Receipt:
    """Give an answer to a run that lives here, or leave it for its owner, now or to come. Not on the engine's loop.

    What is left for an owner has the name of the question: of two kernels that answer it at once, one is a duplicate.
    Raises WorkflowNotFoundError, StorageError.
    """
    workflow_id, token = split_id(ask_id)
    runner = host.runners.get(workflow_id)
    if runner is not None and not runner.closed:
        return host.engine.call(_deliver, host, runner, token, payload)
    node = _asking(read(host.storage, workflow_id), token)
    if node is None or node.wait is None:
        return Receipt("closed", GONE)
    entry = host.storage.entry(workflow_id)  # before: its owner may take the answer and come to its end at once
    said = events.leave(host.storage, workflow_id, node.wait.key, payload, f"{node.node_id}:{token}:answer", user())
    if said.status not in ("queued", "duplicate"):
        return said
    reason = BEFORE if said.status == "duplicate" else TAKEN if entry is not None and entry.live else KEPT
    return Receipt(said.status, reason, said.id, said.node)


async def _deliver(host: Host, runner: Runner, token: str, payload: Json) -> Receipt:
    node = _asking(runner.state, token)
    if node is None or node.wait is None:
        return Receipt("closed", GONE)
    event_id = f"{node.node_id}:{token}:{uuid.uuid4().hex}"
    return await events.deliver(host, runner, node.wait.key, payload, event_id, user(), "dashboard")


def _asking(state: RunState, token: str) -> Node | None:
    """Return the node whose question has this token, unless it has its answer."""
    for node in state.nodes:
        if node.wait is not None and str(node.wait.token) == token and node.event is None:
            return node if node.status in (NodeStatus.WAITING, NodeStatus.PENDING) else None
    return None


def resume(host: Host, workflow_id: str, context: Context) -> None:
    """Go on with a run here, in this process. Raises RunIsLive, WorkflowNotResumableError. Not on the engine's loop."""
    host.engine.call(host.resume, workflow_id, context)


def cancel(host: Host, workflow_id: str) -> None:
    """Cancel a run, whoever owns it. Raises RunIsLive when its owner does not answer, WorkflowError."""
    ending.cancel(host, workflow_id, user())
