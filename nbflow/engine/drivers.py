"""What moves a run that is no graph of tasks: the driver of a state machine or a flow, and the calls that it makes."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from ..core import records as r
from ..core.calls import calls_of
from ..core.commands import CallEnded, EventKept, StartTask
from ..core.graph import NodeKind
from ..core.machine import machine_of
from ..core.status import NodeStatus
from ..dag.node import Node
from ..dag.task import Task
from ..errors import GraphError, WorkflowCancellationError, WorkflowNotResumableError
from ..machine import registry
from .failure import describe, restore
from .machines.doors import door, door_of

if TYPE_CHECKING:
    from .runner import Runner

DRIVERS = {"machine": "nbflow.engine.machines.driver:MachineDriver", "flow": "nbflow.engine.flows.driver:FlowDriver"}
"""Where the drivers are, by the ``driver`` of the definition; each is loaded when its first run needs it."""


class Driver(Protocol):
    """Decides what happens in one run. Everything here happens on the engine's loop."""

    def __init__(self, runner: Runner, node: int, definition: Any) -> None: ...

    async def drive(self, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Return the value of the run, or raise why it failed. Cancelled when the run is let go or canceled."""
        ...

    def event_kept(self, event_id: str) -> None:
        """Take notice of an event that is durable and stands in the inbox; earlier ones stand there from the start."""
        ...

    def call_ended(self, node: int) -> None:
        """Take notice of the end of a call that nobody awaits."""
        ...


class Drivers:
    """The driver of one run, if it has one, and its calls."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.driver: Driver | None = None
        self.namespace = "default"
        """Where the keyed events of its tasks go, unless they say otherwise."""
        self._driving: asyncio.Task[None] | None = None
        self._awaited: dict[int, asyncio.Future[None]] = {}

    # ---- the driver ----

    def start(self, command: StartTask) -> None:
        """Start the driver of a node."""
        self._driving = self.runner.spawn(self._drive(command.node, command.attempt))

    def stop(self) -> None:
        """Stop the driver; what it is doing is not wanted any more."""
        if self._driving is not None:
            self._driving.cancel()

    def door(self, key: str, payload: Any) -> tuple[str, str]:
        """Return "rejected" or "closed" and why a state machine does not take an event, or '' and a warning."""
        state = self.runner.state
        look = getattr(self.driver, "door", None)
        if look is not None:
            found: tuple[str, str] = look(key, payload)
            return found
        if state.driver >= 0 and not state.parts:
            given = self.runner.book.live.get(state.nodes[state.driver].spec.code)
            definition = getattr(given.function, "definition", None) if given is not None else None
            if definition is not None and definition.driver == "machine":  # it has not begun yet
                return door_of(definition.form(), key, payload)
        return door(state, key, payload)

    def cancels_later(self, by: str) -> bool:
        """Have the run canceled when the handler of its state machine has ended; False when it can be at once."""
        cancel = getattr(self.driver, "cancel", None)
        return cancel is not None and bool(cancel(by))

    def event_kept(self, command: EventKept) -> None:
        """Tell the driver of an event."""
        if self.driver is not None:
            self.driver.event_kept(command.event_id)

    def call_ended(self, command: CallEnded) -> None:
        """Tell who awaits a call that it is over, or else the driver."""
        waiter = self._awaited.pop(command.node, None)
        if waiter is not None:
            if not waiter.done():
                waiter.set_result(None)
        elif self.driver is not None:
            self.driver.call_ended(command.node)

    async def _drive(self, index: int, attempt: int) -> None:
        runner, began = self.runner, self.runner.now()
        runner.apply_volatile(r.TaskStarted(index, attempt, began))
        try:
            definition = self._definition(index)
            args, kwargs = await runner.memory.load(index, runner.memory.arguments)
            self.namespace = getattr(definition, "namespace", self.namespace)
            module, _, name = DRIVERS[definition.driver].partition(":")
            self.driver = getattr(import_module(module), name)(runner, index, definition)
            value = await self.driver.drive(args, kwargs)
            stored = await runner.trouble.store(value)
        except asyncio.CancelledError:
            return
        except BaseException as error:
            self._stop_calls(index)
            runner.write(r.TaskFailed(index, describe(error, runner.blobs), began, runner.now(), attempt))
            return
        finally:
            self.driver = None
        self._stop_calls(index)
        runner.finish_node(index, value, stored, began, runner.now(), attempt)

    def _definition(self, index: int) -> Any:
        """Return what the driver drives. A state machine whose stored code cannot be had may be defined here by now."""
        try:
            task: Any = self.runner.task_of(index)
        except WorkflowNotResumableError:
            state = self.runner.state
            newest = registry.newest(state.codes[state.nodes[index].spec.code].name)
            if newest is None or (state.parts and machine_of(state) is None):
                raise
            return newest
        return task.function.definition

    def _stop_calls(self, driver: int) -> None:
        for call in calls_of(self.runner.state, driver):
            if self.runner.state.nodes[call].status.active:
                self.stop_call(call, "the end of the run")

    # ---- its calls ----

    async def begin(
        self, owner: int, node_id: str, task: Task[Any, Any], args: Any = (), kwargs: dict[str, Any] | None = None, *,
        group: str = "", metadata: dict[str, Any] | None = None,
    ) -> int:  # fmt: skip
        """Start a call and return its index once it is durable. Its end is told to the driver.

        ``args`` and ``kwargs`` are values; the id gets a number behind it when it is taken.
        Raises GraphError for arguments that are nodes, CheckpointError for those that cannot be stored.
        """
        return await self._begin(owner, _node(node_id, task, args, kwargs, group, metadata), awaited=False)

    async def call(
        self, owner: int, node_id: str, task: Task[Any, Any], args: Any = (), kwargs: dict[str, Any] | None = None, *,
        group: str = "", metadata: dict[str, Any] | None = None,
    ) -> Any:  # fmt: skip
        """Return the value of a call, made at most once: one of this id that is done gives the value it had.

        One that its owner's death, a failure or a stop has ended starts again. Raises the task's own exception,
        WorkflowCancellationError when it is stopped, and as ``begin``.
        """
        state = self.runner.state
        index = state.index.get(node_id, -1)
        if index < 0 or state.nodes[index].owner != owner:
            index = await self._begin(owner, _node(node_id, task, args, kwargs, group, metadata), awaited=True)
        elif not state.nodes[index].status.finished:
            self._await(index)
            if not state.nodes[index].status.active:
                await self.runner.commit(r.CallAgain(index))
        waiter = self._awaited.get(index)
        if waiter is not None:
            await waiter
        return await self._value(index)

    def again(self, index: int) -> None:
        """Write that a call which is over, or lost its owner, starts once more."""
        self.runner.write(r.CallAgain(index))

    def stop_call(self, index: int, by: str = "") -> None:
        """Write that a call is stopped; its end is told as any other."""
        self.runner.write(r.CallStopped(index, self.runner.now(), by))

    def forget(self, owner: int, calls: list[int]) -> None:
        """Write that calls which are over leave the memory; the history keeps them."""
        self.runner.write(r.CallsForgotten(owner, tuple(calls)))

    async def _begin(self, owner: int, root: Node[Any], *, awaited: bool) -> int:
        runner = self.runner
        lines = await runner.growing.lay(owner, root)
        begun: asyncio.Future[int] = runner.loop.create_future()

        def durable() -> None:
            index = len(runner.state.nodes) - 1
            if awaited:
                self._await(index)
            if not begun.done():
                begun.set_result(index)

        for line in lines:
            runner.write(line)
        runner.write(r.NodesCalled(owner), then=durable)
        return await begun

    def _await(self, index: int) -> None:
        self._awaited[index] = self.runner.loop.create_future()

    async def _value(self, index: int) -> Any:
        runner, node = self.runner, self.runner.state.nodes[index]
        if node.status.finished:
            value = await runner.memory.fetch(index)
            runner.memory.drop(runner.state.resolve(index))
            return value
        if node.status is NodeStatus.CANCELED:
            raise WorkflowCancellationError(
                runner.workflow_id, f"The call {node.node_id!r} of run {runner.workflow_id!r} was stopped."
            )
        raise restore(node.error, runner.blobs)


def _node(
    node_id: str, task: Task[Any, Any], args: Any, kwargs: dict[str, Any] | None, group: str,
    metadata: dict[str, Any] | None,
) -> Node[Any]:  # fmt: skip
    root: Node[Any] = Node(NodeKind.TASK, task, tuple(args), kwargs or {})
    if root._deps:
        raise GraphError(f"The call {node_id!r} got a node as an argument: give it a value, or run the graph itself.")
    root._task_id, root._group = node_id, group
    root._metadata = metadata if metadata is not None else root._metadata
    return root
