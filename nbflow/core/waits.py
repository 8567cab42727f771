"""How a wait opens, and the four things that end it: an event, a listener, its deadline, a failure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import InvalidTransition
from . import choice, flow, moves
from .commands import Acknowledge, Command, CommitEvent, EventKept, KeepWait
from .machine import machine_of
from .records import EventReceived, ListenerCommitted, ListenerFired, Notified, Record, WaitExpired, WaitOpened
from .status import WorkflowStatus

if TYPE_CHECKING:
    from .state import RunState


def opened(state: RunState, wait: WaitOpened, commands: list[Command]) -> None:
    """Open a wait; an event that came before it ends it at once, unless it is no answer to its question."""
    moved = state.move(wait)
    state.tokens = max(state.tokens, wait.token)
    if not moved:
        return
    node = state.nodes[wait.node]
    node.wait, node.started, node.told = wait, wait.at, ()
    if wait.prompt is not None:
        state.asked.add(wait.node, node.node_id, wait)
    while wait.key and (early := state.inbox.take(wait.key)) is not None:
        if flow.give(state, wait.node, early, commands):
            return
    flow.await_key(state, wait.node)
    commands.append(KeepWait(wait.node, wait.token))


def received(state: RunState, event: EventReceived, commands: list[Command]) -> None:
    """Give an event to the oldest wait of its key, or keep it; a repetition, or what is no answer, changes nothing."""
    if not state.inbox.accept(event):
        commands.append(Acknowledge(event.event_id, "duplicate"))
        return
    if state.status in (WorkflowStatus.SUCCESSFUL, WorkflowStatus.CANCELED):
        commands.append(Acknowledge(event.event_id, "closed"))
        return
    queue, machine = state.waiting.get(event.key), machine_of(state)
    if machine is not None and (not queue or event.key in machine.asked):
        moves.arrived(state, machine, event, commands)
        return
    if not queue:
        state.inbox.keep(event)
        commands.append(Acknowledge(event.event_id, "queued"))
        if state.driver >= 0:
            commands.append(EventKept(event.event_id))
        return
    flow.give(state, queue[0], event, commands)


def fired(state: RunState, record: ListenerFired, commands: list[Command]) -> None:
    """Keep a listener's event; its source is told next. Its deadline does not count any more."""
    if not _is_open(state, record) or not state.move(record):
        return
    node = state.nodes[record.node]
    node.event, node.ended = record.event, record.at
    flow.close_wait(state, record.node, commands)
    commands.append(CommitEvent(record.node))
    choice.consider(state, record.node)


def committed(state: RunState, record: ListenerCommitted, commands: list[Command]) -> None:
    """End a listener's wait: the event is durable and its source knows it."""
    if not state.move(record):
        return
    node = state.nodes[record.node]
    node.value = node.event
    flow.finish(state, record.node, commands)


def expired(state: RunState, record: WaitExpired, commands: list[Command]) -> None:
    """End a wait with its fallback, or with its failure as its value."""
    if not _is_open(state, record) or not state.move(record):
        return
    node = state.nodes[record.node]
    node.caught = record.value is not None
    node.value = record.value or (node.wait.fallback if node.wait else None)
    node.ended = record.at
    flow.close_wait(state, record.node, commands)
    flow.finish(state, record.node, commands)


def notified(state: RunState, record: Notified, _: list[Command]) -> None:
    """Remember that somebody was told of a question, so that the next owner does not tell them again."""
    node = state.nodes[record.node] if _is_open(state, record) else None
    if node is not None and record.target not in node.told:
        node.told = (*node.told, record.target)


def _is_open(state: RunState, record: ListenerFired | WaitExpired | Notified) -> bool:
    """Tell whether a record is about the latest wait of its node: what an earlier one left behind is dropped."""
    if not 0 <= record.node < len(state.nodes):
        raise InvalidTransition(f"run {state.workflow_id!r} has no node {record.node}: {record}")
    wait = state.nodes[record.node].wait
    return wait is not None and wait.token == record.token


HANDLERS: dict[type[Record], Callable[[Any, Any, list[Command]], None]] = {
    WaitOpened: opened,
    Notified: notified,
    EventReceived: received,
    ListenerFired: fired,
    ListenerCommitted: committed,
    WaitExpired: expired,
}
