"""How a wait opens, and the four things that end it: an event, a listener, its deadline, a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import flow
from .commands import Acknowledge, Command, CommitEvent, KeepWait
from .status import WorkflowStatus

if TYPE_CHECKING:
    from .records import EventReceived, ListenerCommitted, ListenerFired, WaitExpired, WaitOpened
    from .state import RunState


def open_wait(state: RunState, wait: WaitOpened, commands: list[Command]) -> None:
    """Open a wait; an event that came before it ends it at once, unless it is no answer to its question."""
    node = state.nodes[wait.node]
    node.wait, node.started = wait, wait.at
    while wait.key and (early := state.inbox.take(wait.key)) is not None:
        if flow.give(state, wait.node, early, commands):
            return
    flow.await_key(state, wait.node)
    commands.append(KeepWait(wait.node, wait.token))


def receive(state: RunState, event: EventReceived, commands: list[Command]) -> None:
    """Give an event to the oldest wait of its key, or keep it; a repetition, or what is no answer, changes nothing."""
    if not state.inbox.accept(event):
        commands.append(Acknowledge(event.event_id, "duplicate"))
        return
    if state.status in (WorkflowStatus.SUCCESSFUL, WorkflowStatus.CANCELED):
        commands.append(Acknowledge(event.event_id, "closed"))
        return
    queue = state.waiting.get(event.key)
    if not queue:
        state.inbox.keep(event)
        commands.append(Acknowledge(event.event_id, "queued"))
        return
    flow.give(state, queue[0], event, commands)


def fired(state: RunState, record: ListenerFired, commands: list[Command]) -> None:
    """Keep a listener's event; its source is told next. Its deadline does not count any more."""
    node = state.nodes[record.node]
    node.event, node.ended = record.event, record.at
    flow.close_wait(state, record.node, commands)
    commands.append(CommitEvent(record.node))


def committed(state: RunState, record: ListenerCommitted, commands: list[Command]) -> None:
    """End a listener's wait: the event is durable and its source knows it."""
    node = state.nodes[record.node]
    node.value = node.event
    flow.finish(state, record.node, commands)


def expired(state: RunState, record: WaitExpired, commands: list[Command]) -> None:
    """End a wait with its fallback."""
    node = state.nodes[record.node]
    node.value, node.ended = (node.wait.fallback if node.wait else None), record.at
    flow.close_wait(state, record.node, commands)
    flow.finish(state, record.node, commands)
