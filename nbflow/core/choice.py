"""How an any_of is decided: by the first of its parts that is done, after which the others are put aside.

An event that a listener brought decides as soon as it is durable, before its source is told: the waits beside it are
closed then, so none of them takes an event that nobody would use. What is decided stays so, also over a crash.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from . import flow
from .commands import Command, DropValue
from .graph import ANY, FORGOTTEN, NodeSpec
from .status import NodeStatus

if TYPE_CHECKING:
    from .node import Node
    from .state import RunState

N = NodeStatus


def consider(state: RunState, index: int) -> None:
    """Let those that wait for any of several nodes look at this one, once its record is taken."""
    for other in state.nodes[index].dependents:
        if state.nodes[other].spec.kind is ANY:
            heappush(state.choices, other)


def settle(state: RunState, commands: list[Command]) -> None:
    """Decide what can be decided now, in the order of the nodes."""
    while state.choices:
        _decide(state, heappop(state.choices), commands)


def _decide(state: RunState, index: int, commands: list[Command]) -> None:
    node = state.nodes[index]
    if not state.live or node.status is not N.PENDING or not node.needed:
        return
    if node.chosen < 0:
        node.chosen = _first(state, node.spec.deps)
        if node.chosen < 0:
            return
        _withdraw(state, index, [dep for dep in node.spec.deps if dep != node.chosen], commands)
    if state.nodes[node.chosen].status.finished:
        node.ended = state.nodes[node.chosen].ended
        state.set_status(index, N.DONE)
        flow.finish(state, index, commands)


def _first(state: RunState, parts: Iterable[int]) -> int:
    """Return the part that is done, else one whose event is durable; of several the first in the list; -1 for none."""
    nodes = state.nodes
    done = [part for part in parts if nodes[part].status.finished]
    return next(iter(done or [part for part in parts if nodes[part].event is not None]), -1)


def _withdraw(state: RunState, index: int, losers: list[int], commands: list[Command]) -> None:
    """Count one use less for the parts that were not chosen, and stop what nobody needs any more."""
    for loser in losers:
        dependents = state.nodes[loser].dependents
        if isinstance(dependents, list) and index in dependents:
            dependents.remove(index)
    work = [*losers]
    while work:
        current = state.resolve(work.pop())
        node = state.nodes[current]
        node.uses -= 1
        if node.uses:
            continue
        if node.status.finished:
            commands.append(DropValue(current))
            work.extend(node.inputs if node.spec.kind.composed else ())
        elif node.needed:
            work.extend(flow.unreleased(state, current))
            flow.skip_below(state, current, commands)
            flow.stop(state, current, commands)
            node.needed = False
            state.set_status(current, N.CANCELED)


def foresee(state: RunState) -> None:
    """Before a run is planned: what has a part that is done already needs no other."""
    for node in state.nodes:
        if node.spec.kind is ANY and node.chosen < 0 and node.owner != FORGOTTEN:
            node.chosen = _first(state, node.spec.deps)


def put_aside(state: RunState) -> None:
    """After a run is planned: the parts that were not chosen, and what only they need, will never run."""
    nodes = state.nodes
    work = [
        part
        for node in nodes
        if node.spec.kind is ANY and node.chosen >= 0 and node.owner != FORGOTTEN
        for part in node.spec.deps
        if part != node.chosen
    ]
    while work:
        index = work.pop()
        if nodes[index].status is N.PENDING and not nodes[index].needed:
            state.set_status(index, N.CANCELED)
            work.extend(nodes[index].inputs)


def is_stale(node: Node, spec: NodeSpec) -> bool:
    """Tell whether a new spec leaves out the part that was chosen."""
    return node.chosen >= 0 and node.chosen not in spec.deps
