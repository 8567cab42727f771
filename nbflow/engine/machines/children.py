"""The runs that a state machine starts: begun once, resumed with it, and their end told to it."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

from ...core import machine as m
from ...core.records import EventReceived
from ...core.state import RunState
from ...core.status import WorkflowStatus
from ...errors import NbflowError, RunIsLive, WorkflowCancellationError, WorkflowNotFoundError
from ...machine import registry
from ...machine.context import ChildOutcome
from ...machine.definition import Workflow
from ...storage import values
from ..context import task_context
from ..failure import execution_error
from ..inspect import read, stored_value
from .beginning import RESTART, arguments, begin, is_over

if TYPE_CHECKING:
    from ..runner import Runner
    from .act import Act

LOOK = 0.5
"""Seconds between two looks at a child that runs in another process, or that nobody runs."""


class Children:
    """The children of one run."""

    def __init__(self, runner: Runner, node: int) -> None:
        self.runner, self.node = runner, node
        self._followed: set[str] = set()

    @property
    def _host(self) -> Any:
        return self.runner.host

    async def begin(
        self, act: Act, place: str, known: bool, workflow: Any, workflow_id: str, given: Any, timeout: float | None,
        step: str, watch: bool,
    ) -> None:  # fmt: skip
        """Start a child that this handler has not started before. Raises RunIsLive, TypeError for its input."""
        definition = workflow if isinstance(workflow, Workflow) else registry.find(workflow)
        inputs = arguments(definition, given)
        if not known:
            if await self._under_way(workflow_id):
                raise RunIsLive(
                    workflow_id, f"Run {workflow_id!r} is under way already; a child needs an id of its own."
                )
            kind = definition.workflow_type
            await act.note_child(place, m.ChildBegan(self.node, workflow_id, kind, self.runner.now(), step))
        if not known or not await asyncio.to_thread(self._host.storage.exists, workflow_id):
            options = {"parent": self.runner.workflow_id, "timeout": timeout}
            context = self.runner.context.copy().run(task_context)
            await begin(self._host, definition, workflow_id, inputs, options, None, context, RESTART)
        else:
            await self._resume(workflow_id)
        self._host.give_turn(workflow_id)
        if watch:
            self.follow(workflow_id, step)

    def go_on(self) -> None:
        """Resume the children that were under way when the last owner of this run went, and follow them."""
        machine: m.Machine = self.runner.state.parts[self.node]
        for child in machine.children.values():
            self.follow(child.workflow_id, child.step, resume=True)

    def follow(self, workflow_id: str, step: str, resume: bool = False) -> None:
        """Tell the machine when a child is over. Idempotent."""
        if workflow_id not in self._followed:
            self._followed.add(workflow_id)
            self.runner.spawn(self._follow(workflow_id, step, resume))

    async def _follow(self, workflow_id: str, step: str, resume: bool) -> None:
        runner = self.runner
        if resume:
            await self._resume(workflow_id)
            self._host.give_turn(workflow_id)
        outcome = await self.outcome(workflow_id)
        self._followed.discard(workflow_id)
        ended = m.ChildEnded(self.node, workflow_id, runner.now())
        if not step:
            await runner.commit(ended)
            return
        stored = await runner.trouble.store(outcome)
        event_id = f"{m.CHILD}:{workflow_id}:{uuid.uuid4().hex}"
        key = f"{m.CHILD}:{step}"
        await runner.commit(EventReceived(event_id, key, stored, runner.now(), workflow_id, "run"), ended)

    async def outcome(self, workflow_id: str) -> ChildOutcome:
        """Return how a run ended, as soon as it has, wherever it runs."""
        while True:
            live = self._host.runners.get(workflow_id)
            if live is not None:
                await live.gone.wait()
            found = await asyncio.to_thread(self._ended, workflow_id)
            if found is not None:
                return found
            if workflow_id not in self._host.runners:
                await asyncio.sleep(LOOK)

    def _ended(self, workflow_id: str) -> ChildOutcome | None:
        storage = self._host.storage
        try:
            state = read(storage, workflow_id)
        except WorkflowNotFoundError as error:
            return ChildOutcome(workflow_id, "DELETED", error=error)
        blobs = storage.blobs(workflow_id)
        if state.status is WorkflowStatus.SUCCESSFUL:
            return ChildOutcome(workflow_id, state.status.value, stored_value(state, state.output, blobs))
        if state.status is WorkflowStatus.FAILED:
            return ChildOutcome(workflow_id, state.status.value, error=_portable(state, blobs))
        if state.status is WorkflowStatus.CANCELED:
            canceled = WorkflowCancellationError(workflow_id, f"The child run {workflow_id!r} was canceled.")
            return ChildOutcome(workflow_id, state.status.value, error=canceled)
        return None

    async def _under_way(self, workflow_id: str) -> bool:
        if workflow_id in self._host.runners:
            return True
        try:
            return not is_over(await asyncio.to_thread(read, self._host.storage, workflow_id))
        except WorkflowNotFoundError:
            return False

    async def _resume(self, workflow_id: str) -> None:
        """Go on with a child that has no owner, if it is not over."""
        try:
            state = await asyncio.to_thread(read, self._host.storage, workflow_id)
            if workflow_id not in self._host.runners and not (state.status and state.status.ended):
                await self._host.resume(workflow_id, self.runner.context.copy().run(task_context))
        except (RunIsLive, WorkflowNotFoundError):
            pass  # somebody runs it, or nobody ever will: its end is seen either way
        except NbflowError as error:
            self.runner.notice(f"The child run {workflow_id!r} cannot go on: {error}")


def _portable(state: RunState, blobs: Any) -> BaseException:
    """Return the failure of a run as one that can be stored."""
    failure = execution_error(state, blobs)
    try:
        values.encode(failure, blobs)
    except Exception:
        return RuntimeError(str(failure))
    return failure
