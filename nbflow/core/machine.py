"""What a state machine knows: its own records, and what they add up to.

One handler runs at a time. ``HandlerBegan`` takes its event out of the inbox; ``HandlerDone`` brings, in one record,
what it stored and what comes next, so that after a crash either all of it happened or the same handler runs again.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING, Any

from .cheap import cheap
from .graph import Json
from .inbox import RESERVED
from .records import EventReceived, NodeRecord, Record

if TYPE_CHECKING:
    from .state import RunState

CHILD = f"{RESERVED}child"
"""The key under which the end of a child run comes to its parent."""

START, STEP, EVENT, TIMEOUT, WAKE, ENDED = "start", "step", "event", "timeout", "wake", "child"
"""Why a handler runs: the run began, a step was chosen, an event came, a wait or a sleep was over, a child ended."""

WAIT, SLEEP, COMPLETE, FAIL = "wait", "sleep", "complete", "fail"
"""What else a handler may choose, besides START and STEP."""


@cheap
class MachineOpened(NodeRecord):
    """An owner took the machine up, or its definition changed.

    ``form`` says what it is made of, None when that is as before; ``deadline`` is when the run must be over.
    """

    tag = "machine"
    node: int
    at: float
    form: Json | None = None
    deadline: float | None = None


@cheap
class HandlerBegan(NodeRecord):
    """A handler began; an ``event`` that it takes is not in the inbox any more. ``number`` counts the handlers."""

    tag = "hbegan"
    node: int
    number: int
    name: str
    why: str
    at: float
    event: str = ""


@cheap
class HandlerDone(NodeRecord):
    """A handler ended well: what it stored and deleted counts from now on, and ``next`` is what comes.

    ``next`` has ``do`` (step, wait, sleep, complete, fail, start) and, as it needs, ``name``, ``args``, ``until``,
    ``value``, ``error``.
    """

    tag = "hdone"
    node: int
    number: int
    at: float
    next: Json
    puts: Json = field(default_factory=dict)
    drops: list[str] = field(default_factory=list)


@cheap
class Noted(NodeRecord):
    """A handler looked at the time, at chance, or went to sleep: a repetition of it finds the same."""

    tag = "hnoted"
    node: int
    number: int
    what: str
    value: Any


@cheap
class EventSetAside(NodeRecord):
    """An event that could not be handled was put aside, until a person decides; the machine waits again."""

    tag = "aside"
    node: int
    event: str
    at: float
    error: Json


@cheap
class EventRetried(NodeRecord):
    """A person sent an event that lay aside, or that a failed handler holds, once more; with another payload if any."""

    tag = "unaside"
    node: int
    event: str
    at: float
    by: str = ""
    payload: Json | None = None


@cheap
class EventDiscarded(NodeRecord):
    """A person discarded an event that lay aside, or that a failed handler holds."""

    tag = "discard"
    node: int
    event: str
    at: float
    by: str = ""


@cheap
class ChildBegan(NodeRecord):
    """A handler began a run of its own; ``step`` runs when it is over, '' for none."""

    tag = "child"
    node: int
    child: str
    kind: str
    at: float
    step: str = ""


@cheap
class ChildEnded(NodeRecord):
    """A child run is over, and its parent has been told."""

    tag = "childend"
    node: int
    child: str
    at: float


@cheap
class CancelAsked(NodeRecord):
    """The run is to be canceled as soon as its handler has ended."""

    tag = "askcancel"
    node: int
    at: float
    by: str = ""


@cheap
class MachineLate(NodeRecord):
    """The time of the run was up; whoever resumes it gives it as much again."""

    tag = "late"
    node: int
    at: float


RECORDS: dict[str, type[Record]] = {
    cls.tag: cls
    for cls in (
        MachineOpened, HandlerBegan, HandlerDone, Noted, EventSetAside, EventRetried, EventDiscarded, ChildBegan,
        ChildEnded, CancelAsked, MachineLate,
    )
}  # fmt: skip


@cheap
class Current:
    """The handler that runs, or ran when its owner died: the same one runs again, and finds what it had noted."""

    number: int
    name: str
    why: str
    at: float
    event: EventReceived | None = None


@cheap
class Aside:
    """An event that lies aside, and why."""

    event: EventReceived
    at: float
    error: Json


@cheap
class Child:
    """A child run that is not over, as far as its parent knows."""

    workflow_id: str
    kind: str
    step: str = ""


class Machine:
    """Everything that a state machine has decided so far. Read it anywhere; only records change it.

    ``form`` is what it is made of, ``next`` what was decided, ``current`` the handler that is at it, ``asked`` the open
    questions by their key, ``questions`` the nodes that ask, by event; ``seen`` counts the moves from handler to what
    came next.
    """

    def __init__(self) -> None:
        self.form: Json = {}
        self.number = 0
        self.next: Json = {"do": START}
        self.current: Current | None = None
        self.waits_since = 0.0
        self.store: dict[str, Json] = {}
        self.noted: list[Noted] = []
        self.again: deque[EventReceived] = deque()
        self.aside: dict[str, Aside] = {}
        self.children: dict[str, Child] = {}
        self.questions: dict[str, int] = {}
        self.asked: dict[str, int] = {}
        self.seen: Counter[tuple[str, str]] = Counter()
        self.handled: Counter[str] = Counter()
        self.deadline: float | None = None
        self.late = False
        self.cancel: str | None = None

    @property
    def waiting(self) -> bool:
        """True while no handler runs and the next event is welcome."""
        return self.current is None and self.next["do"] == WAIT

    @property
    def over(self) -> bool:
        """True when a handler has chosen the end of the run."""
        return self.next["do"] in (COMPLETE, FAIL)

    @property
    def events(self) -> Json:
        """The events that it understands: how each is called, by name."""
        return self.form.get("events") or {}

    @property
    def waits_for(self) -> list[str]:
        """The events that it waits for now, none while a handler runs."""
        return list(self.events) if self.waiting else []

    def name_of(self, key: str) -> str:
        """Return the event that a key means: its name, or the name in the key of a question."""
        name, at, token = key.rpartition("@")
        return name if at and key not in self.events and token.isdecimal() else key


def machine_of(state: RunState) -> Machine | None:
    """Return what the state machine of a run knows; None when the run is none, or has not begun."""
    part = state.parts.get(state.driver)
    return part if isinstance(part, Machine) else None


def target_of(machine: Machine, following: Json) -> str:
    """Return where a choice leads: to a handler, or to what it is called itself."""
    do = following["do"]
    if do == START:
        return str(machine.form["start"])
    return str(following["name"]) if do in (STEP, SLEEP) else str(do)


@cheap
class Move:
    """What a machine does now. ``do`` is "begin" (a handler), "rest" (until ``until``, if it is set), or the end."""

    do: str
    name: str = ""
    why: str = ""
    event: EventReceived | None = None
    until: float | None = None


def due(machine: Machine, waiting: EventReceived | None, now: float) -> Move:
    """Return what comes next; ``waiting`` is the oldest event of the inbox. Only while no handler is at work.

    A handler that had begun begins again. An event that is there goes before a time that is up.
    """
    current, following = machine.current, machine.next
    if current is not None:
        return Move("begin", current.name, current.why, current.event)
    do, until = following["do"], following.get("until")
    if do in (COMPLETE, FAIL):
        return Move(do)
    if do == START:
        return Move("begin", machine.form["start"], START)
    if do == STEP:
        return Move("begin", following["name"], STEP)
    if do == SLEEP:
        up = until is None or until <= now
        return Move("begin", following["name"], WAKE) if up else Move("rest", until=until)
    event = machine.again[0] if machine.again else waiting
    if event is not None:
        return _take(machine, event)
    if until is not None and until <= now:
        return Move("begin", following["name"], TIMEOUT)
    return Move("rest", until=until)


def _take(machine: Machine, event: EventReceived) -> Move:
    if event.key.startswith(CHILD):
        return Move("begin", event.key[len(CHILD) + 1 :], ENDED, event)
    return Move("begin", machine.name_of(event.key), EVENT, event)


def _aside(x: Any) -> str:
    return f"event {x.event!r} was put aside: {x.error.get('type')}: {x.error.get('message')}"


def _by(x: Any) -> str:
    return f" by {x.by}" if x.by else ""


def _chose(x: HandlerDone) -> str:
    do, name = x.next["do"], x.next.get("name")
    if do == WAIT:
        return "waits for an event" + (f", until {name!r}" if name else "")
    return {STEP: f"goes on with {name!r}", SLEEP: f"sleeps, then {name!r}", COMPLETE: "the run is complete",
            FAIL: "the run fails", START: "begins anew"}[do]  # fmt: skip


SENTENCES: dict[type[Record], Callable[[Any], str]] = {
    MachineOpened: lambda x: "the machine was taken up" if x.form is None else "the machine was defined",
    HandlerBegan: lambda x: (
        f"handler {x.number} began: {x.name!r} ({x.why})" + (f", event {x.event!r}" * bool(x.event))
    ),
    HandlerDone: lambda x: f"handler {x.number} ended; {_chose(x)}",
    Noted: lambda x: f"handler {x.number} noted {x.what}",
    EventSetAside: _aside,
    EventRetried: lambda x: f"event {x.event!r} was {'changed and ' if x.payload else ''}sent again{_by(x)}",
    EventDiscarded: lambda x: f"event {x.event!r} was discarded{_by(x)}",
    ChildBegan: lambda x: f"the child run {x.child!r} began",
    ChildEnded: lambda x: f"the child run {x.child!r} is over",
    CancelAsked: lambda x: f"it is to be canceled{_by(x)}, as soon as its handler has ended",
    MachineLate: lambda x: "the time of the run was up",
}
