"""The calls of a driver: nodes that it starts, stops and starts again while it decides what happens next.

A state machine or a flow is one node of kind DRIVER. What it runs are nodes that it owns: with retries, logs and values
like all others, but their fate is told to the driver instead of the run. Which nodes exist must follow from the records
alone, so calls are taken in whatever the run has come to, and start only while it goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..errors import InvalidTransition
from . import flow, growth
from .commands import CallEnded, Command, DropValue
from .graph import FORGOTTEN, NodeKind
from .node import NOTHING, Node
from .records import CallAgain, CallsForgotten, CallStopped, NodesCalled, Record
from .status import NodeStatus

if TYPE_CHECKING:
    from .state import RunState


def calls_of(state: RunState, driver: int) -> list[int]:
    """Return the calls of a driver that the state knows."""
    return [index for index, node in enumerate(state.nodes) if node.owner == driver]


def called(state: RunState, record: NodesCalled, commands: list[Command]) -> None:
    """Take the nodes that lie ready for a driver in as its calls."""
    driver = _driver(state, record)
    for spec in state.staged.pop(record.node, ()):
        state.add(Node(spec, record.node))
        index = len(state.nodes) - 1
        growth.name(state, index)
        state.nodes[index].uses = 1  # the driver will look at the value
        if state.live and driver.status.active:
            flow.start(state, index, commands)


def again(state: RunState, record: CallAgain, commands: list[Command]) -> None:
    """Start a call once more."""
    if _target(state, record) is None:
        return
    node = state.nodes[record.node]
    forget(state, _below(state, record.node))
    node.event = node.wait = node.error = None
    node.output = node.alias = node.failing = -1
    node.children = NOTHING
    node.attempt, node.retry_at, node.needed, node.uses = 0, 0.0, True, 1
    state.set_status(record.node, NodeStatus.PENDING)
    if state.live:
        flow.start(state, record.node, commands)


def stopped(state: RunState, record: CallStopped, commands: list[Command]) -> None:
    """Stop a call, and all that it has grown."""
    target = _target(state, record)
    if target is None:
        return
    node = state.nodes[record.node]
    flow.skip_below(state, record.node, commands)
    flow.stop(state, record.node, commands)
    node.ended = record.at
    state.set_status(record.node, target)
    commands.append(CallEnded(node.owner, record.node))


def forgotten(state: RunState, record: CallsForgotten, commands: list[Command]) -> None:
    """Leave calls that are over out of the state; those that are under way stay."""
    _driver(state, record)
    for call in record.calls:
        node = state.nodes[call]
        if node.owner == record.node and not node.status.active:
            commands.append(DropValue(state.resolve(call)))
            forget(state, [*_below(state, call), call])


def forget(state: RunState, indices: Iterable[int]) -> None:
    """Forget calls with all that they have grown."""
    for index in indices:
        for below in _below(state, index):
            state.forget(below)
        state.forget(index)


def _below(state: RunState, index: int) -> list[int]:
    found: list[int] = []
    work = [state.nodes[index].children]
    while work:
        for child in work.pop():
            found.append(child)
            work.append(state.nodes[child].children)
    return found


def _target(state: RunState, record: CallAgain | CallStopped) -> NodeStatus | None:
    target = state.target(record)
    node = state.nodes[record.node]
    if node.owner == FORGOTTEN or (node.owner >= 0 and state.nodes[node.owner].spec.kind is NodeKind.DRIVER):
        return target
    raise InvalidTransition(f"node {node.node_id!r} of run {state.workflow_id!r} is no call of a driver: {record}")


def _driver(state: RunState, record: NodesCalled | CallsForgotten) -> Node:
    if not 0 <= record.node < len(state.nodes) or state.nodes[record.node].spec.kind is not NodeKind.DRIVER:
        raise InvalidTransition(f"run {state.workflow_id!r} has no driver {record.node}: {record}")
    return state.nodes[record.node]


HANDLERS: dict[type[Record], Callable[[Any, Any, list[Command]], None]] = {
    NodesCalled: called,
    CallAgain: again,
    CallStopped: stopped,
    CallsForgotten: forgotten,
}
