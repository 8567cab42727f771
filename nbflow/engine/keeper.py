"""The small duties towards the storage: the heartbeat, the listing cache, and what other processes sent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..core import records as r
from ..core.graph import Json
from ..core.status import NodeStatus
from ..errors import Fenced, StorageError
from ..storage.values import is_stored
from . import orders
from .condensing import Condensing
from .ears import Ears
from .summary import summary_of

if TYPE_CHECKING:
    from .host import Host
    from .runner import Runner

_log = logging.getLogger("nbflow")

TICK = 0.1
"""Seconds between looks at the runs in which something happens, and at inboxes of which nothing tells."""
HEARTBEAT = 10.0
"""Seconds between heartbeats; nothing else wakes anybody while all runs wait and their inboxes can ring."""
RESTING = 4
"""A run that only waits takes part in one of so many heartbeats: well before it counts as silent."""
STATUS = 1.0
"""Seconds at least between two writes of a run's listing cache."""


class Keeper:
    """Does the duties of all live runs, in one task that exists only while there are any.

    A run that only waits costs nothing but its heartbeat: its inbox rings when something is left there.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self._task: asyncio.Task[None] | None = None
        self._time = host.engine.loop.time
        self._beat = 0.0
        self._beats = 0
        self._patrolled = 0.0
        self._written: dict[str, tuple[float, Json]] = {}
        self._hurry = asyncio.Event()
        self._sweeps: list[asyncio.Future[None]] = []
        self._stirred: set[Runner] = set()
        self._ears = Ears(host.engine.loop, self._hurry.set)
        self._condensing = Condensing()

    def watch(self, runner: Runner) -> None:
        """Begin with a run."""
        self.stir(runner)
        if self._task is None or self._task.done():
            self._task = self.host.engine.loop.create_task(self._main())

    def stir(self, runner: Runner) -> None:
        """Remember that something happens in a run, until it is quiet again. Idempotent."""
        if not self._stirred:
            self._hurry.set()
        self._stirred.add(runner)

    async def sweep(self) -> None:
        """Return when what other processes have sent before this call is written into the journals of the live runs."""
        swept: asyncio.Future[None] = self.host.engine.loop.create_future()
        self._sweeps.append(swept)
        self._hurry.set()
        await swept

    async def _pause(self) -> list[asyncio.Future[None]]:
        self._hurry.clear()
        if not self._sweeps and not self._ears.rang:
            try:
                await asyncio.wait_for(self._hurry.wait(), self._seconds())
            except TimeoutError:
                pass
        sweeps, self._sweeps = self._sweeps, []
        return sweeps

    def _seconds(self) -> float:
        """Return how long nothing needs to be done, unless somebody is in a hurry."""
        if self._stirred or self._ears.deaf:
            return TICK
        return max(0.0, min(self._beat + HEARTBEAT, self._patrolled + self._ears.patrol) - self._time())

    async def collect(self, runner: Runner) -> None:
        """Take in what was sent and not heard of yet, in order of arrival: before a run begins here, and at its end."""
        try:
            items = await asyncio.to_thread(runner.journal.poll_inbox)
        except (StorageError, OSError):
            return  # the next commit meets the same trouble, and that is where it is dealt with
        for item in items:
            self._deliver(runner, item.token, item.event)

    async def settle(self, runner: Runner) -> None:
        """Return when all that a run has written is durable, and nothing else is done to its journal."""
        await self._condensing.leave(runner)
        await runner.committer.drained()

    async def leave(self, runner: Runner) -> None:
        """End with a run: write its last state for listings and give its journal back."""
        await self._condensing.leave(runner)
        self._stirred.discard(runner)
        self._ears.leave(runner)
        self._written.pop(runner.workflow_id, None)
        await asyncio.to_thread(self._last, runner, summary(runner))

    def stop(self) -> None:
        """Do nothing any more. Idempotent."""
        if self._task is not None:
            self._task.cancel()
        self._ears.close()

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
            now = self._time()
            stirred, rung = self._living(self._stirred), self._ears.take()
            if sweeps or now - self._patrolled >= self._ears.patrol:
                self._patrolled = now
                looked = self._living(self.host.runners.values())
            else:
                looked = self._living({*stirred, *rung, *self._ears.deaf})
            beating = self._beating(now)
            due = [runner for runner in stirred if self._is_due(runner, now)]
            for runner in stirred:
                self._condensing.consider(runner)
            for runner in looked if sweeps else ():
                getattr(runner.journal, "hurry", _nothing)()
            if looked or beating:
                await self._look(looked, due, beating)
            for swept in sweeps:
                if not swept.done():
                    swept.set_result(None)
            # who waits is listened to at once, and who ran only for a moment never was
            await self._ears.listen([*self._calm_down(now), *filter(_waits, stirred)])

    def _beating(self, now: float) -> list[Runner]:
        """Return the runs whose heartbeat is due; those that only wait rest for three where no other computer asks."""
        if now - self._beat < HEARTBEAT:
            return []
        self._beat, self._beats = now, self._beats + 1
        if self._beats % RESTING and self._ears.alone:
            return self._living({*self._stirred, *self._ears.deaf})
        return self._living(self.host.runners.values())

    def _living(self, runners: Iterable[Runner]) -> list[Runner]:
        return [runner for runner in runners if not runner.closed and not runner.trouble.reason]

    async def _look(self, looked: list[Runner], due: list[Runner], beating: list[Runner]) -> None:
        mail, fenced = await asyncio.to_thread(self._round, looked, due, beating)
        for runner, items in mail:
            for item in items:
                self._deliver(runner, item.token, item.event)
        for runner, error in fenced:
            if not runner.closed:
                runner.lost(error)

    def _calm_down(self, now: float) -> list[Runner]:
        """Let those be in which nothing happens, once all of it is written down; return them."""
        calm = []
        for runner in [*self._stirred]:
            before = self._written.get(runner.workflow_id)
            if runner.closed:
                self._stirred.discard(runner)
            elif before is None or now - before[0] < STATUS - TICK or _is_busy(runner):
                continue
            elif before[1] == summary(runner):
                self._stirred.discard(runner)
                calm.append(runner)
        return calm

    def _is_due(self, runner: Runner, now: float) -> bool:
        before = self._written.get(runner.workflow_id)
        if before is not None and now - before[0] < STATUS:
            return False
        status = summary(runner)
        # looked at for now, changed or not: many runs that wait must not be summed up all the time
        self._written[runner.workflow_id] = (now, status)
        return before is None or before[1] != status

    def _round(
        self, looked: list[Runner], due: list[Runner], beating: list[Runner]
    ) -> tuple[list[tuple[Runner, list[Any]]], list[tuple[Runner, Fenced]]]:
        mail, fenced = [], []
        for runner in looked:
            with suppress(StorageError, OSError, KeyError):  # the next commit meets the same trouble, and deals with it
                items = runner.journal.poll_inbox()
                if items:
                    mail.append((runner, items))
                runner.logs.store()
                if runner in due:
                    runner.journal.write_status(self._written[runner.workflow_id][1])
        for runner in beating:
            try:
                runner.journal.heartbeat()
            except Fenced as error:
                fenced.append((runner, error))  # a run that only waits may have no next commit to meet it
            except (StorageError, OSError):
                continue
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
        payload = event.get("payload")
        if payload is not None and not is_stored(payload):
            _log.warning("run %r: an event of its inbox has no payload of ours and is dropped: %r", runner.workflow_id,
                         str(event["id"])[:80], extra={"action": "inbox"})  # fmt: skip
            acknowledge()
            return
        record = r.EventReceived(
            str(event["id"]), str(event["key"]), payload or {"c": "json", "v": None},
            runner.now(), str(event.get("by", "")), str(event.get("source", "inbox")),
        )  # fmt: skip
        runner.write(record, then=acknowledge)


def _nothing() -> None:
    """Do nothing: most inboxes are looked into at each ``poll_inbox``."""


def _forget(runner: Runner, token: str) -> None:
    try:
        runner.journal.ack_inbox([token])
    except (StorageError, OSError):
        pass  # it comes again, and is known then


def _waits(runner: Runner) -> bool:
    return not runner.closed and bool(runner.state.counts[NodeStatus.WAITING])


def _is_busy(runner: Runner) -> bool:
    """Tell whether something may happen in a run that nobody is told of: a start, a line that a task prints."""
    return bool(runner.bodies.running or runner.logs.waiting or runner.trouble.reason or runner.pending)


def summary(runner: Runner) -> Json:
    """Return what a listing shows of a live run."""
    return summary_of(runner.state, runner.trouble.reason)
