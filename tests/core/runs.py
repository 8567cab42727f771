"""Small runs for the tests of the core: builders, a comparable dump, and the invariants that every state keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from nbflow.core import records as r
from nbflow.core.commands import Command
from nbflow.core.graph import FORGOTTEN, Code, NodeKind, NodeSpec
from nbflow.core.node import Node
from nbflow.core.retry import Options
from nbflow.core.state import RunState
from nbflow.core.status import NodeStatus, WorkflowStatus

N = NodeStatus
V: dict[str, Any] = {"c": "json", "v": 1}
"""A stored value."""
ERROR: dict[str, Any] = {"type": "OSError", "message": "no such file"}

CODES = (
    Code("c", "plain"),
    Code("catch", "catching", options=Options(catch_exceptions=True)),
    Code("once", "once", options=Options(mark_start=True)),
    Code("e", "Listener"),
)

MENDED = Code("mended", "plain", fingerprint="mended")
"""The first of the codes after it was changed."""


def task(name: str, *deps: int, code: str = "c", call: Any = None) -> NodeSpec:
    """Return a node that calls a body."""
    return NodeSpec(name, NodeKind.TASK, deps, code, call)


def event(name: str, *deps: int) -> NodeSpec:
    """Return a node that waits."""
    return NodeSpec(name, NodeKind.EVENT, deps, "e")


def first(name: str, *deps: int) -> NodeSpec:
    """Return a node that is done when the first of its parts is."""
    return NodeSpec(name, NodeKind.ANY, deps)


def value(name: str, *deps: int) -> NodeSpec:
    """Return a node that is only its parts."""
    return NodeSpec(name, NodeKind.VALUE, deps)


def created() -> list[r.Record]:
    """Return the records of a run that has no graph yet."""
    return [r.RunCreated("run", "run", 1.0), *(r.CodeAdded(code) for code in CODES)]


def graph(*specs: NodeSpec, output: int | None = None) -> list[r.Record]:
    """Return the records that give a run its graph; the output is the last node unless said otherwise."""
    return [r.NodesAdded(specs), r.GraphCommitted(len(specs) - 1 if output is None else output)]


def started(*specs: NodeSpec, output: int | None = None) -> tuple[RunState, list[Command]]:
    """Return a run that has just got its turn, and its first commands."""
    state = RunState()
    state.handle_all([*created(), *graph(*specs, output=output)])
    return state, state.handle(r.RunStarted(2.0))


def again(state: RunState, *between: r.Record) -> list[Command]:
    """Let a new owner take the run and start it; return the commands of the start."""
    state.handle_all([r.RunOpened(10.0), *between])
    return state.handle(r.RunStarted(11.0))


def done(node: int, stored: Any = V, **rest: Any) -> r.TaskSucceeded:
    """Return the record of a body that ended well."""
    return r.TaskSucceeded(node, stored, **rest)


def grew(state: RunState, node: int, *specs: NodeSpec, output: int | None = None) -> list[Command]:
    """Let a body return a continuation."""
    state.handle(r.NodesAdded(specs, node))
    return state.handle(r.TaskGrew(node, len(specs) - 1 if output is None else output))


def arrived(event_id: str, key: str = "k", payload: Any = V) -> r.EventReceived:
    """Return the record of an event."""
    return r.EventReceived(event_id, key, payload, 5.0)


def statuses(state: RunState) -> str:
    """Return the states of all nodes in one line."""
    return " ".join(node.status.value for node in state.nodes)


def dump(state: RunState) -> dict[str, Any]:
    """Return everything that a state holds, comparable and independent of it."""
    plain = {
        name: getattr(state, name)
        for name in vars(state)
        if name not in ("nodes", "inbox", "counts", "changed", "staged", "waiting", "_recent")
    }
    return {
        **{name: dict(found) if isinstance(found, dict) else found for name, found in plain.items()},
        "nodes": [_dump_node(node) for node in state.nodes],
        "asked": sorted(state.asked.names()),
        "inbox": (state.inbox.waiting(), sorted(state.inbox.seen)),
        "counts": {status: count for status, count in state.counts.items() if count},
        "staged": {owner: list(specs) for owner, specs in state.staged.items()},
        "waiting": {key: list(queue) for key, queue in state.waiting.items()},
    }


def _dump_node(node: Node) -> dict[str, Any]:
    found = {name: getattr(node, name) for name in Node.__slots__}
    return {name: list(part) if isinstance(part, (list, tuple)) else part for name, part in found.items()}


def settled(state: RunState) -> dict[str, Any]:
    """Return a dump without what only the memory of an owner knows: starts and due retries are not journaled."""
    found = dump(state)
    for node in found["nodes"]:
        if node["status"] in (N.QUEUED, N.RUNNING, N.RETRYING):
            node["status"] = "under way"
        if node["status"] in ("under way", N.PENDING, N.SKIPPED, N.CANCELED):
            node["started"] = node["attempt"] = node["retry_at"] = None
    found["counts"] = None
    return found


def check(state: RunState) -> None:
    """Assert what holds for every state of every run."""
    kept = [(i, node) for i, node in enumerate(state.nodes) if node.owner != FORGOTTEN]
    assert Counter(node.status for _, node in kept) == Counter(state.counts)
    assert state.index == {node.node_id: i for i, node in kept}
    for index, node in kept:
        if node.alias >= 0:
            assert node.status.finished and state.nodes[node.alias].status.finished, index
            assert state.nodes[node.alias].alias < 0, "a value is one step away"
        if node.status is N.GROWN or node.output >= 0:
            assert node.output in node.children, index
    waiting: dict[str, list[int]] = {}
    for index, node in sorted(kept, key=lambda pair: pair[1].wait.token if pair[1].wait else 0):
        if node.status is N.WAITING and node.wait and node.wait.key:
            waiting.setdefault(node.wait.key, []).append(index)
    assert state.waiting == waiting
    assert not {event.key for event in state.inbox.waiting()} & set(waiting), "an event and its wait miss each other"
    if state.started and state.status is not WorkflowStatus.PENDING and state.driver < 0:  # calls follow no plan
        _check_plan(state, kept)


def _check_plan(state: RunState, kept: list[tuple[int, Node]]) -> None:
    demand = _demands(state, kept)
    for index, node in kept:
        assert node.uses >= 0 and node.missing >= 0, (index, node.uses, node.missing)
        if node.alias < 0:
            assert node.uses == demand(index), (index, node.uses, demand(index))
        if node.status is N.PENDING and node.needed:
            lacking = [dep for dep in node.inputs if not state.nodes[dep].status.finished]
            first = node.spec.kind is NodeKind.ANY
            assert node.missing == (0 if first else len(lacking)), (index, node.missing, lacking)
            missing = len(lacking) == len(node.inputs) if first else lacking
            assert missing or not state.live, f"{index} could run"


def _demands(state: RunState, kept: list[tuple[int, Node]]) -> Any:
    known: dict[int, int] = {}
    users: dict[int, list[int]] = {}
    for index, node in kept:
        for dep in _needs(state, index, node):
            users.setdefault(state.resolve(dep), []).append(index)

    def demand(index: int) -> int:
        if index not in known:
            known[index] = int(state.resolve(state.output) == index and _was_unfinished(state)) + sum(
                1
                for user in users.get(index, ())
                if not (state.nodes[user].status.finished and demand(state.resolve(user)) == 0)
            )
        return known[index]

    return demand


def _was_unfinished(state: RunState) -> bool:
    return state.nodes[state.output].needed and not (
        state.nodes[state.output].status is N.RESTORED and state.nodes[state.output].alias >= 0
    )


def _needs(state: RunState, index: int, node: Node) -> Iterable[int]:
    if not node.needed:
        return ()
    if node.status.finished:
        return node.inputs if node.spec.kind.composed and node.status is N.DONE else ()
    owner = node.owner
    while owner >= 0:
        if state.nodes[owner].status.finished:
            return ()  # sealed
        owner = state.nodes[owner].owner
    if node.output < 0:
        return node.inputs
    return (node.output,) if state.catches(index) else ()


def renamed(spec: NodeSpec, name: str) -> NodeSpec:
    """Return the same node with another name."""
    return replace(spec, node_id=name)
