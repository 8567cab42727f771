"""A run in a few lines of JSON: what the listing cache of its storage keeps of it."""

from __future__ import annotations

from collections import Counter

from ..core.graph import FORGOTTEN, Json
from ..core.node import Node
from ..core.state import RunState
from ..core.status import NodeStatus, WorkflowStatus


def summary_of(state: RunState, trouble: str = "") -> Json:
    """Return what a listing shows of a run.

    ``counts`` has the nodes that a person sees, by status; ``questions`` those that can be answered now, in a run that
    was let go too. The prompts stay in the journal: a question's ``token`` tells whether they have to be read again.
    """
    counts = Counter(state.counts)
    counts.subtract(Counter(state.nodes[index].status for index in state.silent))
    paused = state.status is WorkflowStatus.RESUMABLE
    asked = [state.nodes[index] for index in sorted(state.asked)] if state.waiting or paused else []
    questions = [_question(node) for node in asked if _asks(node, paused)]
    return {
        "workflow_id": state.workflow_id,
        "name": state.name,
        "status": str(state.status or "PENDING"),
        "created": state.created,
        "started": state.started,
        "ended": state.ended,
        "counts": {status.value: count for status, count in counts.items() if count},
        "questions": questions,
        "metadata": state.metadata,
        "trouble": trouble,
    }


def _asks(node: Node, paused: bool) -> bool:
    """Tell whether a node's question is open, or opens again as soon as somebody goes on with its run."""
    if node.wait is None or not node.wait.prompt or node.owner == FORGOTTEN:
        return False
    return node.status is NodeStatus.WAITING or (paused and node.status is NodeStatus.PENDING and node.event is None)


def _question(node: Node) -> Json:
    wait = node.wait
    title = (wait.prompt or {}).get("title", "") if wait is not None else ""
    return {"id": node.node_id, "title": title, "token": wait.token if wait is not None else 0}
