"""How a state machine moves: what each of its records changes, and which of its questions are open.

A question is a node for each event that a person can answer: it is open while the machine waits and closes with the
first answer, so that of two people who press at once one is told that it is decided.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import InvalidTransition
from . import flow, growth
from . import machine as m
from .answers import fitted
from .commands import Acknowledge, Command, EventKept
from .graph import FORGOTTEN, Json, NodeKind, NodeSpec
from .node import Node
from .records import EventReceived, NodeRecord, Record, WaitOpened
from .status import NodeStatus, WorkflowStatus

if TYPE_CHECKING:
    from .state import RunState

N = NodeStatus
_SEALED = (WorkflowStatus.SUCCESSFUL, WorkflowStatus.CANCELED)


def arrived(state: RunState, machine: m.Machine, event: EventReceived, commands: list[Command]) -> None:
    """Keep an event for the machine, in order. An answer closes its questions; one that is too late is refused."""
    status, index = "queued", machine.asked.get(event.key)
    if index is not None:
        value = fitted(prompt_of(state, index), event)
        if value is None:
            commands.append(Acknowledge(event.event_id, "rejected"))
            return
        node = state.nodes[index]
        event, status, asked = replace(event, payload=value), "delivered", node.wait
        _close(state, machine, commands)
        node.wait, node.value, node.ended = asked, value, event.at
        state.set_status(index, N.DONE)
    elif machine.name_of(event.key) != event.key:
        commands.append(Acknowledge(event.event_id, "closed"))
        return
    elif machine.waiting and state.live and not machine.again and not len(state.inbox):
        status = "delivered"
    state.inbox.keep(event)
    state.changed.add(state.driver)
    commands.append(Acknowledge(event.event_id, status, index))
    commands.append(EventKept(event.event_id))


def prompt_of(state: RunState, index: int) -> Json | None:
    """Return what a question asks."""
    wait = state.nodes[index].wait
    return wait.prompt if wait is not None else None


# ---- the records ----


def opened(state: RunState, record: m.MachineOpened, commands: list[Command]) -> None:
    """Take a machine up: its form, its deadline, and the questions that are open."""
    machine = _machine(state, record)
    if machine is None:
        return
    if record.deadline is not None:
        machine.deadline, machine.late = record.deadline, False
    if record.form is not None:
        _close(state, machine, commands)
        machine.form = record.form
        _make_questions(state, machine, record.node)
        if machine.waiting:
            _ask(state, machine, machine.waits_since)
    for index in machine.questions.values():
        if state.nodes[index].status in (N.SKIPPED, N.CANCELED):
            state.set_status(index, N.PENDING)
    for index in machine.asked.values():
        _reopen(state, index)


def began(state: RunState, record: m.HandlerBegan, commands: list[Command]) -> None:
    """Let a handler begin, and take its event out of the inbox; one that had begun before may begin again."""
    machine = _machine(state, record)
    if machine is None or record.number <= machine.number:
        return
    if record.number != machine.number + 1 or machine.current is not None:
        raise InvalidTransition(
            f"handler {record.number} of run {state.workflow_id!r} cannot begin after {machine.number}"
        )
    event = _take(state, machine, record.event) if record.event else None
    _close(state, machine, commands)
    machine.number, machine.noted = record.number, []
    machine.handled[record.name] += 1
    if record.why == m.TIMEOUT:
        machine.seen[m.WAIT, record.name] += 1
    machine.current = m.Current(record.number, record.name, record.why, record.at, event)
    index = machine.questions.get(record.name, -1) if record.why == m.EVENT else -1
    if index >= 0 and event is not None and not state.nodes[index].status.finished:
        node = state.nodes[index]
        node.value, node.started, node.ended = event.payload, event.at, record.at
        state.set_status(index, N.DONE)


def done(state: RunState, record: m.HandlerDone, commands: list[Command]) -> None:
    """Take what a handler stored, and what it chose."""
    machine = _machine(state, record)
    if machine is None or machine.current is None or record.number != machine.current.number:
        return
    if record.next["do"] == m.START:
        machine.store.clear()
    machine.store.update(record.puts)
    for key in record.drops:
        machine.store.pop(key, None)
    machine.seen[machine.current.name, m.target_of(machine, record.next)] += 1
    machine.next, machine.current, machine.noted = record.next, None, []
    if machine.waiting:
        _ask(state, machine, record.at)
    elif machine.over:
        for index in machine.questions.values():
            if state.nodes[index].status is N.PENDING:
                state.set_status(index, N.SKIPPED)


def noted(state: RunState, record: m.Noted, _: list[Command]) -> None:
    """Remember what a handler saw."""
    machine = _machine(state, record)
    if machine is not None and machine.current is not None and machine.current.number == record.number:
        machine.noted.append(record)


def set_aside(state: RunState, record: m.EventSetAside, commands: list[Command]) -> None:
    """Put an event aside, which the handler could not handle or which does not fit, and wait again."""
    machine = _machine(state, record)
    if machine is None:
        return
    event = _release(machine, record.event) or _take(state, machine, record.event, missing_ok=True)
    if event is not None:
        machine.aside[record.event] = m.Aside(event, record.at, record.error)
        _wait_again(state, machine, record.at, commands)


def retried(state: RunState, record: m.EventRetried, commands: list[Command]) -> None:
    """Send an event once more, before all that wait in the inbox."""
    machine = _machine(state, record)
    event = _found(machine, record.event)
    if machine is None or event is None:
        return
    if record.payload is not None:  # it is an event like any other now, and not the answer to a question
        event = replace(event, key=machine.name_of(event.key), payload=record.payload)
    machine.again.append(event)
    _wait_again(state, machine, record.at, commands)
    commands.append(EventKept(record.event))


def discarded(state: RunState, record: m.EventDiscarded, commands: list[Command]) -> None:
    """Forget an event."""
    machine = _machine(state, record)
    if machine is not None and _found(machine, record.event) is not None:
        _wait_again(state, machine, record.at, commands)


def child_began(state: RunState, record: m.ChildBegan, _: list[Command]) -> None:
    """Remember a child run."""
    machine = _machine(state, record)
    if machine is not None:
        machine.children[record.child] = m.Child(record.child, record.kind, record.step)


def child_ended(state: RunState, record: m.ChildEnded, _: list[Command]) -> None:
    """Forget a child run."""
    machine = _machine(state, record)
    if machine is not None:
        machine.children.pop(record.child, None)


def cancel_asked(state: RunState, record: m.CancelAsked, _: list[Command]) -> None:
    """Remember that the run is to be canceled."""
    machine = _machine(state, record)
    if machine is not None:
        machine.cancel = record.by


def late(state: RunState, record: m.MachineLate, _: list[Command]) -> None:
    """Remember that the time was up."""
    machine = _machine(state, record)
    if machine is not None:
        machine.late = True


# ---- events ----


def _take(state: RunState, machine: m.Machine, event_id: str, missing_ok: bool = False) -> EventReceived | None:
    """Return an event that waits, and take it away. Raises InvalidTransition."""
    for event in machine.again:
        if event.event_id == event_id:
            machine.again.remove(event)
            return event
    found = state.inbox.take_id(event_id)
    if found is None and not missing_ok:
        raise InvalidTransition(f"run {state.workflow_id!r} has no event {event_id!r} waiting")
    return found


def _release(machine: m.Machine, event_id: str) -> EventReceived | None:
    """Return the event of the handler that is at it, which gives it up."""
    current = machine.current
    if current is None or current.event is None or current.event.event_id != event_id:
        return None
    machine.current, machine.noted = None, []
    return current.event


def _found(machine: m.Machine | None, event_id: str) -> EventReceived | None:
    """Return an event that lies aside, or that a failed handler holds, and take it away."""
    if machine is None:
        return None
    aside = machine.aside.pop(event_id, None)
    return aside.event if aside is not None else _release(machine, event_id)


# ---- questions ----


def _make_questions(state: RunState, machine: m.Machine, driver: int) -> None:
    """Give each event that the machine understands its node."""
    for name in [name for name in machine.questions if name not in machine.events]:
        state.forget(machine.questions.pop(name))
    for name in machine.events:
        if name not in machine.questions:
            state.add(Node(NodeSpec(name, NodeKind.EVENT), driver))
            machine.questions[name] = len(state.nodes) - 1
            growth.name(state, machine.questions[name])


def _ask(state: RunState, machine: m.Machine, at: float) -> None:
    """Open a question for each event, all for the same wait."""
    machine.waits_since, until, step = at, machine.next.get("until"), machine.next.get("name")
    fallback = {"c": "json", "v": step} if step else None
    for name, index in machine.questions.items():
        node, prompt = state.nodes[index], machine.events[name].get("prompt")
        state.tokens += 1
        key = f"{name}@{state.tokens}"
        node.wait = WaitOpened(index, state.tokens, at, key, until, fallback, prompt)
        if prompt is not None:
            state.asked.add(index, name, node.wait)
        node.value, node.started, node.ended = None, at, 0.0
        state.set_status(index, N.PENDING)
        machine.asked[key] = index
        _reopen(state, index)


def _reopen(state: RunState, index: int) -> None:
    if state.live and state.nodes[index].status is N.PENDING:
        state.set_status(index, N.WAITING)
        flow.await_key(state, index)


def _close(state: RunState, machine: m.Machine, commands: list[Command]) -> None:
    """Close the questions of a wait that is over."""
    for index in machine.asked.values():
        node = state.nodes[index]
        if node.owner == FORGOTTEN or node.status.finished:
            continue
        if node.status is N.WAITING:
            flow.close_wait(state, index, commands)
            state.set_status(index, N.PENDING)
        node.wait = None
    machine.asked.clear()


def _wait_again(state: RunState, machine: m.Machine, at: float, commands: list[Command]) -> None:
    """Ask anew when the machine waits again, since its questions were closed."""
    if machine.waiting and not machine.asked:
        _ask(state, machine, at)


def _machine(state: RunState, record: NodeRecord) -> m.Machine | None:
    """Return the machine of a record, None when the run is over. Raises InvalidTransition."""
    if not 0 <= record.node < len(state.nodes) or state.nodes[record.node].spec.kind is not NodeKind.DRIVER:
        raise InvalidTransition(f"run {state.workflow_id!r} has no driver {record.node}: {record}")
    machine = state.parts.get(record.node)
    if machine is None and isinstance(record, m.MachineOpened):
        machine = state.parts[record.node] = m.Machine()
    if not isinstance(machine, m.Machine):
        raise InvalidTransition(f"the driver {record.node} of run {state.workflow_id!r} is no machine: {record}")
    if state.status in _SEALED:
        return None  # it may have been canceled in the same commit
    state.changed.add(record.node)
    return machine


HANDLERS: dict[type[Record], Callable[[Any, Any, list[Command]], None]] = {
    m.MachineOpened: opened,
    m.HandlerBegan: began,
    m.HandlerDone: done,
    m.Noted: noted,
    m.EventSetAside: set_aside,
    m.EventRetried: retried,
    m.EventDiscarded: discarded,
    m.ChildBegan: child_began,
    m.ChildEnded: child_ended,
    m.CancelAsked: cancel_asked,
    m.MachineLate: late,
}
