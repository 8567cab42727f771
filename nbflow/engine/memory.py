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
from ..storage import values
from ..storage.base import Blobs


class Memory:
    """Values by node index. ``arrive`` keeps what a body returned until the state decides whether it is needed."""

    def __init__(self, state: RunState, blobs: Blobs) -> None:
        self.state = state
        self.blobs = blobs
        self._values: dict[int, Any] = {}
        self._loading: dict[int, asyncio.Task[Any]] = {}

    def arrive(self, index: int, value: Any) -> None:
        """Keep a value that a body has just returned."""
        self._values[index] = value

    def drop(self, index: int) -> None:
        """Let a value go."""
        self._values.pop(index, None)

    def __len__(self) -> int:
        return len(self._values)

    def has(self, index: int) -> bool:
        """Tell whether a value can be had without reading a large one from the storage."""
        index = self.state.resolve(index)
        if index in self._values:
            return True
        node = self.state.nodes[index]
        if node.spec.kind.composed:
            return not _reads(node.spec.call) and all(self.has(dep) for dep in node.inputs)
        return not (node.value and "blob" in node.value)

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

    def arguments(self, index: int) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments of a node, with the values of its dependencies in their places."""
        spec = self.state.nodes[index].spec
        call = spec.call
        if call is None:
            return [], {}
        deps = spec.deps

        def dependency(place: int) -> Any:
            return self.get(deps[place])

        def unseal(stored: Any) -> Any:
            return values.decode(stored, self.blobs, persistent_load=dependency)

        args = [fill(form, dependency, unseal) for form in call[0]]
        if len(call) == 1:
            return args, {}
        return args, {key: fill(form, dependency, unseal) for key, form in call[1].items()}

    def ready(self, index: int) -> bool:
        """Tell whether ``arguments`` would read nothing large."""
        spec = self.state.nodes[index].spec
        return not _reads(spec.call) and all(self.has(dep) for dep in spec.deps)

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


def _reads(call: Any) -> bool:
    """Tell whether a stored call holds a value that lies in a file of its own."""
    if type(call) is list:
        return any(_reads(part) for part in call)
    if type(call) is not dict:
        return False
    return "blob" in call or any(_reads(part) for part in call.values())


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
