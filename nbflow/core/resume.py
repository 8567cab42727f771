"""How a run goes on: what a new ownership, a wish to run nodes again and the next start make of what is known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from . import calls, choice, flow
from .commands import CatchFailure, Command, FinishRun, WrapCaught
from .graph import ANY, DRIVER, FORGOTTEN, TOP, Json, is_gone
from .node import NOTHING
from .status import DONE, GROWN, PENDING, NodeStatus

if TYPE_CHECKING:
    from .node import Node
    from .records import RunForked
    from .state import RunState

N = NodeStatus


def reopen(state: RunState) -> None:
    """Begin a new ownership: what ran is not running any more, what was done is restored."""
    state.waiting.clear()
    for index, node in enumerate(state.nodes):
        if node.owner == FORGOTTEN:
            continue
        if node.status is DONE:
            state.set_status(index, N.RESTORED)
        elif node.status in (N.FAILED, N.SKIPPED):
            # below a continuation only the plan can tell whether the failure stands, since it may have been caught
            if node.owner == TOP:
                _try_again(state, index)
        elif node.status.active and node.status is not GROWN:
            if node.status is N.RUNNING and not state.marks_start(index):
                node.attempt -= 1  # this start was not journaled: only the memory of its owner knows it
            state.set_status(index, PENDING)


def _try_again(state: RunState, index: int) -> None:
    """Let a failed or skipped node run once more, with a fresh budget; what it has grown or received is kept."""
    node = state.nodes[index]
    node.attempt, node.retry_at, node.failing = 0, 0.0, -1
    node.wait = node.wait if node.event is not None else None
    state.set_status(index, PENDING if node.output < 0 else GROWN)


def reset(state: RunState, indices: Iterable[int]) -> None:
    """Forget the results of nodes and of everything that depends on them.

    A grown node that grew itself has dropped its arguments: then the node that made it is run again.
    """
    work = list(indices)
    if not work:
        return
    consumers: dict[int, list[int]] = {}
    for index, node in enumerate(state.nodes):
        if node.owner != FORGOTTEN:
            for dep in node.inputs:
                consumers.setdefault(dep, []).append(index)
    seen, again = set(), set()
    while work:
        index = work.pop()
        node = state.nodes[index]
        if index in seen or node.owner == FORGOTTEN:
            continue
        seen.add(index)
        if node.output >= 0 and node.owner >= 0:
            work.append(node.owner)
            continue
        forget_result(state, index)
        work.extend(consumers.get(index, ()))
        while node.owner >= 0 and node.owner not in again and _gives_value(state, index, node.owner):
            # the value of the node that grew it is this one's
            again.add(node.owner)
            work.extend(consumers.get(node.owner, ()))
            index, node = node.owner, _grow_again(state, node.owner)


def _gives_value(state: RunState, index: int, owner: int) -> bool:
    """Tell whether the value of a node depends on this one of those that it grew or called."""
    above = state.nodes[owner]
    return above.output == index or above.spec.kind is DRIVER


def _grow_again(state: RunState, index: int) -> Node:
    """Take back the value that a node got from its continuation; the continuation stays."""
    node = state.nodes[index]
    node.value, node.alias, node.caught, node.failing = None, -1, False, -1
    if node.status is not GROWN:
        state.set_status(index, GROWN)
    return node


def fork(state: RunState, record: RunForked) -> None:
    """Make the history of another run that of this one, which nobody runs yet; even a canceled one may go on so."""
    state.workflow_id, state.created, state.metadata = record.workflow_id, record.at, record.metadata
    state.forked_from, state.forked_after = record.source, record.after
    state.started, state.ended, state.failed, state.undelivered = 0.0, 0.0, -1, ()
    for index, node in enumerate(state.nodes):
        if node.status is N.CANCELED and node.owner != FORGOTTEN:
            _try_again(state, index)
    reopen(state)
    reset(state, record.nodes)


def forget_result(state: RunState, index: int) -> None:
    """Put a node back to where it has not run; what it has grown is no part of the run any more."""
    node = state.nodes[index]
    below = [node.children]
    while below:
        for child in below.pop():
            below.append(state.nodes[child].children)
            state.forget(child)
    if node.spec.kind is DRIVER:
        calls.forget(state, calls.calls_of(state, index))
        state.parts.pop(index, None)
    node.value = node.event = node.wait = node.error = None
    node.alias = node.output = node.failing = node.chosen = -1
    node.children, node.followers = NOTHING, ()
    node.attempt, node.retry_at, node.caught, node.made = 0, 0.0, False, None
    state.set_status(index, PENDING)


def plan(state: RunState, commands: list[Command]) -> None:
    """Work out from the output backwards what is needed, and start what can start."""
    nodes = state.nodes
    for node in nodes:
        node.needed, node.missing, node.uses = False, 0, 0
        node.dependents = node.followers = ()
    if state.output < 0:
        return
    nodes[state.output].uses = 1  # the result stays in memory to the end
    choice.foresee(state)
    order, grown = _needed(state)
    for index in grown:  # an owner comes before what it has grown
        flow.follow(state, index)
    for index in order:
        node = nodes[index]
        for dep in node.inputs:
            needed = nodes[dep]
            (needed if needed.alias < 0 else nodes[state.resolve(dep)]).uses += 1
            if not needed.status.finished:
                needed.dependents = dependents = needed.dependents or []
                dependents.append(index)
                node.missing += node.spec.kind is not ANY
    choice.put_aside(state)
    if nodes[state.output].status.finished:
        commands.append(FinishRun())
    _ask_again(state, grown, commands)
    flow.start_ready(state, order, commands)


def _needed(state: RunState) -> tuple[list[int], list[int]]:
    """Return what the output needs: the nodes without a value, and those that wait for what they have grown."""
    nodes, needed, grown = state.nodes, [], []
    work = [state.output]
    while work:
        index = work.pop()
        node = nodes[index]
        if node.needed:
            continue
        node.needed = True
        if node.status is not PENDING:
            _recall(state, index)
        if node.status.finished:
            continue
        if node.status is GROWN:
            grown.append(index)
            if node.failing < 0 or not state.catches(index):
                work.append(node.output)
        else:
            needed.append(index)
            if node.spec.deps:
                work.extend(node.inputs)
            if node.spec.kind is DRIVER:
                work.extend(call for call in calls.calls_of(state, index) if nodes[call].status is GROWN)
    return sorted(needed), sorted(grown)


def _recall(state: RunState, index: int) -> None:
    """Settle what a needed node has: a value that lived in the memory of the owner before is made once more."""
    node = state.nodes[index]
    if node.status in (N.FAILED, N.SKIPPED, N.CANCELED):
        _try_again(state, index)
    elif node.status.finished and _is_lost(state.nodes[state.resolve(index)].value):
        if node.output >= 0:
            failing = node.failing
            _grow_again(state, index).failing = failing
        elif node.spec.kind.composed:
            state.set_status(index, PENDING)
        else:
            forget_result(state, index)


def _is_lost(value: Json | None) -> bool:
    return value is None or is_gone(value)


def _ask_again(state: RunState, grown: list[int], commands: list[Command]) -> None:
    """A crash may have come between a continuation's end and its owner's record: ask for that once more."""
    for index in grown:
        node = state.nodes[index]
        if not state.catches(index):
            node.failing = -1
            if state.nodes[node.output].status.finished:  # it did catch when that finished: the options changed since
                flow.take_over(state, index, state.resolve(node.output))
                flow.finish(state, index, commands)
        elif node.failing >= 0:
            commands.append(CatchFailure(index, node.failing))
        elif state.nodes[node.output].status.finished:
            commands.append(WrapCaught(index, state.resolve(node.output)))
