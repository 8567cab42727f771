"""What an HTTP client is told: a status, and JSON that says what happened and what to do next."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core.graph import Json
from ..core.node import Node
from ..core.state import RunState
from ..core.status import WorkflowStatus
from ..engine.events import Receipt

SEND_AGAIN = "Send the event again, with the same event_id: it counts once."
MINUTE = {"Retry-After": "60"}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to a request: its status, its JSON, and headers besides the usual ones.

    >>> Reply(200, {"status": "delivered"}).ok
    True
    """

    status: int
    body: Json
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """True when the event counts."""
        return self.status < 300


class Refused(Exception):
    """Ends the handling of a request with a reply."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        super().__init__(str(reply.body.get("error", reply.status)))


def refusal(status: int, error: str, do: str = "", headers: dict[str, str] | None = None, **more: object) -> Reply:
    """Return a reply that says no: what is wrong, and what to do.

    >>> refusal(415, "The body is no JSON.", "Send JSON.").body
    {'error': 'The body is no JSON.', 'do': 'Send JSON.'}
    """
    return Reply(status, {"error": error, **({"do": do} if do else {}), **more}, headers or {})


def processed(receipt: Receipt) -> Reply:
    """Return the reply for an event that is in the run's journal."""
    node = {"node": receipt.node} if receipt.node else {}
    return Reply(200, {"status": receipt.status, "event_id": receipt.id, **node})


def stored(receipt: Receipt, why: str) -> Reply:
    """Return the reply for an event that lies in the run's inbox, where its owner finds it."""
    return Reply(202, {"status": "queued", "event_id": receipt.id, "reason": why})


def late(event_id: str, seconds: float, kept: bool) -> Reply:
    """Return the reply for an event whose owner has not said within the time that it is in the journal."""
    said = f"The run has not taken the event within {seconds:g} s."
    if kept:
        return refusal(504, f"{said} It is stored.", "Nothing: the run takes it when it can.", event_id=event_id)
    return refusal(504, f"{said} It may not be stored.", SEND_AGAIN, event_id=event_id)


def no_run(workflow_id: str) -> Reply:
    """Return the reply for a run that is not there."""
    return refusal(404, f"There is no run {workflow_id!r}.", "Start it, or mend its id in the URL.")


def no_key(workflow_id: str, key: str) -> Reply:
    """Return the reply for a key that a run never declares."""
    return refusal(
        404, f"Run {workflow_id!r} waits for no event {key!r}, neither now nor later.", "Mend 'event_key'.",
    )  # fmt: skip


def taken(workflow_id: str, key: str) -> Reply:
    """Return the reply for a key whose events have all come."""
    return refusal(
        409, f"Run {workflow_id!r} has its event {key!r} already, and waits for no other.", "Nothing: it came before.",
    )  # fmt: skip


def over(state: RunState) -> Reply:
    """Return the reply for a run that has ended."""
    return refusal(
        410, f"Run {state.workflow_id!r} is {state.status}: it takes no event any more.", "Nothing.",
        workflow_status=str(state.status),
    )  # fmt: skip


def decided(node_id: str, decision: Json) -> Reply:
    """Return the reply for a question that is decided, with the decision."""
    by = f" by {decision['by']}" if decision.get("by") else ""
    said = f": {decision['option']}{by}" if decision.get("option") else ""
    return refusal(409, f"The question {node_id!r} is decided{said}.", "Nothing.", decision=decision)


def decision_of(node: Node) -> Json:
    """Return the decision that is the value of a question, as JSON; empty when it is none."""
    value = node.value or {}
    found = value.get("v") if value.get("c") == "json" else None
    return found if isinstance(found, dict) else {}


def unfit(reason: str, errors: Json | None = None) -> Reply:
    """Return the reply for a payload that does not fit."""
    more = {"errors": errors} if errors else {}
    return refusal(422, f"The event does not fit: {reason}.", "Mend 'event_payload'; the run is as before.", **more)


def full(reason: str) -> Reply:
    """Return the reply while the storage has no space."""
    return refusal(507, f"The storage has no space: {reason}", f"Free some space. {SEND_AGAIN}", dict(MINUTE))


def has_ended(state: RunState) -> bool:
    """Tell whether a run can take no event any more: a failed one can, since it can be resumed."""
    return state.status in (WorkflowStatus.SUCCESSFUL, WorkflowStatus.CANCELED)
