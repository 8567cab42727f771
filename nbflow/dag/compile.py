"""From the nodes that a user bound to the plain graph that is stored and run."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..core.graph import ANY, TASK, VALUE, NodeSpec
from ..errors import GraphError
from .node import InputNode, Node
from .task import Task
from .template import Sealed, replace_sealed

Store = Callable[[Sealed], Any]
"""Stores a sealed value and returns its stored form."""
KeyOf = Callable[[Task[Any, Any]], str]
"""Returns the key of a task's code in the run."""


_NO_INPUT = "A continuation has no inputs: an InputNode stands for what run(dag, ...) gives. Bind the value itself."


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph ready to be stored: ``specs`` in bind order, ``output`` the place of the wanted value."""

    specs: tuple[NodeSpec, ...]
    output: int
    has_sealed: bool


def root_of(dag: Any) -> Node[Any]:
    """Return the one node whose value a graph has. Raises TypeError when it is no graph."""
    if isinstance(dag, Node):
        return dag
    if isinstance(dag, (list, tuple, dict)):
        gathered: Node[Any] = Node(VALUE, None, (dag,), {})
        if gathered._deps:
            return gathered
    raise TypeError(
        f"Input should be a DAG: a node made by task.bind(...), or a list or dict of nodes, not {type(dag).__name__}. "
        "Write run(f.bind(x)) instead of run(f(x))."
    )


def collect(root: Node[Any]) -> list[Node[Any]]:
    """Return a node and everything it needs, in bind order (so each comes after what it needs)."""
    seen = {id(root): root}
    work = [root]
    while work:
        for dep in work.pop()._deps:
            if id(dep) not in seen:
                seen[id(dep)] = dep
                work.append(dep)
    return sorted(seen.values(), key=lambda node: node._serial)


def bind_inputs(root: Node[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[int, Any]:
    """Return the value of each InputNode of a graph. Raises KeyError, IndexError, or TypeError when there is none."""
    inputs = [node for node in collect(root) if isinstance(node, InputNode)]
    if not inputs and (args or kwargs):
        given = ", ".join([*map(reprlib.repr, args), *(f"{name}=" for name in kwargs)])
        raise TypeError(
            f"run() got {given}, which is none of its options (workflow_id=, metadata=, takeover=, on_change=, "
            "existing=, cleanup=), and the graph has no InputNode: bind arguments, or use nbflow.InputNode()."
        )
    found = {id(node): node._resolve(args, kwargs) for node in inputs}
    if any(Node(VALUE, None, (value,), {})._deps for value in found.values()):
        raise TypeError("An input of run() must be a value, not a node: bind the node in place of the InputNode.")
    return found


def compile_graph(
    root: Node[Any], key_of: KeyOf, store: Store, inputs: dict[int, Any] | None = None, inherit: bool | None = None
) -> Graph:
    """Return the plain graph of a node.

    ``inputs`` are the values of its InputNodes; ``inherit`` is the checkpoint option of the task that made the graph.
    Raises GraphError for two nodes with one ``task_id``.
    """
    nodes = collect(root)
    ids = _names(nodes)
    place = {id(node): i for i, node in enumerate(nodes)}
    specs, has_sealed, keys = [], False, dict[int, str]()
    for node, node_id in zip(nodes, ids, strict=True):
        call, sealed = node._call, node._sealed
        if isinstance(node, InputNode):
            if inputs is None:
                raise GraphError(_NO_INPUT)
            filled: Node[Any] = Node(VALUE, None, (inputs[id(node)],), {})
            call, sealed = filled._call, filled._sealed
        if sealed:
            has_sealed = True
            call = _stored(call, [store(part) for part in sealed])
        elif node._kind is ANY or (node._kind is TASK and len(call) == 1 and not call[0]):
            call = None
        task = node._task
        key = keys.get(id(task), "") if task is not None else ""
        if task is not None and not key:
            inherits = inherit is not None and task.settings.checkpoint is None
            key = keys[id(task)] = key_of(task.options(checkpoint=inherit) if inherits else task)
        deps = tuple([place[id(dep)] for dep in node._deps]) if node._deps else ()
        specs.append(NodeSpec(node_id, node._kind, deps, key, call, node._group, node._metadata))
    return Graph(tuple(specs), place[id(root)], has_sealed)


def _stored(call: Any, stored: list[Any]) -> Any:
    positional = [replace_sealed(form, stored) for form in call[0]]
    if len(call) == 1:
        return [positional]
    return [positional, {key: replace_sealed(form, stored) for key, form in call[1].items()}]


def _names(nodes: list[Node[Any]]) -> list[str]:
    taken: dict[str, Node[Any]] = {}
    for node in nodes:
        if node._task_id is not None:
            if node._task_id in taken:
                raise GraphError(
                    f"Two nodes have the task_id {node._task_id!r}: {taken[node._task_id]!r} and {node!r}. "
                    "Give one of them another task_id, or none: then they get numbers."
                )
            taken[node._task_id] = node
    numbers: dict[str, int] = {}
    names = []
    for node in nodes:
        if node._task_id is not None:
            names.append(node._task_id)
            continue
        base = node._name
        number = numbers.get(base, 0)
        name = base if number == 0 else f"{base}_{number}"
        while name in taken:
            number += 1
            name = f"{base}_{number}"
        numbers[base] = number + 1
        taken[name] = node
        names.append(name)
    return names


def packed(root: Node[Any]) -> list[Any]:
    """Return a graph as a flat list that can be pickled however deep the graph is. Raises GraphError."""
    nodes = collect(root)
    if any(isinstance(node, InputNode) for node in nodes):
        raise GraphError(_NO_INPUT)
    place = {id(node): i for i, node in enumerate(nodes)}
    return [
        (n._kind, n._task, n._task_id, n._metadata, n._group, [place[id(dep)] for dep in n._deps], n._sealed, n._call)
        for n in nodes
    ]


def unpacked(rows: list[Any]) -> Node[Any]:
    """Return the root of a graph that ``packed`` gave."""
    nodes: list[Node[Any]] = []
    for kind, task, task_id, metadata, group, deps, sealed, call in rows:
        node: Node[Any] = Node(kind, task, (), {})
        node._task_id, node._metadata, node._group = task_id, metadata, group
        node._deps, node._sealed, node._call = [nodes[dep] for dep in deps], sealed, call
        nodes.append(node)
    return nodes[-1]
