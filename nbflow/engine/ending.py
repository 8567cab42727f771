"""How a run is ended from outside: canceled, whoever owns it, or lying in the storage; or deleted."""

from __future__ import annotations

import asyncio

from ..core import records as r
from ..core.codec import encode
from ..core.graph import Json
from ..core.state import RunState
from ..core.status import WorkflowStatus
from ..errors import RunIsLive, WorkflowError, WorkflowStillActiveError
from . import inspect, orders
from .host import Host, fold
from .summary import summary_of

PATIENCE = 10.0
"""Seconds that another process has to cancel a run of its own when it is asked."""
LOOK, MOST = 0.05, 0.5
"""Seconds between the first two looks at whether it has, and between two later ones: some stores ask money for each."""


def cancel(host: Host, workflow_id: str, by: str = "", *, at_once: bool = False) -> None:
    """Cancel a run that is live here, live in another process, or lying in the storage; it is when this returns.

    Another process is asked through the run's inbox, and cancels it as if it were asked there. ``by`` is recorded.
    Raises WorkflowNotFoundError, WorkflowError when it has ended already, RunIsLive when its owner does not answer.
    """
    host.engine.call(_cancel, host, workflow_id, by, at_once)


async def _cancel(host: Host, workflow_id: str, by: str, at_once: bool = False) -> None:
    live = host.runners.get(workflow_id)
    if live is not None and not live.closing:
        await host.keeper.collect(live)  # what was sent until now is told as taken by nobody
    if live is not None and live.closing:
        await live.gone.wait()
        live = host.runners.get(workflow_id)
    if live is None:
        await _cancel_elsewhere(host, workflow_id, by)
        return
    if live.state.status in (WorkflowStatus.SUCCESSFUL, WorkflowStatus.CANCELED):
        raise _ended(live.state)
    live.cancel(by, at_once)
    await live.committer.drained()


async def _cancel_elsewhere(host: Host, workflow_id: str, by: str) -> None:
    """Ask each owner that the run has meanwhile; when it has none, cancel it here."""
    deadline = host.engine.loop.time() + PATIENCE
    asked: set[int] = set()
    pause = LOOK
    while True:
        owner = await asyncio.to_thread(_owner, host, workflow_id)
        if owner is None:
            try:
                await asyncio.to_thread(_cancel_stored, host, workflow_id, by, bool(asked))
                return
            except RunIsLive:
                owner = {}  # somebody has just taken it
        if host.engine.loop.time() >= deadline:
            raise _silent(workflow_id, owner)
        epoch = owner.get("epoch")
        if isinstance(epoch, int) and epoch not in asked:
            await asyncio.to_thread(orders.ask_to_cancel, host.storage, workflow_id, epoch, by)
            asked.add(epoch)
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, MOST)


def _owner(host: Host, workflow_id: str) -> Json | None:
    """Return who runs a run now, None when nobody does."""
    entry = host.storage.entry(workflow_id)
    return (entry.owner or {}) if entry is not None and entry.live else None


def _cancel_stored(host: Host, workflow_id: str, by: str, asked: bool) -> None:
    """Cancel a run that nobody runs; ``asked`` tells that an owner may have done so before it went."""
    if _is_canceled(inspect.read(host.storage, workflow_id), asked):
        return
    journal = host.storage.open_run(workflow_id)
    try:
        state = fold(journal.records)  # somebody may have brought it to its end before it was opened
        if _is_canceled(state, asked):
            return
        now = round(host.clock.time(), 3)
        mail = [str(item.event["id"]) for item in journal.poll_inbox() if not orders.is_order(item.event)]
        left = (
            *(event.event_id for event in state.inbox.waiting()),
            *(event_id for event_id in mail if not state.inbox.knows(event_id)),
        )
        records = [r.RunOpened(now), r.RunCanceled(now, by, left)]
        journal.append([encode(record) for record in records])
        state.handle_all(records)
        journal.write_status(summary_of(state))
    finally:
        journal.close()


def _is_canceled(state: RunState, asked: bool) -> bool:
    """Tell whether a run is canceled, as was ``asked`` of its owner. Raises WorkflowError when it ended otherwise."""
    if state.status in (WorkflowStatus.SUCCESSFUL, WorkflowStatus.CANCELED):
        if asked and state.status is WorkflowStatus.CANCELED:
            return True
        raise _ended(state)
    return False


def _ended(state: RunState) -> WorkflowError:
    said = f"Workflow {state.workflow_id!r} is {state.status} already; nothing was canceled."
    return WorkflowError(state.workflow_id, said)


def _silent(workflow_id: str, owner: Json) -> RunIsLive:
    where = f"process {owner['pid']} on {owner['host']!r}" if "pid" in owner and "host" in owner else "another process"
    said = (
        f"Run {workflow_id!r} is live in {where}, which was asked to cancel it and did not answer within "
        f"{PATIENCE:.0f} s. It cancels the run as soon as it can; if it hangs, end it and cancel once more."
    )
    return RunIsLive(workflow_id, said, owner)


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
