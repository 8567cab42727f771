"""A history in short: the few records that lead to the same state as all that came before them.

A condensed journal begins with one ``Condensed`` record for each part of the state: the run itself, its nodes by the
thousand, what its driver knows, the events that wait, and marks of the ids that were ever received. Code stays
``CodeAdded``. What a condensed run has given up is how it got there: attempts that failed before, calls that its driver
has let go, who answered in between. All that counts for going on is there, and the same.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import MISSING, fields
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

from ..errors import InvalidTransition
from . import machine as m
from .cheap import cheap
from .commands import Command
from .executions import Execution, TaskState, TaskStatus
from .graph import FORGOTTEN, Json, NodeSpec
from .inbox import MARK, Seen
from .node import NOTHING, TOMB, Made, Node
from .records import CodeAdded, EventReceived, Record, WaitOpened
from .rules import FlowState, RulesEvaluated
from .status import NodeStatus, WorkflowStatus

if TYPE_CHECKING:
    from .state import RunState

CHUNK = 100
"""Nodes in one record: whoever makes or reads it in the background holds up all other threads meanwhile."""
MARKS = 16 * 1024
"""Marks of ids in one record."""


@cheap
class Condensed(Record):
    """A part of all that came before was written down anew; ``what`` names it. Only a nbflow that knows it may read on.

    ``must`` is the sign for those that do not.
    """

    tag = "condensed"
    what: str
    content: Any
    must: int = 0


RECORDS: dict[str, type[Record]] = {Condensed.tag: Condensed}


def condensed(state: RunState) -> Iterator[Record]:
    """Yield the records that lead to this state. The state must not change meanwhile."""
    yield Condensed("run", _run(state), 1)
    yield from map(CodeAdded, state.codes.values())
    nodes = _nodes(state.nodes)
    while some := [*islice(nodes, CHUNK)]:
        yield Condensed("nodes", some, 1)
    yield Condensed("names", _names(state), 1)
    for owner, specs in state.staged.items():
        yield Condensed("staged", [owner, [spec.to_wire() for spec in specs]], 1)
    for driver, part in state.parts.items():
        yield (
            Condensed("flow", [driver, _flow(part)], 1)
            if isinstance(part, FlowState)
            else Condensed("machine", [driver, _machine(part)], 1)
        )
    for event in state.inbox.waiting():
        yield Condensed("event", _flat(event), 1)
    yield from _seen(state.inbox.seen)


def size_of(state: RunState) -> int:
    """Return about how many records' worth a condensed journal holds: what there is now, whatever it took."""
    parts = sum(
        sum(len(task.executions) + len(task.looks) for task in part.tasks.values())
        if isinstance(part, FlowState)
        else len(part.store) + len(part.aside)
        for part in state.parts.values()
    )
    return sum(state.counts.values()) + len(state.inbox) + len(state.codes) + parts


# ---- the run ----

_PLAIN = (
    "workflow_id", "name", "metadata", "environment", "created", "started", "ended", "output", "failed", "cleanup",
    "forked_from", "forked_after", "tokens", "driver", "recheck",
)  # fmt: skip


def _run(state: RunState) -> Json:
    return {**{name: getattr(state, name) for name in _PLAIN}, "status": state.status, "undelivered": state.undelivered}


def _restore_run(state: RunState, content: Json) -> None:
    if state.status is not None or state.nodes:
        raise InvalidTransition(f"run {state.workflow_id!r} has begun: a condensed history stands at the beginning")
    for name in _PLAIN:
        if name in content:
            setattr(state, name, content[name])
    state.status, state.undelivered = WorkflowStatus(content["status"]), tuple(content["undelivered"])


def _names(state: RunState) -> Json:
    """Return what refers to nodes by name, key or order, and does not follow from the nodes."""
    return {"numbers": state.numbers, "waiting": state.waiting, "asked": state.asked.names()}


def _restore_names(state: RunState, content: Json) -> None:
    state.numbers.update(content["numbers"])
    state.waiting.update(content["waiting"])
    for index, names in content["asked"]:
        state.asked.take(index, names)


