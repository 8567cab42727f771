"""How a run is ended from outside: canceled, live or lying in the storage, or deleted."""

from __future__ import annotations

import asyncio

from ..core import records as r
from ..core.codec import encode
from ..core.status import WorkflowStatus
from ..errors import WorkflowError, WorkflowStillActiveError
from . import inspect
from .host import Host
from .summary import summary_of


def cancel(host: Host, workflow_id: str) -> None:
    """Cancel a run, live here or lying in the storage."""
    host.engine.call(_cancel, host, workflow_id)


async def _cancel(host: Host, workflow_id: str) -> None:

    live = host.runners.get(workflow_id)
    if live is not None and live.closing:
        await live.gone.wait()
        live = host.runners.get(workflow_id)
    if live is None:
        await asyncio.to_thread(_cancel_stored, host, workflow_id)
        return
    if live.state.status in (WorkflowStatus.SUCCESSFUL, WorkflowStatus.CANCELED):
        raise WorkflowError(
            workflow_id, f"Workflow {workflow_id!r} is {live.state.status} already; nothing was canceled."
        )
    live.cancel()
    await live.committer.drained()


def _cancel_stored(host: Host, workflow_id: str) -> None:
    state = inspect.read(host.storage, workflow_id)
    if state.status in (WorkflowStatus.SUCCESSFUL, WorkflowStatus.CANCELED):
        raise WorkflowError(workflow_id, f"Workflow {workflow_id!r} is {state.status} already; nothing was canceled.")
    journal = host.storage.open_run(workflow_id)
    try:
        now = round(host.clock.time(), 3)
        records = [r.RunOpened(now), r.RunCanceled(now)]
        journal.append([encode(record) for record in records])
        state.handle_all(records)
        journal.write_status(summary_of(state))
    finally:
        journal.close()


def delete(host: Host, workflow_id: str) -> None:
    """Delete a run that is not live."""

    if workflow_id in host.runners:
        live = host.runners[workflow_id]
        if not live.outcome.done():
            raise WorkflowStillActiveError(
                workflow_id, f"Workflow {workflow_id!r} is live: nbflow.cancel({workflow_id!r}) first, then delete it."
            )
        host.engine.call(live.gone.wait)
    if not host.storage.exists(workflow_id):
        raise inspect.not_found(workflow_id)
    host.storage.delete_run(workflow_id)
