"""How a run of a state machine begins, or goes on: one way for a cell, a client and a parent."""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Any

from ...core.graph import Json
from ...core.machine import FAIL, machine_of
from ...core.state import RunState
from ...core.status import WorkflowStatus
from ...dag.driven import driven
from ...errors import WorkflowStillActiveError
from ...machine.convert import Misfit
from ...machine.definition import Workflow
from ..beginning import DEFAULT_CHOICES, Choices
from ..inspect import read, status_of

if TYPE_CHECKING:
    from ..host import Host
    from ..runner import Runner

RESUME, ERROR, RESTART, RETURN = "resume", "error", "restart", "return"
EXISTING = (RESUME, ERROR, RESTART, RETURN)
"""What may become of a run that has the id already."""


def arguments(workflow: Workflow, given: Any) -> Json:
    """Return the input of a run as the named arguments of its start. Raises TypeError when it does not fit."""
    handler = workflow.handler(workflow.start_name)
    try:
        return handler.parameters.take(given)[0]
    except Misfit as wrong:
        raise TypeError(f"the input of {workflow.workflow_type!r} does not fit {handler.signature}: {wrong}") from None


async def begin(
    host: Host, workflow: Workflow, workflow_id: str, given: Json, options: Json, metadata: Json | None,
    context: Context, existing: str = RESUME, takeover: bool = False, choices: Choices = DEFAULT_CHOICES,
) -> Runner | None:  # fmt: skip
    """Begin a run and return when it is stored; None for one that is over and is to be returned as it is.

    Of a run that has the id and is not over, "resume" goes on with the definition given now; one that is over (it
    succeeded, was canceled, or chose to fail) is replaced. For one that "return" would keep, and that succeeded with
    other code or input, ``choices`` count. Raises what ``Host.run`` raises.
    """
    live = host.runners.get(workflow_id)
    if live is not None and live.outcome.done():
        await live.gone.wait()
    if workflow_id not in host.runners and await asyncio.to_thread(host.storage.exists, workflow_id):
        state, status = await asyncio.to_thread(_look, host, workflow_id)
        over = is_over(state)
        if existing == ERROR:
            raise WorkflowStillActiveError(
                workflow_id, f"Workflow {workflow_id!r} is there already ({status}): use another workflow_id, or give "
                "existing='resume', 'restart' or 'return'.",
            )  # fmt: skip
        kept = existing == RETURN and over
        if kept and (choices.on_change == "keep" or state.status is not WorkflowStatus.SUCCESSFUL):
            return None
        if existing == RESTART or (over and not kept):
            await asyncio.to_thread(host.storage.delete_run, workflow_id)
    dag = driven(workflow, given, options)
    return await host.run(workflow_id, dag, ((), {}), metadata, context, takeover, choices)


def is_over(state: RunState) -> bool:
    """Tell whether going on with a run could bring nothing new."""
    machine = machine_of(state)
    chose = machine is not None and machine.current is None and machine.next["do"] == FAIL
    return chose or state.status in (WorkflowStatus.SUCCESSFUL, WorkflowStatus.CANCELED)


def _look(host: Host, workflow_id: str) -> tuple[RunState, WorkflowStatus]:
    entry = host.storage.entry(workflow_id)
    state = read(host.storage, workflow_id)
    return state, status_of(host.storage, entry) if entry is not None else WorkflowStatus.RESUMABLE
