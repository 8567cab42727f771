"""The states of a run and of a node, as one vocabulary for journal, API and views."""

from __future__ import annotations

from enum import StrEnum


class WorkflowStatus(StrEnum):
    """The state of a run, equal to its own name as a string.

    >>> import nbflow as nf
    >>> nf.WorkflowStatus.FAILED == "FAILED", nf.WorkflowStatus.RESUMABLE.ended
    (True, False)
    """

    PENDING = "PENDING"
    """Accepted and stored, waiting for its turn."""
    RUNNING = "RUNNING"
    SUCCESSFUL = "SUCCESSFUL"
    FAILED = "FAILED"
    RESUMABLE = "RESUMABLE"
    """Not ended, and nobody runs it: its owner died, or let it go."""
    CANCELED = "CANCELED"

    @property
    def ended(self) -> bool:
        """True when nothing more can happen without a new ``run`` or ``resume``."""
        return self in _ENDED


_ENDED = frozenset({WorkflowStatus.SUCCESSFUL, WorkflowStatus.FAILED, WorkflowStatus.CANCELED})


class NodeStatus(StrEnum):
    """The state of one node of a run."""

    finished: bool
    """True when the node has a value."""
    active: bool
    """True when something is under way for the node."""
    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    """Waits for an event, a person or a moment; holds no thread and no process."""
    COMMITTING = "committing"
    """The event is durable; its source has not been told yet."""
    RETRYING = "retrying"
    GROWN = "grown"
    """Returned a continuation: its value will be that of a node it made."""
    DONE = "done"
    RESTORED = "restored"
    """Done before this kernel took the run; its value came from the checkpoint."""
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELED = "canceled"


_ACTIVE = frozenset(
    {
        NodeStatus.QUEUED,
        NodeStatus.RUNNING,
        NodeStatus.WAITING,
        NodeStatus.COMMITTING,
        NodeStatus.RETRYING,
        NodeStatus.GROWN,
    }
)
PENDING, QUEUED, GROWN, DONE = NodeStatus.PENDING, NodeStatus.QUEUED, NodeStatus.GROWN, NodeStatus.DONE
"""The states of most nodes by themselves, as the kinds in graph.py are."""

for _status in NodeStatus:  # no properties: both are asked several times for each node that ends
    _status.finished = _status in (NodeStatus.DONE, NodeStatus.RESTORED)
    _status.active = _status in _ACTIVE
