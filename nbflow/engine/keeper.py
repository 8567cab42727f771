"""The small duties towards the storage: the heartbeat, the listing cache, and what other processes sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..core import records as r
from ..core.graph import Json
from ..errors import Fenced, StorageError
from . import orders
from .summary import summary_of

if TYPE_CHECKING:
    from .host import Host
    from .runner import Runner

TICK = 0.1
"""Seconds between looks at the inboxes."""
HEARTBEAT = 10.0
"""Seconds between heartbeats."""
STATUS = 1.0
"""Seconds at least between two writes of a run's listing cache."""


class Keeper:
    """Does the duties of all live runs, in one task that exists only while there are any."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._task: asyncio.Task[None] | None = None
        self._beat = 0.0
        self._written: dict[str, tuple[float, Json]] = {}
        self._hurry = asyncio.Event()
        self._sweeps: list[asyncio.Future[None]] = []

    def watch(self, runner: Runner) -> None:
        """Begin with a run."""
        if self._task is None or self._task.done():
            self._task = self.host.engine.loop.create_task(self._main())

    async def sweep(self) -> None:
        """Return when what other processes have sent before this call is written into the journals of the live runs."""
        swept: asyncio.Future[None] = self.host.engine.loop.create_future()
        self._sweeps.append(swept)
        self._hurry.set()
        await swept

    async def _pause(self) -> list[asyncio.Future[None]]:
        try:
            await asyncio.wait_for(self._hurry.wait(), TICK)
        except TimeoutError:
            pass
        self._hurry.clear()
        sweeps, self._sweeps = self._sweeps, []
        return sweeps

    async def collect(self, runner: Runner) -> None:
        """Take in what was sent while nobody ran the run, before anybody here can send to it: in order of arrival."""
        try:
            items = await asyncio.to_thread(runner.journal.poll_inbox)
        except (StorageError, OSError):
            return  # the next commit meets the same trouble, and that is where it is dealt with
        for item in items:
            self._deliver(runner, item.token, item.event)

    async def leave(self, runner: Runner) -> None:
        """End with a run: write its last state for listings and give its journal back."""
        self._written.pop(runner.workflow_id, None)
        await asyncio.to_thread(self._last, runner, summary(runner))

    def stop(self) -> None:
        """Do nothing any more. Idempotent."""
        if self._task is not None:
            self._task.cancel()

    def _last(self, runner: Runner, status: Json) -> None:
        runner.logs.close()
        try:
            runner.journal.write_status(status)
        except (StorageError, OSError):
            pass  # a cache: the journal has it
        runner.journal.close()

    async def _main(self) -> None:
        while self.host.runners:
            sweeps = await self._pause()
            runners = [
                runner for runner in self.host.runners.values() if not runner.closed and not runner.trouble.reason
            ]
            now = self.host.engine.loop.time()
            beat = now - self._beat >= HEARTBEAT
            if beat:
                self._beat = now
            due = [runner for runner in runners if self._is_due(runner, now)]
            mail, fenced = await asyncio.to_thread(self._round, runners, due, beat)
            for runner, items in mail:
                for item in items:
                    self._deliver(runner, item.token, item.event)
            for swept in sweeps:
                if not swept.done():
                    swept.set_result(None)
            for runner, error in fenced:
                if not runner.closed:
                    runner.lost(error)

    def _is_due(self, runner: Runner, now: float) -> bool:
        before = self._written.get(runner.workflow_id)
        if before is not None and now - before[0] < STATUS:
            return False
        status = summary(runner)
        # looked at for now, changed or not: many runs that wait must not be summed up all the time
        self._written[runner.workflow_id] = (now, status)
        return before is None or before[1] != status

    def _round(
        self, runners: list[Runner], due: list[Runner], beat: bool
    ) -> tuple[list[tuple[Runner, list[Any]]], list[tuple[Runner, Fenced]]]:
        mail, fenced = [], []
        for runner in runners:
            try:
                items = runner.journal.poll_inbox()
                if items:
                    mail.append((runner, items))
                runner.logs.store()
                if beat:
                    runner.journal.heartbeat()
                if runner in due:
                    runner.journal.write_status(self._written[runner.workflow_id][1])
            except Fenced as error:
                fenced.append((runner, error))  # a run that only waits may have no next commit to meet it
            except (StorageError, OSError, KeyError):
                continue  # the next commit meets the same trouble, and that is where it is dealt with
        return mail, fenced

    def _deliver(self, runner: Runner, token: str, event: Json) -> None:
        if runner.closed:
            return

        def acknowledge() -> None:
            self.host.engine.loop.run_in_executor(None, _forget, runner, token)

        if orders.is_order(event):
            orders.carry_out(runner, event, acknowledge)
            return
        if runner.state.inbox.knows(str(event.get("id"))):
            acknowledge()
            return
        record = r.EventReceived(
            str(event["id"]), str(event["key"]), event.get("payload") or {"c": "json", "v": None},
            runner.now(), str(event.get("by", "")), str(event.get("source", "inbox")),
        )  # fmt: skip
        runner.write(record, then=acknowledge)


def _forget(runner: Runner, token: str) -> None:
    try:
        runner.journal.ack_inbox([token])
    except (StorageError, OSError):
        pass  # it comes again, and is known then


def summary(runner: Runner) -> Json:
    """Return what a listing shows of a live run."""
    return summary_of(runner.state, runner.trouble.reason)
