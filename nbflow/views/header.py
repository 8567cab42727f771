"""What a view says about the run as a whole."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.graph import Json
from ..core.state import RunState
from ..core.status import WorkflowStatus
from . import words

STATES = {
    WorkflowStatus.PENDING: ("new", "p", "Not started"),
    WorkflowStatus.RUNNING: ("running", "r", "Running"),
    WorkflowStatus.SUCCESSFUL: ("done", "s", "Done"),
    WorkflowStatus.FAILED: ("failed", "f", "Failed"),
    WorkflowStatus.RESUMABLE: ("resumable", "p", "Stopped, can be resumed"),
    WorkflowStatus.CANCELED: ("canceled", "x", "Canceled"),
}
"""The word of the message format, the letter of the look, and the words for a person, of each state of a run."""

WAITING = ("waiting", "w", "Waiting for you")
"""The same for a run that is running and has an open question."""


@dataclass(frozen=True, slots=True)
class Header:
    """A run without its nodes. Times are UTC seconds, 0 when there is none; ``failed`` names the node that broke it.

    ``asks`` tells whether a question is open, ``undelivered`` how many events nobody took.
    """

    workflow_id: str
    name: str
    status: WorkflowStatus
    created: float
    started: float
    ended: float
    failed: str
    undelivered: int
    asks: bool

    @classmethod
    def of(cls, state: RunState, asks: bool) -> Header:
        """Return the header of a run as it is now."""
        status = state.status or WorkflowStatus.PENDING
        broken = status is WorkflowStatus.FAILED and state.failed >= 0
        return cls(
            state.workflow_id,
            state.name,
            status,
            state.created,
            state.started,
            state.ended if status.ended else 0.0,
            state.nodes[state.failed].node_id if broken else "",
            len(state.undelivered) if status.ended else 0,
            asks and status is WorkflowStatus.RUNNING,
        )

    @property
    def look(self) -> tuple[str, str, str]:
        """The word of the message format, the letter of the look, and the words for a person."""
        return WAITING if self.asks else STATES[self.status]

    def to_message(self) -> Json:
        """Return the trait ``run`` of the message format; times in milliseconds' precision, None when there is none."""
        return {
            "name": words.name(self.name),
            "id": words.name(self.workflow_id),
            "state": self.look[0],
            "t0": round(self.started, 3) if self.started else None,
            "t1": round(self.ended, 3) if self.ended else None,
            "failed": words.name(self.failed),
            "undelivered": self.undelivered,
        }
