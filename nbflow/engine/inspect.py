"""What a storage says about runs, without owning them and without running anything."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..core.graph import FORGOTTEN, NodeKind, is_gone
from ..core.state import RunState
from ..core.status import NodeStatus, WorkflowStatus
from ..dag.template import fill
from ..errors import NbflowError, WorkflowNotFoundError
from ..storage import values
from ..storage.base import Blobs, Json, RunEntry, Storage
from .host import fold
from .memory import as_value, first_of

if TYPE_CHECKING:
    from .runner import Runner


def not_found(workflow_id: str) -> WorkflowNotFoundError:
    """Return the error for an id that the storage does not know."""
    return WorkflowNotFoundError(
        workflow_id, f"No such workflow {workflow_id!r} in this storage; nbflow.list_all() shows what there is."
    )


def hint(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about a name that is not there: a full stop, or what may have been meant."""
    close = difflib.get_close_matches(name, [*known], 1, 0.6)
    return f"; did you mean {close[0]!r}?" if close else "."


def no_node(state: RunState, name: str, what: str = "node") -> ValueError:
    """Return the error for a node that a run does not have, with the one that may have been meant."""
    known = (node.node_id for node in state.nodes)
    return ValueError(
        f"No such {what} {name!r} in workflow {state.workflow_id!r}{hint(name, known)} "
        f"nbflow.get_run({state.workflow_id!r}).to_dataframe() lists them."
    )


def read(storage: Storage, workflow_id: str) -> RunState:
    """Return the state of a run. Raises WorkflowNotFoundError."""
    if not storage.exists(workflow_id):
        raise not_found(workflow_id)
    state = fold(storage.read_run(workflow_id))
    if state.status is None:
        raise not_found(workflow_id)
    return state


def is_live(storage: Storage, workflow_id: str) -> bool:
    """Tell whether some process runs a run."""
    entry = storage.entry(workflow_id)
    return entry is not None and entry.live


def status_of(storage: Storage, entry: RunEntry) -> WorkflowStatus:
    """Return the status of a listed run: one that has not ended and has no live owner can be resumed."""
    status = WorkflowStatus(entry.status.get("status", "RESUMABLE"))
    if (status is WorkflowStatus.RUNNING) if entry.live else status.ended:
        return status
    # the owner may have died, or just begun, between its last record and the listing cache: the journal is the truth
    try:
        recorded = read(storage, entry.workflow_id).status
    except (NbflowError, ValueError):
        return WorkflowStatus.RESUMABLE  # it cannot be read: who opens it is told why, and the others are listed
    return recorded if recorded is not None and (entry.live or recorded.ended) else WorkflowStatus.RESUMABLE


def stored_value(state: RunState, index: int, blobs: Blobs) -> Any:
    """Return the value of a finished node. Raises ValueError when it was not stored."""
    index = state.resolve(index)
    node = state.nodes[index]
    if node.spec.kind is NodeKind.ANY:
        return first_of(node, state.nodes[node.chosen].node_id, stored_value(state, node.chosen, blobs))
    if node.spec.kind is NodeKind.VALUE:
        deps = node.spec.deps

        def dependency(place: int) -> Any:
            return stored_value(state, deps[place], blobs)

        def unseal(stored: Any) -> Any:
            return values.decode(stored, blobs, persistent_load=dependency)

        return fill(node.spec.call[0][0], dependency, unseal)
    if is_gone(node.value):
        raise ValueError(
            f"Cannot load output of task {node.node_id!r} from workflow {state.workflow_id!r}: it was removed when the "
            "run had succeeded (cleanup='success'); only the result is kept."
        )
    if node.value is None:
        raise ValueError(
            f"Cannot load output of task {node.node_id!r} from workflow {state.workflow_id!r}: it was not stored "
            "(checkpoint=False)."
        )
    return as_value(state, index, values.decode(node.value, blobs))


def run_metadata(state: RunState, status: WorkflowStatus) -> Json:
    """Return what is recorded about a run."""
    stats = {"start_time": state.started} if state.started else {}
    if state.ended and status in (WorkflowStatus.SUCCESSFUL, WorkflowStatus.FAILED):
        stats["end_time"] = state.ended
    found: Json = {"status": status, "user_metadata": state.metadata, "stats": stats}
    if state.forked_from:
        found["forked_from"] = state.forked_from
        found |= {"forked_after": state.forked_after} if state.forked_after else {}
    if state.cleanup:
        found["cleanup"] = state.cleanup
    if state.environment:
        found["environment"] = state.environment
    if state.undelivered:
        found["undelivered"] = list(state.undelivered)
    return found


def run_progress(state: RunState, status: WorkflowStatus, told: dict[int, tuple[int, int]]) -> Json:
    """Return how far a run and each of its tasks is; ``told`` is what running tasks say of themselves, by index."""
    tasks: Json = {}
    done = 0
    for index, node in enumerate(state.nodes):
        if node.spec.kind is NodeKind.VALUE or node.owner == FORGOTTEN:
            continue
        done += node.status.finished
        found: Json = {"status": node.status, "attempts": node.attempt}
        if node.started:
            found["start_time"] = node.started
        if node.ended and (node.status.finished or node.status is NodeStatus.FAILED):
            found["end_time"] = node.ended
        if node.error is not None:
            found["error"] = f"{node.error.get('type')}: {node.error.get('message')}"
        if index in told:
            found["progress"] = told[index]
        tasks[node.node_id] = found
    return {"status": status, "done": done, "total": len(tasks), "tasks": tasks}


async def live_progress(runner: Runner) -> Json:
    """Return how far a live run is. On the engine's loop, where nothing changes meanwhile."""
    return run_progress(runner.state, runner.state.status or WorkflowStatus.RUNNING, runner.progress)


def task_metadata(state: RunState, task_id: str) -> Json:
    """Return what is recorded about a task. Raises ValueError for an unknown one."""
    index = state.index.get(task_id)
    if index is None:
        raise no_node(state, task_id, "task_id")
    node = state.nodes[index]
    code = state.codes.get(node.spec.code)
    options: Json = {
        "task_type": {"t": "FUNCTION", "e": "WAIT", "v": "VALUE", "d": "DRIVER", "a": "ANY_OF"}[node.spec.kind.value]
    }
    if code is not None:
        options |= {
            "max_retries": code.options.retry.max_retries,
            "retry_exceptions": code.options.retry.retry_exceptions,
            "catch_exceptions": code.options.catch_exceptions,
            "checkpoint": code.options.checkpoint is not False,
            "timeout": code.options.timeout,
            "executor": code.options.executor,
            "resources": dict(code.options.resources),
        }
    stats = {"start_time": node.started} if node.started else {}
    if node.ended and node.status.finished:
        stats["end_time"] = node.ended
    return {
        "task_id": task_id,
        "status": str(node.status),
        "task_options": options,
        "user_metadata": node.spec.metadata or {},
        "workflow_refs": [state.nodes[dep].node_id for dep in node.spec.deps],
        "attempts": node.attempt,
        "stats": stats,
    }


def finished(state: RunState, task_id: str | None) -> bool:
    """Tell whether an output can be had now."""
    if task_id is None:
        return state.status is WorkflowStatus.SUCCESSFUL
    index = state.index.get(task_id)
    return index is not None and state.nodes[index].status.finished


def failed(state: RunState, task_id: str) -> bool:
    """Tell whether a task has failed for good."""
    index = state.index.get(task_id)
    return index is not None and state.nodes[index].status is NodeStatus.FAILED
