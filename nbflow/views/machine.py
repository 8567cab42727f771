"""A state machine as data: where it is, what it waits for, where it has been, and which events it could not handle."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..core import machine as m
from ..core.graph import Json
from ..core.records import EventReceived
from ..core.state import RunState
from ..core.status import WorkflowStatus
from .rows import preview

END = {m.COMPLETE: "complete", m.FAIL: "fail"}


@dataclass(frozen=True, slots=True)
class Description:
    """How a run of a state machine stands. Times are UTC seconds.

    ``status`` is that of the run, TIMED_OUT for one whose time was up; ``state`` is start, step, wait, sleep, complete
    or fail, ``handler`` what is at it (or was, when the run failed). ``waits_for`` are the events that are welcome now,
    ``until`` when the wait or sleep ends by itself, with the step ``then``; ``deadline`` is that of the run. ``inbox``
    and ``set_aside`` count events, ``stored`` names what is in the store.

    >>> import nbflow as nf
    >>> rests = nf.Workflow("Rests")
    >>> @rests.start()
    ... def start(ctx, _=0):
    ...     return ctx.next.wait_for_event()
    >>> @rests.event()
    ... def go(ctx):
    ...     return ctx.next.complete()
    >>> run = nf.start_workflow(workflow_type="Rests", workflow_id="at-rest")
    >>> while run.describe().state != "wait": pass
    >>> run.describe().waits_for
    ('go',)
    >>> run.cancel()
    """

    workflow_id: str
    workflow_type: str
    status: str
    state: str
    handler: str = ""
    waits_for: tuple[str, ...] = ()
    until: float | None = None
    then: str = ""
    deadline: float | None = None
    inbox: int = 0
    set_aside: int = 0
    stored: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    created: float = 0.0
    started: float = 0.0
    ended: float = 0.0
    events: Json = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.workflow_type}: {self.status}, {standing(self)}"


def standing(found: Description) -> str:
    """Return in words what a machine does now."""
    if found.status in ("SUCCESSFUL", "CANCELED", "TIMED_OUT"):
        return found.status.lower().replace("_", " ")
    then = f", then {found.then}" if found.then else ""
    if found.state == m.WAIT:
        return f"waits for {', '.join(found.waits_for) or 'nothing that could come'}{then}"
    if found.state == m.SLEEP:
        return f"sleeps{then}"
    return f"runs {found.handler}" if found.handler else found.state


def describe(state: RunState) -> Description:
    """Return how a run of a state machine stands. Raises ValueError for another run."""
    machine = _machine(state)
    current, following = machine.current, machine.next
    where = following["do"] if current is None else _kind(current.why)
    resting = current is None and following["do"] in (m.WAIT, m.SLEEP)
    return Description(
        state.workflow_id,
        machine.form.get("type", state.name),
        "TIMED_OUT" if machine.late and state.status is WorkflowStatus.FAILED else str(state.status or "PENDING"),
        where,
        current.name if current is not None else "",
        tuple(machine.waits_for),
        following.get("until") if resting else None,
        following.get("name", "") if resting else "",
        machine.deadline,
        len(state.inbox) + len(machine.again),
        len(machine.aside),
        tuple(machine.store),
        tuple(machine.children),
        state.created,
        state.started,
        state.ended,
        {name: [[param, needed] for param, needed, *_ in form["params"]] for name, form in machine.events.items()},
    )


def machine_view(state: RunState) -> Json:
    """Return a state machine for a picture and tables. Raises ValueError for another run.

    ``states`` are [name, kind, times handled]: kinds are start, step, event, wait, end. ``moves`` are [from, to, how
    often]; 0 for one that the code names and that was never taken. ``now`` is the state that is lit. ``inbox``,
    ``aside`` and ``undelivered`` are rows of events.
    """
    machine, found = _machine(state), describe(state)
    form, handled = machine.form, machine.handled
    start = form.get("start", m.START)
    states = [[start, m.START, handled[start]]]
    states += [[name, m.STEP, handled[name]] for name in form.get("steps", ())]
    states += [[name, m.EVENT, handled[name]] for name in machine.events]
    states += [[m.WAIT, m.WAIT, 0], *([end, "end", 0] for end in END.values())]
    return {
        "type": found.workflow_type,
        "status": found.status,
        "states": states,
        "moves": _moves(machine),
        "now": found.handler or (found.then if found.state == m.STEP else found.state),
        "waits": {"events": [*found.waits_for], "until": found.until, "then": found.then},
        "words": standing(found),
        "inbox": [_row(event) for event in (*machine.again, *state.inbox.waiting())],
        "aside": [
            {**_row(aside.event), "why": f"{aside.error.get('type')}: {aside.error.get('message')}"}
            for aside in machine.aside.values()
        ],
        "undelivered": [_row(event) for event in state.inbox.waiting() if event.event_id in state.undelivered],
        "store": {key: preview(value) for key, value in machine.store.items()},
        "children": [[child.workflow_id, child.kind] for child in machine.children.values()],
    }


def note_of(state: RunState) -> str:
    """Return in a few words what the machine of a run does now, '' for another run."""
    machine = m.machine_of(state)
    return standing(describe(state)) if machine is not None and machine.form else ""


def resting(state: RunState) -> bool:
    """Tell whether the machine of a run waits for an event or for time."""
    machine = m.machine_of(state)
    return machine is not None and machine.current is None and machine.next["do"] in (m.WAIT, m.SLEEP)


def _moves(machine: m.Machine) -> list[list[Any]]:
    found: dict[tuple[str, str], int] = dict.fromkeys(map(tuple, machine.form.get("moves", ())), 0)
    found |= {(m.WAIT, name): 0 for name in machine.events}
    for (start, end), times in machine.seen.items():
        found[start, end] = times
    for name in machine.events:
        found[m.WAIT, name] = machine.handled[name]
    return [[start, end, times] for (start, end), times in found.items()]


def _kind(why: str) -> str:
    return m.START if why == m.START else m.STEP


def _row(event: EventReceived) -> Json:
    name = event.key.rpartition("@")[0] or event.key
    return {
        "id": event.event_id, "event": name, "payload": preview(event.payload), "at": event.at, "by": event.by,
        "source": event.source,
    }  # fmt: skip


def _machine(state: RunState) -> m.Machine:
    machine = m.machine_of(state)
    if machine is None and (state.driver < 0 or state.driver in state.parts):
        raise ValueError(f"run {state.workflow_id!r} is no state machine")
    return machine if machine is not None else m.Machine()  # it has not begun yet
