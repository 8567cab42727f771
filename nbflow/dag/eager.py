"""Execute a graph at once, in this thread and without a run: what ``continuation`` does outside a workflow."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import pickle
from typing import Any

from ..core.first import First
from ..core.graph import NodeKind
from ..errors import GraphError
from .compile import collect
from .growth import growth
from .node import Node
from .template import Sealed, fill


def execute(dag: Any, inputs: dict[int, Any] | None = None) -> Any:
    """Return the value of a graph; continuations are followed without recursion.

    ``inputs`` are the values of its InputNodes, as ``bind_inputs`` gives them.
    """
    while True:
        root = dag if isinstance(dag, Node) else Node(NodeKind.VALUE, None, (dag,), {})
        values = dict(inputs or {})
        for node in collect(root)[:-1]:
            if id(node) not in values:
                values[id(node)] = _value(node, values)
        if _catches(root):
            return _value(root, values)
        last = _call(root, values)
        following = growth(last)
        if following is None:
            return last
        dag = following


def _value(node: Node[Any], values: dict[int, Any]) -> Any:
    try:
        result = _call(node, values)
        following = growth(result)
        value = result if following is None else execute(following)
    except Exception as error:
        if not _catches(node):
            raise
        return None, error
    return (value, None) if _catches(node) else value


def _catches(node: Node[Any]) -> bool:
    return node._task is not None and node._task.settings.catch_exceptions


def _call(node: Node[Any], values: dict[int, Any]) -> Any:
    def dependency(place: int) -> Any:
        return values[id(node._deps[place])]

    def unseal(place: int) -> Any:
        return load(node._sealed[place], dependency)

    args = [fill(form, dependency, unseal) for form in node._call[0]]
    kwargs = {
        key: fill(form, dependency, unseal) for key, form in (node._call[1] if len(node._call) > 1 else {}).items()
    }
    if node._kind is NodeKind.VALUE:
        return args[0]
    if node._kind is NodeKind.ANY:
        return First(0, node._deps[0]._task_id or node._deps[0]._name, args[0])
    if node._kind is NodeKind.EVENT or node._task is None:
        raise GraphError("A graph that waits for an event needs a run: use nbflow.run(dag).")
    result = node._task.function(*args, **kwargs)
    return _finish(result) if inspect.isawaitable(result) else result


def load(sealed: Sealed, dependency: Any) -> Any:
    """Return a sealed value with its references filled in."""
    import io

    class Loader(pickle.Unpickler):
        def persistent_load(self, place: Any) -> Any:
            return dependency(place)

    return Loader(io.BytesIO(sealed.head), buffers=[bytearray(part) for part in sealed.buffers]).load()


def _finish(awaitable: Any) -> Any:
    async def outcome() -> Any:
        return await awaitable

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(outcome())
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, outcome()).result()
