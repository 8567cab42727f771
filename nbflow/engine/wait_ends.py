"""How one wait is ended by hand, in this process or in the one that runs it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..core.node import Node
from ..core.state import RunState
from ..core.status import NodeStatus, WorkflowStatus
from ..errors import RunIsLive, WorkflowError
from . import events, inspect, orders
from .ending import LOOK, PATIENCE

if TYPE_CHECKING:
    from .host import Host
    from .runner import Runner


def cancel_wait(host: Host, workflow_id: str, name: str, by: str) -> None:
    """End an open wait without an event; it has ended when this returns. See ``Run.cancel_wait``."""
    live = host.runners.get(workflow_id)
    if live is not None:
        host.engine.call(_cancel_here, live, name, by)
    else:
        _cancel_elsewhere(host, workflow_id, name, by)


async def _cancel_here(runner: Runner, name: str, by: str) -> None:
    node = _open_wait(runner.state, name)
    runner.waits.cancel(runner.state.index[node.node_id], by)
    await runner.committer.drained()


def _cancel_elsewhere(host: Host, workflow_id: str, name: str, by: str) -> None:
    """Ask the process that runs it, and wait until it has done so."""
    entry = host.storage.entry(workflow_id)
    if entry is None:
        raise inspect.not_found(workflow_id)
    epoch = (entry.owner or {}).get("epoch")
    if not entry.live or not isinstance(epoch, int):
        status = inspect.status_of(host.storage, entry)
        if status in (WorkflowStatus.SUCCESSFUL, WorkflowStatus.CANCELED):
            raise WorkflowError(workflow_id, f"Run {workflow_id!r} is {status} and waits for nothing any more.")
        raise WorkflowError(
            workflow_id,
            f"Nobody runs {workflow_id!r}, so none of its waits is open: nbflow.resume_async({workflow_id!r}) first.",
        )
    node = _open_wait(inspect.read(host.storage, workflow_id), name)
    token = node.wait.token if node.wait is not None else 0
    orders.ask_to_cancel_wait(host.storage, workflow_id, epoch, node.node_id, token, by)
    deadline = time.monotonic() + PATIENCE
    while _is_open(inspect.read(host.storage, workflow_id), node.node_id, token):
        if time.monotonic() >= deadline:
            raise RunIsLive(
                workflow_id,
                f"The process that runs {workflow_id!r} was asked to end the wait {node.node_id!r} and did not answer "
                f"within {PATIENCE:.0f} s. It does so as soon as it can.",
                entry.owner,
            )
        time.sleep(LOOK)


def _open_wait(state: RunState, name: str) -> Node:
    """Return the node of an open wait, named by its id or by the title of its question. Raises ValueError."""
    index = state.index.get(name)
    node = events.open_question(state, name) if index is None else state.nodes[index]
    if node is None or node.status is not NodeStatus.WAITING:
        now = [each.node_id for each in state.nodes if each.status is NodeStatus.WAITING]
        listed = ", ".join(map(repr, now[:20])) or "none"
        raise ValueError(f"Run {state.workflow_id!r} has no open wait {name!r}; open now: {listed}.")
    return node


def _is_open(state: RunState, node_id: str, token: int) -> bool:
    index = state.index.get(node_id)
    if index is None:
        return False
    node = state.nodes[index]
    return node.status is NodeStatus.WAITING and node.wait is not None and node.wait.token == token
