"""Results that other code or inputs have made than those given now, and the code of what the run has grown itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..core import records as r
from ..core.changes import changed_nodes, what_changed
from ..core.graph import FORGOTTEN, TOP, NodeKind
from ..dag.fingerprint import fingerprint
from ..errors import WorkflowChangedError
from .growing import code_records

if TYPE_CHECKING:
    from ..core.state import RunState
    from ..dag.code import CodeBook
    from ..dag.task import Task
    from ..storage.base import Blobs

TOLD = 5
"""So many changed nodes are named."""


def recoded(state: RunState, book: CodeBook, blobs: Blobs) -> list[r.Record]:
    """Return the records that give grown nodes the code of this notebook, found by the name of their task.

    What a body returned as a continuation is not in the graph given now, and the task in it may be the one that was
    mended. The options stay those that the body gave.
    """
    tasks = {**book.named, **{task.name: task for task in book.live.values()}}
    wanted: dict[str, list[int]] = {}
    for index, node in enumerate(state.nodes):
        if node.owner == FORGOTTEN or node.owner == TOP or node.spec.kind is not NodeKind.TASK:
            continue
        if not (node.status.finished and _is_called(state, index)):
            wanted.setdefault(node.spec.code, []).append(index)
    found: list[r.Record] = []
    for key, nodes in wanted.items():
        code = state.codes[key]
        task: Task[Any, Any] | None = tasks.get(code.name)
        if task is None or fingerprint(task.function) == code.fingerprint:
            continue
        mended = task.options()
        mended.settings = code.options
        new = book.key_of(mended)
        found += code_records(book, blobs)[0]
        found.append(r.NodesRecoded(new, tuple(nodes)))
    return found


def _is_called(state: RunState, index: int) -> bool:
    """Tell whether a driver called a node, or what it is below: what is done of that, the driver has gone on from."""
    while state.nodes[index].owner >= 0:
        index = state.nodes[index].owner
    return state.nodes[index].spec.kind is NodeKind.DRIVER


def run_again(state: RunState) -> list[r.Record]:
    """Return the records that run the changed nodes again."""
    changed = changed_nodes(state)
    return [r.NodesReset(tuple(changed))] if changed else []


def refuse(state: RunState) -> None:
    """Raise WorkflowChangedError when there are changed nodes."""
    changed = changed_nodes(state)
    if not changed:
        return
    names = [state.nodes[index].node_id for index in changed]
    raise WorkflowChangedError(
        state.workflow_id,
        f"Run {state.workflow_id!r} has results that other code or inputs made: {_told(state, changed)}. Nothing was "
        "run and nothing was changed. Choose on_change='keep' to use them as they are, or 'rerun' to run these tasks "
        "again and all that depends on them.",
        names,
    )


def notice(state: RunState) -> str:
    """Return what a person should know about results that were kept; empty when there is nothing to say."""
    changed = changed_nodes(state)
    if not changed:
        return ""
    what = "1 task keeps a result" if len(changed) == 1 else f"{len(changed)} tasks keep results"
    first = state.nodes[changed[0]].node_id
    return (
        f"{what} of earlier code or inputs: {_told(state, changed)}. on_change='rerun' runs them again, with all that "
        f"depends on them; nbflow.get_run({state.workflow_id!r}).diff({first!r}) shows what changed."
    )


def _told(state: RunState, changed: Sequence[int]) -> str:
    told = [f"{state.nodes[index].node_id!r} ({' and '.join(what_changed(state, index))})" for index in changed[:TOLD]]
    return ", ".join(told) + (f" and {len(changed) - TOLD} more" if len(changed) > TOLD else "")