def _restore_staged(state: RunState, content: list[Any]) -> None:
    state.staged[content[0]] = [NodeSpec.from_wire(spec) for spec in content[1]]


# ---- nodes ----

_NODE: tuple[tuple[str, str, Any], ...] = (
    ("owner", "w", -1), ("attempt", "a", 0), ("missing", "mi", 0), ("uses", "us", 0), ("needed", "ne", True),
    ("output", "o", -1), ("chosen", "ch", -1), ("alias", "al", -1), ("failing", "fa", -1), ("value", "v", None),
    ("caught", "ca", False), ("error", "x", None), ("started", "s", 0.0), ("ended", "e", 0.0), ("retry_at", "ra", 0.0),
    ("event", "ev", None),
)  # fmt: skip
"""The plain attributes of a node: name, key, and the value that is left out."""
_LISTS = (("dependents", "de"), ("followers", "fo"))


def _nodes(nodes: list[Node]) -> Iterator[Any]:
    """Yield nodes as JSON; a number stands for as many that left the run."""
    for gone, group in groupby(nodes, lambda node: node.owner == FORGOTTEN):
        if gone:
            yield sum(1 for _ in group)
        else:
            yield from map(_node, group)


def _node(node: Node) -> Json:
    wire: Json = {"spec": node.spec.to_wire(), "st": node.status}
    for name, key, usual in _NODE:
        if (value := getattr(node, name)) != usual:
            wire[key] = value
    for name, key in _LISTS:
        if found := getattr(node, name):
            wire[key] = found
    if node.children:
        wire["c"] = [node.children.start, node.children.stop]
    if node.told:
        wire["to"] = node.told
    if node.wait is not None:
        wire["wait"] = _flat(node.wait)
    if node.made is not None:
        wire["made"] = [node.made.spec.to_wire(), [[i, spec.to_wire()] for i, spec in node.made.values.items()]]
    return wire


def _restore_nodes(state: RunState, content: list[Any]) -> None:
    for wire in content:
        if type(wire) is int:
            state.nodes.extend([TOMB] * wire)
            continue
        node = _node_from(wire)
        state.index[node.node_id] = len(state.nodes)
        state.add(node)


def _node_from(wire: Json) -> Node:
    node = Node(NodeSpec.from_wire(wire["spec"]))
    node.status = NodeStatus(wire["st"])
    for name, key, _ in _NODE:
        if key in wire:
            setattr(node, name, wire[key])
    for name, key in _LISTS:
        if key in wire:
            setattr(node, name, [*wire[key]])
    node.children = range(*wire["c"]) if "c" in wire else NOTHING
    node.told = tuple(wire.get("to", ()))
    node.wait = _whole(WaitOpened, wire.get("wait"))
    if "made" in wire:
        spec, values = wire["made"]
        node.made = Made(NodeSpec.from_wire(spec), {i: NodeSpec.from_wire(value) for i, value in values})
    return node


# ---- drivers ----

_MACHINE = (
    "form", "number", "next", "waits_since", "store", "questions", "asked", "handled", "deadline", "late", "cancel",
)  # fmt: skip
_FLOW = ("offsets", "times", "states", "fired", "held", "evaluations", "began", "finish")
_TASK = ("seq", "begun", "gone", "handled")


def _machine(part: m.Machine) -> Json:
    current = part.current
    return {
        **{name: getattr(part, name) for name in _MACHINE},
        "seen": [[*move, count] for move, count in part.seen.items()],
        "noted": [_flat(each) for each in part.noted],
        "again": [_flat(each) for each in part.again],
        "aside": [{**_flat(each), "event": _flat(each.event)} for each in part.aside.values()],
        "children": [_flat(each) for each in part.children.values()],
        "current": current and {**_flat(current), "event": current.event and _flat(current.event)},
    }


