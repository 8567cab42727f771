"""How an attempt of a body ends: with a value, a continuation, an error and another attempt, or an error for good."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import flow, growth
from . import records as r
from .caching import origin
from .commands import Command, DropValue, StartRetry
from .status import NodeStatus

if TYPE_CHECKING:
    from .node import Node
    from .state import RunState


def started(state: RunState, record: r.TaskStarted, _: list[Command]) -> None:
    """Take down that a body began."""
    if state.move(record):
        node = state.nodes[record.node]
        node.started, node.attempt = record.started, record.attempt


def succeeded(state: RunState, record: r.TaskSucceeded, commands: list[Command]) -> None:
    """Give a node its value."""
    node = _ended(state, record)
    if node is None:
        commands.append(DropValue(record.node))  # the body brought a value that nobody needs
        return
    node.value, node.caught, node.error = record.value, record.caught, None
    if record.value is not None and "from" in record.value and origin(record.value):
        state.set_status(record.node, NodeStatus.RESTORED)
    if node.output >= 0:
        flow.release(state, (node.output,), commands)
    if record.caught:
        flow.skip_below(state, record.node, commands)
    flow.finish(state, record.node, commands)


def grew(state: RunState, record: r.TaskGrew, commands: list[Command]) -> None:
    """Let a node wait for the continuation that its body returned."""
    if state.target(record) is None:
        state.staged.pop(record.node, None)
        return
    growth.check_output(state, record, record.node)
    _ended(state, record)
    growth.grow(state, record.node, record.output, commands)


def attempt_failed(state: RunState, record: r.TaskAttemptFailed, commands: list[Command]) -> None:
    """Let a node wait for its next attempt."""
    node = _ended(state, record)
    if node is None:
        return
    node.error, node.retry_at = record.error, record.retry_at
    if state.live:
        commands.append(StartRetry(record.node, record.attempt + 1, record.retry_at))
    else:
        state.set_status(record.node, NodeStatus.PENDING)


def retry_due(state: RunState, record: r.RetryDue, commands: list[Command]) -> None:
    """Begin the next attempt, unless the node has moved on since."""
    target = state.target(record)
    node = state.nodes[record.node]
    if target is not None and node.attempt + 1 == record.attempt:
        state.set_status(record.node, target)
        node.retry_at = 0.0
        flow.start(state, record.node, commands)


def failed(state: RunState, record: r.TaskFailed, commands: list[Command]) -> None:
    """Fail a node for good, a body's or a wait's."""
    waited = state.target(record) is not None and state.nodes[record.node].status is NodeStatus.WAITING
    node = _ended(state, record)
    if node is None:
        return
    node.error = record.error
    if waited:
        flow.close_wait(state, record.node, commands)
    flow.fail(state, record.node, commands)


def _ended(state: RunState, record: r.TaskSucceeded | r.TaskGrew | r.TaskAttemptFailed | r.TaskFailed) -> Node | None:
    """Apply the end of an attempt; return its node, or None when it changes nothing."""
    target = state.target(record)
    if target is None:
        return None
    state.set_status(record.node, target)
    node = state.nodes[record.node]
    node.started, node.ended, node.attempt, node.retry_at = record.started, record.ended, record.attempt, 0.0
    return node


HANDLERS: dict[type[r.Record], Callable[[Any, Any, list[Command]], None]] = {
    r.TaskStarted: started,
    r.TaskSucceeded: succeeded,
    r.TaskGrew: grew,
    r.TaskAttemptFailed: attempt_failed,
    r.RetryDue: retry_due,
    r.TaskFailed: failed,
}
