"""The executions of a flow's tasks: calls that are begun, stopped, awaited to their real end, and begun again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...core import records as r
from ...core.executions import Execution, TaskStatus
from ...core.rules import RUN, STATUS, STREAM, TIME
from ...core.status import NodeStatus
from ...dag.task import Task
from ...rules.notification import Event
from .sources import load
from .tasks import call_of, task_of

if TYPE_CHECKING:
    from .driver import FlowDriver

GRACE = 10.0
"""Seconds that the next execution waits for the body of a stopped one to end; then that one is left to itself."""
KEPT_CALLS = 20
"""Ended executions of a task that stay in memory and in the views; the history has all."""


class Executions:
    """What runs for one flow."""

    def __init__(self, driver: FlowDriver) -> None:
        self._driver = driver
        self._runner = driver.runner
        self._tasks: dict[str, Task[Any, Any]] = {}
        self._stopping: set[str] = set()
        self._leaving: dict[str, list[Any]] = {}
        self._interrupted: list[Execution] = []

    def task(self, name: str) -> Task[Any, Any]:
        """Return the task of an operator."""
        if name not in self._tasks:
            self._tasks[name] = task_of(self._driver.flow.tasks[name])
        return self._tasks[name]

    # ---- going on after a death ----

    def recall(self) -> None:
        """Note the executions that lost their process."""
        for execution in self._driver.known.live():
            index = self._index(execution)
            if index is not None and self._runner.state.nodes[index].status is NodeStatus.PENDING:
                self._interrupted.append(execution)

    async def go_on(self) -> None:
        """Start what was interrupted, and what failed and is tried again, with the code of now."""
        again = [each for each in self._driver.known.live() if self._failed(each)]
        for execution in {each.call: each for each in [*self._interrupted, *again]}.values():
            if execution.status is TaskStatus.RUNNING and execution.task in self._driver.flow.tasks:
                await self._restart(execution)
        self._interrupted = []
        await self.carry_out()

    def _failed(self, execution: Execution) -> bool:
        index = self._index(execution)
        return index is not None and self._runner.state.nodes[index].status is NodeStatus.FAILED

    async def _restart(self, execution: Execution) -> None:
        index = self._index(execution)
        assert index is not None
        node = self._runner.state.nodes[index]
        if self._runner.book.key_of(self.task(execution.task)) == node.spec.code:
            await self._runner.commit(r.CallAgain(index))
        else:  # the code is another now: the same execution, with a new call
            await self._runner.commit(r.CallsForgotten(self._driver.node, (index,)))
            await self._begin(execution)

    # ---- what the rules have decided ----

    async def carry_out(self) -> None:
        """Begin and stop what was decided and is not done yet."""
        for execution in self._driver.known.live():
            if execution.status is TaskStatus.STOPPING:
                self._stop(execution)
        for execution in self._driver.known.live():
            undone = execution.status is TaskStatus.RUNNING and self._index(execution) is None
            if undone and not self._waits(execution.task):
                await self._begin(execution)
        self._forget()

    async def _begin(self, execution: Execution) -> None:
        operator = self._driver.flow.tasks[execution.task]
        try:
            event = await self._cause(execution)
            args, kwargs = call_of(operator, event, self._runner.workflow_id)
            task = self.task(execution.task)
            metadata = {"task": execution.task, "seq": execution.seq}
            await self._runner.drivers.begin(self._driver.node, execution.call, task, args, kwargs, metadata=metadata)
        except Exception as error:
            self._runner.notice(f"{execution.call} of run {self._runner.workflow_id!r} could not be started: {error}")
            raise

    async def _cause(self, execution: Execution) -> Event | None:
        """Return the event that started an execution, as its task gets it."""
        cause = execution.cause
        source = cause.get("was", cause["src"])
        if source in (RUN, STREAM):
            if cause["key"].startswith("nbflow."):
                return None
            value = await load(cause["v"], self._runner.blobs) if "v" in cause else None
            return Event(
                cause["key"], value, cause.get("off", 0), cause.get("ns", ""), execution.at, cause.get("id", ""),
                cause.get("by", ""),
            )  # fmt: skip
        if source == STATUS:
            return Event(cause["key"], cause["status"], at=cause.get("ended", 0.0), task=cause["task"])
        if source == TIME:
            return Event(cause["key"], cause["due"], at=cause["due"])
        return self._driver.began_by

    def _stop(self, execution: Execution) -> None:
        index = self._index(execution)
        if index is None or execution.call in self._stopping or self._runner.state.nodes[index].status.finished:
            return
        self._stopping.add(execution.call)
        body = self._runner.bodies.running.get(index)
        if body is not None and body.end is not None:
            self._leaving.setdefault(execution.task, []).append(body.end)
            body.end.add_done_callback(lambda _: self._runner.host.engine.post(self._driver.wake.set))
            self._runner.loop.call_later(GRACE, self._give_up, execution, body.end)
        self._runner.drivers.stop_call(index, "the rules of the flow")

    def _waits(self, task: str) -> bool:
        """Tell whether the body of an earlier execution, which was stopped, has not ended yet."""
        left = [end for end in self._leaving.get(task, ()) if not end.done()]
        self._leaving[task] = left
        return bool(left)

    def _give_up(self, execution: Execution, end: Any) -> None:
        if end in self._leaving.get(execution.task, ()) and not end.done():
            self._leaving[execution.task].remove(end)
            self._runner.notice(
                f"{execution.call} of run {self._runner.workflow_id!r} has not ended {GRACE:g} s after it was stopped, "
                "and is left to itself. A task in a thread should look at nbflow.rules.stopping()."
            )
            self._driver.wake.set()

    # ---- what is over ----

    def _forget(self) -> None:
        """Let the oldest calls leave the memory."""
        old: list[int] = []
        for task in self._driver.known.tasks.values():
            ended = [
                index
                for each in task.executions.values()
                if each.status.ended and (index := self._index(each)) is not None
            ]
            if len(ended) >= 2 * KEPT_CALLS:
                old += ended[:KEPT_CALLS]
        if old:
            self._runner.drivers.forget(self._driver.node, old)

    async def values(self) -> dict[str, Any]:
        """Return the value of the latest successful execution of each task."""
        found: dict[str, Any] = {}
        for name in self._driver.flow.tasks:
            executions = self._driver.known.tasks[name].executions.values()
            for execution in reversed([*executions]):
                index = self._index(execution)
                if execution.status is TaskStatus.SUCCESS and index is not None:
                    found[name] = await self._runner.memory.fetch(index)
                    break
        return found

    def _index(self, execution: Execution) -> int | None:
        return self._runner.state.index.get(execution.call)
