"""How a graph comes to be: adopted when a run begins or goes on, grown when a body returns a continuation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import InvalidTransition
from . import changes, choice, flow, resume
from .commands import Command
from .graph import TOP, NodeKind, NodeSpec
from .node import Node

if TYPE_CHECKING:
    from .records import GraphCommitted, TaskGrew
    from .state import RunState


def check_output(state: RunState, record: GraphCommitted | TaskGrew, owner: int) -> None:
    """Raise InvalidTransition when the output of a graph is none of the nodes that lie ready for it."""
    ready = len(state.staged.get(owner, ()))
    if not 0 <= record.output < ready:
        raise InvalidTransition(
            f"run {state.workflow_id!r} has {ready} nodes laid ready for node {owner}, so none is the output: {record}"
        )


def adopt(state: RunState, output: int) -> None:
    """Make the nodes that lie ready the graph of the run; known ids keep their place and what they have."""
    specs: list[NodeSpec] = state.staged.pop(TOP, [])
    before = {node.node_id: i for i, node in enumerate(state.nodes) if node.owner == TOP}
    known, places = len(state.nodes), list[int]()
    for spec in specs:
        place = before.pop(spec.node_id, -1)
        if place < 0:
            place = len(state.nodes)
            state.add(Node(spec))
        places.append(place)
    stale, unmoved, earlier = [], places == list(range(len(places))), dict[int, NodeSpec]()
    for spec, place in zip(specs, places, strict=True):
        moved = spec if unmoved else spec.at(tuple([places[dep] for dep in spec.deps]))
        if place >= known:
            state.nodes[place].spec = moved  # it has nothing yet that could be stale
            continue
        if state.nodes[place].spec.kind is not spec.kind or choice.is_stale(state.nodes[place], moved):
            stale.append(place)
        earlier[place] = _replace(state, place, moved)
    resume.reset(state, [*stale, *before.values()])
    for gone in before.values():
        state.forget(gone)
    state.output = places[output]
    state.driver = state.output if state.nodes[state.output].spec.kind is NodeKind.DRIVER else -1
    changes.mark(state, earlier)
    _reindex(state)


def _replace(state: RunState, place: int, spec: NodeSpec) -> NodeSpec:
    """Give a node its new spec and return the one before."""
    node = state.nodes[place]
    before, node.spec = node.spec, spec
    (state.silent.add if spec.kind is NodeKind.VALUE else state.silent.discard)(place)
    unanswered = node.wait is not None and node.event is None and not node.status.finished
    if unanswered and changes.differs(state, before, spec):
        node.wait = None  # the open question is not the one of the new graph: ask that
    state.changed.add(place)
    return before


def _reindex(state: RunState) -> None:
    """Give every node its name; a node that the user bound goes before one that was grown."""
    state.index = {}
    grown = []
    for i, node in enumerate(state.nodes):
        if node.owner == TOP:
            state.index[node.node_id] = i
        elif node.owner >= 0:
            grown.append(i)
    for i in grown:
        name(state, i)


def name(state: RunState, index: int) -> None:
    """Enter a grown node under its name, or under the next free one."""
    node = state.nodes[index]
    node_id = unique_id(state, node.node_id)
    if node_id != node.node_id:
        node.spec = replace(node.spec, node_id=node_id)
    state.index[node_id] = index


def unique_id(state: RunState, wanted: str) -> str:
    """Return the id, or the id with the next free number behind it."""
    if wanted not in state.index:
        return wanted
    number = state.numbers.get(wanted, 0) + 1
    while f"{wanted}_{number}" in state.index:
        number += 1
    state.numbers[wanted] = number
    return f"{wanted}_{number}"


def grow(state: RunState, owner: int, output: int, commands: list[Command]) -> None:
    """Add the nodes of a continuation and start those that can start."""
    specs: list[NodeSpec] = state.staged.pop(owner)
    base = len(state.nodes)
    parent = state.nodes[owner]
    parent.children = range(base, base + len(specs))
    parent.output = base + output
    flow.release(state, parent.spec.deps, commands)
    for spec in specs:
        deps = tuple([base + dep for dep in spec.deps])
        state.add(Node(spec.at(deps) if deps else spec, owner))
        name(state, len(state.nodes) - 1)
    for index in parent.children:
        node = state.nodes[index]
        node.missing = 0 if node.spec.kind is NodeKind.ANY else len(node.spec.deps)
        for dep in node.spec.deps:
            needed = state.nodes[dep]
            needed.dependents = dependents = needed.dependents or []
            dependents.append(index)
            needed.uses += 1
    flow.follow(state, owner)
    if parent.owner >= 0 and parent.spec.call is not None:
        # its body is never run again without its owner's: a recursion must not pile up the arguments of all its links
        parent.spec = replace(parent.spec, call=None)
    if state.live:
        flow.start_ready(state, parent.children, commands)
