"""Begin a run of another flow from a task of this one: exactly one for each execution, or one for each key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...core.status import WorkflowStatus
from ...dag.driven import driven
from ...errors import RunIsLive
from .. import events, inspect
from ..context import task_context
from ..voice import current

if TYPE_CHECKING:
    from ..host import Host

_TRIGGER = "started_by"
"""The entry of a run's metadata that names the run and the execution that began it."""


class BeginRun:
    """The body of a RunOperator. It may be run again after a crash: what it has begun is found by its id."""

    def __init__(self, started: Any, one_per: Callable[[Any], Any] | None) -> None:
        self.started = started
        self.one_per = one_per

    @property
    def functions(self) -> tuple[Any, ...]:
        """The user's functions in it."""
        return (*getattr(self.started, "functions", ()), *([self.one_per] if self.one_per else []))

    def __call__(self, event: Any) -> Any:
        """Return the coroutine that begins the run; the engine awaits it on its loop."""
        voice = current.get()
        assert voice is not None, "only a run calls this"
        _, run, call, _ = voice.place
        task, _, seq = call.partition("#")
        key = None if self.one_per is None else str(self.one_per(event))
        base = f"{run}-{task}-{seq if key is None else key}"
        return self._begin(voice.runner.host, base, key is not None, {"run": run, "task": call}, event)

    async def _begin(self, host: Host, base: str, shared: bool, by: dict[str, str], event: Any) -> str:
        number, workflow_id = 1, base
        while True:
            status, mine = await _look(host, workflow_id, by)
            if status is None:
                return await self._start(host, workflow_id, by, event)
            if not status.ended and workflow_id not in host.runners:
                await host.resume(workflow_id, task_context())
            if mine or not shared:
                return workflow_id
            live = host.runners.get(workflow_id)
            if live is not None:
                receipt = await events.deliver(
                    host, live, event.key, event.value, f"{by['run']}/{by['task']}", "", "flow"
                )
                if receipt:
                    return workflow_id
            number += 1
            workflow_id = f"{base}-{number}"

    async def _start(self, host: Host, workflow_id: str, by: dict[str, str], event: Any) -> str:
        started = self.started
        dag = driven(started, event) if hasattr(started, "driver") else started(event)
        try:
            await host.run(workflow_id, dag, ((), {}), {_TRIGGER: by}, task_context())
        except RunIsLive:
            pass  # begun a moment ago by the body that this one repeats
        return workflow_id


async def _look(host: Host, workflow_id: str, by: dict[str, str]) -> tuple[WorkflowStatus | None, bool]:
    """Return the status of a run, None when there is none, and whether this execution has begun it."""
    live = host.runners.get(workflow_id)
    if live is not None:
        return live.state.status, live.state.metadata.get(_TRIGGER) == by
    if not await asyncio.to_thread(host.storage.exists, workflow_id):
        return None, False
    state = await asyncio.to_thread(inspect.read, host.storage, workflow_id)
    return state.status, state.metadata.get(_TRIGGER) == by