def _restore_machine(state: RunState, content: list[Any]) -> None:
    driver, wire = content
    part = state.parts[driver] = m.Machine()
    for name in _MACHINE:
        setattr(part, name, wire[name])
    part.handled = Counter(wire["handled"])
    part.seen = Counter({(one, other): count for one, other, count in wire["seen"]})
    part.noted = [_whole(m.Noted, each) for each in wire["noted"]]
    part.again.extend(_whole(EventReceived, each) for each in wire["again"])
    part.children = {each["workflow_id"]: _whole(m.Child, each) for each in wire["children"]}
    for each in wire["aside"]:
        part.aside[each["event"]["event_id"]] = _whole(m.Aside, {**each, "event": _whole(EventReceived, each["event"])})
    if (current := wire["current"]) is not None:
        part.current = _whole(m.Current, {**current, "event": _whole(EventReceived, current.get("event"))})


def _flow(part: FlowState) -> Json:
    return {
        **{name: getattr(part, name) for name in _FLOW},
        "tasks": [_task(task) for task in part.tasks.values()],
        "recent": [_flat(each) for each in part.recent],
    }


def _task(task: TaskState) -> Json:
    return {
        **{name: getattr(task, name) for name in _TASK},
        "spec": task.spec,
        "executions": [_flat(each) for each in task.executions.values()],
        "looks": [_flat(each) for each in task.looks],
    }


def _restore_flow(state: RunState, content: list[Any]) -> None:
    driver, wire = content
    part = state.parts[driver] = FlowState()
    for name in _FLOW:
        setattr(part, name, wire[name])
    part.recent.extend(_whole(RulesEvaluated, each) for each in wire["recent"])
    for each in wire["tasks"]:
        task = part.tasks[each["spec"]["name"]] = TaskState(each["spec"])
        for name in _TASK:
            setattr(task, name, each[name])
        task.looks.extend(_whole(RulesEvaluated, look) for look in each["looks"])
        for found in each["executions"]:
            execution = _whole(Execution, {**found, "status": TaskStatus(found.get("status", "RUNNING"))})
            task.executions[execution.seq] = execution


# ---- events ----


def _restore_event(state: RunState, content: Json) -> None:
    state.inbox.keep(_whole(EventReceived, content))


def _seen(seen: Seen) -> Iterator[Record]:
    some: list[list[Any]] = []
    count = 0
    for bucket, marks in seen:
        some.append([bucket, b2a_base64(marks, newline=False).decode("ascii")])
        count += len(marks) // MARK
        if count >= MARKS:
            yield Condensed("seen", some, 1)
            some, count = [], 0
    if some:
        yield Condensed("seen", some, 1)


def _restore_seen(state: RunState, content: list[Any]) -> None:
    state.inbox.seen.take((bucket, a2b_base64(marks)) for bucket, marks in content)


# ---- small values ----


def _flat(one: Any) -> Json:
    """Return a small value as JSON by the names of its fields, defaults left out."""
    found = ((field, getattr(one, field.name)) for field in fields(one))
    return {field.name: value for field, value in found if field.default is MISSING or value != field.default}


def _whole(kind: type[Any], wire: Json | None) -> Any:
    """Return the small value of a JSON object, None for none; fields of a newer nbflow are ignored."""
    if wire is None:
        return None
    known = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in wire.items() if name in known})


_RESTORE: dict[str, Callable[[RunState, Any], None]] = {
    "run": _restore_run,
    "nodes": _restore_nodes,
    "names": _restore_names,
    "staged": _restore_staged,
    "machine": _restore_machine,
    "flow": _restore_flow,
    "event": _restore_event,
    "seen": _restore_seen,
}


_LARGE = ("nodes", "seen", "event", "staged")


def restore(state: RunState, record: Condensed, _: list[Command]) -> None:
    """Take a part of a condensed history. Raises InvalidTransition anywhere but at the beginning of a run."""
    if record.what != "run" and state.status is None:
        raise InvalidTransition(f"a condensed history begins with the run itself, not with its {record.what}")
    # what changes is the state's own: who tells a story hands the same record to two of them
    _RESTORE[record.what](state, record.content if record.what in _LARGE else deepcopy(record.content))


HANDLERS: dict[type[Record], Callable[[Any, Any, list[Command]], None]] = {Condensed: restore}
