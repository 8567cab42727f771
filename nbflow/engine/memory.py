"""The values of one run that are in memory: shared while somebody needs them, loaded once when asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ..core.decision import Decision
from ..core.first import First
from ..core.graph import NodeKind
from ..core.node import Node
from ..core.state import RunState
from ..dag.template import fill
from ..executors.kept import Handle
from ..storage import values
from ..storage.base import Blobs


class Memory:
    """Values by node index. ``arrive`` keeps what a body returned until the state decides whether it is needed."""

    def __init__(self, state: RunState, blobs: Blobs) -> None:
        self.state = state
        self.blobs = blobs
        self._values: dict[int, Any] = {}
        self._handles: dict[int, tuple[Any, Handle]] = {}
        self._fresh: set[int] = set()
        self._loading: dict[int, asyncio.Task[Any]] = {}

    def arrive(self, index: int, value: Any) -> None:
        """Keep a value that a body has just returned."""
        self._values[index] = value

    def drop(self, index: int) -> None:
        """Let a value go."""
        self._values.pop(index, None)
        if self._handles:
            self._handles.pop(index, None)
        if self._fresh:
            self._fresh.discard(index)

    def hold(self, index: int, executor: Any, handle: Handle) -> None:
        """Keep the handle of a value that stays with an executor."""
        self._handles[index] = executor, handle

    def handle(self, index: int, executor: Any) -> Handle | None:
        """Return the handle of a value that this executor, or another one of the same cluster, keeps."""
        if index not in self._handles:
            return None
        keeper, handle = self._handles[index]
        return handle if keeper.realm == getattr(executor, "realm", "") and not handle.lost else None

    def was_stored_here(self, index: int) -> None:
        """Take down that a value was stored in this session: whoever maps its file need not check it again."""
        self._fresh.add(index)

    def is_fresh(self, index: int) -> bool:
        """Tell whether a value was stored in this session."""
        return index in self._fresh

    def __len__(self) -> int:
        return len(self._values)

    def has(self, index: int) -> bool:
        """Tell whether a value can be had without reading a large one from the storage."""
        index = self.state.resolve(index)
        if index in self._values:
            return True
        node = self.state.nodes[index]
        if node.spec.kind.composed:
            return not reads(node.spec.call) and all(self.has(dep) for dep in node.inputs)
        if node.value is None:
            return index not in self._handles
        return "blob" not in node.value

    def get(self, index: int) -> Any:
        """Return a value, from memory or from the storage. Raises CheckpointError when it cannot be loaded."""
        index = self.state.resolve(index)
        if index in self._values:
            return self._values[index]
        node = self.state.nodes[index]
        if node.spec.kind is NodeKind.ANY:
            value = first_of(node, self.state.nodes[node.chosen].node_id, self.get(node.chosen))
        elif node.spec.kind is NodeKind.VALUE:
            value = self.arguments(index)[0][0]
        elif node.value is None and index in self._handles:
            keeper, handle = self._handles[index]
            value = keeper.fetch(handle)
        elif node.value is None:
            raise LookupError(
                f"The value of {node.node_id!r} in run {self.state.workflow_id!r} was not stored (checkpoint=False) "
                "and is in memory no more."
            )
        else:
            value = as_value(self.state, index, values.decode(node.value, self.blobs))
        if node.uses > 0:
            self._values[index] = value
        return value

    def at_hand(self, index: int) -> list[Any] | None:
        """Return the arguments of a node when all are scalars or values in memory, as most are; else None."""
        spec, known = self.state.nodes[index].spec, self._values
        call = spec.call
        if call is None:
            return []
        if len(call) > 1:
            return None
        found = []
        for form in call[0]:
            if type(form) is not dict:
                found.append(form)
            elif "r" in form and (dep := spec.deps[form["r"]]) in known:
                found.append(known[dep])
            else:
                return None
        return found

    def arguments(self, index: int) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments of a node, with the values of its dependencies in their places."""
        spec = self.state.nodes[index].spec
        call = spec.call
        if call is None:
            return [], {}

        def dependency(place: int) -> Any:
            return self.get(spec.deps[place])

        def unseal(stored: Any) -> Any:
            return values.decode(stored, self.blobs, persistent_load=dependency)

        args = [fill(form, dependency, unseal) if type(form) is dict else form for form in call[0]]
        if len(call) == 1:
            return args, {}
        return args, {key: fill(form, dependency, unseal) for key, form in call[1].items()}

    def ready(self, index: int) -> bool:
        """Tell whether ``arguments`` would read nothing large."""
        spec, at_hand = self.state.nodes[index].spec, self._values
        for dep in spec.deps:
            if dep not in at_hand and not self.has(dep):
                return False
        return not reads(spec.call)

    async def load(self, index: int, load: Callable[[int], Any]) -> Any:
        """Return ``load(index)``, made in a thread; the large values it needs are read once, however many ask."""
        for dep in self.state.nodes[index].inputs:
            await self.fetch(dep)
        return await asyncio.to_thread(load, index)

    async def fetch(self, index: int) -> Any:
        """Return one value, read in a thread when it is large."""
        index = self.state.resolve(index)
        if index in self._values:
            return self._values[index]
        if self.has(index):
            return self.get(index)
        task = self._loading.get(index)
        if task is None:
            holds = self.state.nodes[index].spec.kind is NodeKind.VALUE  # only then are its parts needed for it
            loading = self.load(index, self.get) if holds else asyncio.to_thread(self.get, index)
            task = self._loading[index] = asyncio.create_task(loading)
            task.add_done_callback(lambda _: self._loading.pop(index, None))
        return await asyncio.shield(task)


def reads(call: Any) -> bool:
    """Tell whether a stored call holds a value that lies in a file of its own."""
    if call is None:
        return False
    work = call[0] if len(call) == 1 else [*call[0], *call[1].values()]
    while work:  # no recursion and no generators: it is asked at every start
        deeper: list[Any] = []
        for part in work:
            if type(part) is list:
                deeper += part
            elif type(part) is dict and "r" not in part:
                if "blob" in part:
                    return True
                deeper += part.values()
        work = deeper
    return False


def as_value(state: RunState, index: int, found: Any) -> Any:
    """Return what consumers see of a stored value: an answer is a Decision, and a wait that catches gives a pair."""
    node = state.nodes[index]
    if node.spec.kind is not NodeKind.EVENT or node.caught:
        return found
    if node.wait is not None and node.wait.prompt is not None and isinstance(found, dict):
        found = Decision(**found)
    return (found, None) if state.catches(index) else found


def first_of(node: Node, node_id: str, value: Any) -> First:
    """Return the value of an any_of, from the name and the value of the part that was first."""
    return First(node.spec.deps.index(node.chosen), node_id, value)
