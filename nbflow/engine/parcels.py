"""How a body goes to an executor that shares no memory with the engine: with references in the place of large values.

A value goes by the handle of the executor that keeps it; else as the place of its checkpoint, which the worker maps;
else, where the worker sees no files, through the engine: once, when the executor can keep it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..core.graph import Json, NodeKind, NodeSpec
from ..dag.template import fill
from ..executors.kept import Handle, Held
from ..storage import values
from ..storage.shared import SharedBlobs
from .context import place_of
from .lanes import Lane
from .memory import first_of, reads
from .remote import Lying, Way, run_remote
from .resources import submitter

if TYPE_CHECKING:
    from ..dag.task import Task
    from .runner import Runner


class Parcel:
    """The arguments of one body on their way to the executor of a lane."""

    def __init__(self, runner: Runner, lane: Lane) -> None:
        self._runner = runner
        self._memory = runner.memory
        self.executor = lane.executor
        self._lane = lane
        self._blobs = shared_blobs(runner)
        self._sees = self._blobs is not None and lane.sees
        self._handles: list[Handle] = []
        self._sent: dict[int, Any] = {}  # one value, one reference: where it arrives it is one object again

    def ready(self, index: int) -> bool:
        """Tell whether ``arguments`` would read or send nothing large."""
        spec = self._memory.state.nodes[index].spec
        return self._plain(spec.call) and all(self._near(dep) for dep in spec.deps)

    def arguments(self, index: int) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments of a node, with references in the place of large values."""
        return self._filled(self._memory.state.nodes[index].spec)

    async def load(self, index: int, load: Callable[[int], Any]) -> Any:
        """Return ``load(index)``, made in a thread; what must be read for it is read once, however many ask."""
        for dep in self._memory.state.nodes[index].inputs:
            if not self._near(dep) and not self._keeps:
                await self._memory.fetch(dep)
        return await asyncio.to_thread(load, index)

    def submit(
        self, task: Task[Any, Any], index: int, args: list[Any], kwargs: dict[str, Any], context: Context
    ) -> Any:
        """Start the body and return its future."""
        settings = task.settings
        way = Way(self._blobs if self._lane.sees else None, settings.checkpoint is not False, settings.catch_exceptions,
                  self._keeps)  # fmt: skip
        submit = submitter(self._runner, self._lane, task, self._handles if self._keeps else None)
        place = place_of(self._runner, index)
        return context.run(submit, run_remote, task.function, args, kwargs, place, way)

    @property
    def _keeps(self) -> bool:
        return bool(getattr(self.executor, "keeps_values", False))

    @property
    def may_queue(self) -> bool:
        """True when the executor may start a body later than it was sent, and says when."""
        return hasattr(self.executor, "when_started")

    def was_not_seen(self) -> None:
        """Send values from now on: the workers do not see the files of the storage."""
        self._lane.sees = False

    # ---- what a value becomes ----

    def _filled(self, spec: NodeSpec) -> tuple[list[Any], dict[str, Any]]:
        call = spec.call
        if call is None:
            return [], {}

        def dependency(place: int) -> Any:
            return self._reference(spec.deps[place])

        def unseal(stored: Json) -> Any:
            if "blob" in stored and self._sees:
                return self._lying(stored, spec.deps, fresh=False)
            return values.decode(stored, self._memory.blobs, persistent_load=dependency)

        args = [fill(form, dependency, unseal) for form in call[0]]
        named = call[1] if len(call) > 1 else {}
        return args, {key: fill(form, dependency, unseal) for key, form in named.items()}

    def _reference(self, index: int) -> Any:
        index = self._memory.state.resolve(index)
        if index not in self._sent:
            self._sent[index] = self._made(index)
        return self._sent[index]

    def _made(self, index: int) -> Any:
        memory, node = self._memory, self._memory.state.nodes[index]
        handle = memory.handle(index, self.executor)
        if handle is not None:
            return self._held(handle)
        if node.spec.kind is NodeKind.ANY:
            return first_of(node, memory.state.nodes[node.chosen].node_id, self._reference(node.chosen))
        if node.spec.kind is NodeKind.VALUE:
            return self._filled(node.spec)[0][0]
        large = node.spec.kind is NodeKind.TASK and node.value is not None and "blob" in node.value
        if large and self._sees:
            return self._lying(node.value or {}, (), fresh=memory.is_fresh(index))
        value = memory.get(index)
        if not (large and self._keeps):
            return value
        handle = self.executor.put(value)  # type: ignore[attr-defined]
        memory.hold(index, self.executor, handle)
        return self._held(handle)

    def _held(self, handle: Handle) -> Held:
        self._handles.append(handle)
        return Held(len(self._handles) - 1)

    def _lying(self, stored: Json, deps: tuple[int, ...], *, fresh: bool) -> Lying:
        assert self._blobs is not None
        return Lying(stored, replace(self._blobs, check=not fresh), [self._reference(dep) for dep in deps])

    # ---- what must be read or sent first ----

    def _near(self, index: int) -> bool:
        memory = self._memory
        index = memory.state.resolve(index)
        node = memory.state.nodes[index]
        if memory.handle(index, self.executor) is not None:
            return True
        if node.spec.kind.composed:
            return self._plain(node.spec.call) and all(self._near(dep) for dep in node.inputs)
        large = node.value is not None and "blob" in node.value
        if large and node.spec.kind is NodeKind.TASK:
            return self._sees or (not self._keeps and memory.has(index))
        return memory.has(index)

    def _plain(self, call: Any) -> bool:
        return self._sees or not reads(call)


def shared_blobs(runner: Runner) -> SharedBlobs | None:
    """Return the values of a run for other processes, None when its storage has no files to share."""
    share = getattr(runner.journal, "shared_blobs", None)
    return None if share is None else share()
