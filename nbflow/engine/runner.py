"""One live run: what is decided is written, what is durable is taken into the state, and then it is carried out."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextvars import Context
from typing import TYPE_CHECKING, Any

from ..core import commands as c
from ..core import records as r
from ..core.state import RunState
from ..core.status import WorkflowStatus
from ..dag.code import CodeBook
from ..dag.task import Task
from ..errors import RunIsLive, WorkflowCancellationError, WorkflowNotResumableError
from ..storage.base import RunJournal
from . import watching
from .bodies import Bodies
from .catching import Catching
from .cleanup import clean_up
from .code import load_code
from .committer import Committer
from .deeds import Deeds, deeds
from .drivers import Drivers
from .failure import execution_error
from .growing import Growing
from .lanes import Lane
from .logs import Logs
from .memory import Memory
from .patience import Patience
from .results import Results
from .saying import say
from .trouble import Trouble
from .waits import Waits

if TYPE_CHECKING:
    from .host import Host

_log = logging.getLogger("nbflow")
Observer = Callable[["Runner"], None]


class Runner:
    """One run that this process owns. Everything here happens on the engine's loop."""

    def __init__(self, host: Host, journal: RunJournal, state: RunState, book: CodeBook, context: Context) -> None:
        self.host = host
        self.loop = host.engine.loop
        self.journal = journal
        self.blobs = journal
        self.state = state
        self.book = book
        self.context = context
        self.memory = Memory(state, journal)
        self.logs = Logs(self)
        self.progress: dict[int, tuple[int, int]] = {}
        self.results = Results(self)
        self.bodies = Bodies(self)
        self.drivers = Drivers(self)
        self.waits = Waits(self)
        self.growing = Growing(self)
        self.catching = Catching(self)
        self.trouble = Trouble(self)
        self.committer = Committer(journal, self.loop, host.writer, self._durable, self.trouble.met)
        self.outcome: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self.closed = False
        self.leaving = False
        self.closing = False
        self.gone = asyncio.Event()
        self.notices: list[str] = []
        self.observers: list[Observer] = []
        self.receipts: dict[str, list[asyncio.Future[c.Acknowledge]]] = {}
        self._token = state.tokens
        self._patience: Patience | None = None
        self._after: dict[int, Callable[[], None]] = {}
        self._spawned: set[asyncio.Task[Any]] = set()
        self._said = False
        self._finishing = False
        self._do: Deeds = {**deeds(self), c.FinishRun: self._finish_run, c.FailRun: self._fail_run}

    @property
    def workflow_id(self) -> str:
        """The id of the run."""
        return self.journal.workflow_id

    def now(self) -> float:
        """Return UTC seconds, to the millisecond."""
        return int(self.host.clock.time() * 1000.0 + 0.5) / 1000.0  # as round(x, 3), in a fifth of its time

    # ---- the way of a record ----

    def write(self, record: r.Record, then: Callable[[], None] | None = None) -> None:
        """Commit a record; ``then`` is called when it is durable and taken."""
        if self.closed:
            return
        if then is not None:
            self._after[id(record)] = then
        try:
            self.committer.write(record)
        except (TypeError, ValueError, RecursionError) as error:
            self.broken(error)

    async def commit(self, *records: r.Record) -> None:
        """Commit records as one unit and return when they are durable and taken."""
        taken = asyncio.Event()
        for record in records[:-1]:
            self.write(record)
        self.write(records[-1], then=taken.set)
        if self.closed:
            raise asyncio.CancelledError(f"run {self.workflow_id!r} is closed")
        await taken.wait()

    def apply_volatile(self, record: r.Record) -> None:
        """Take a record that is not journaled, because everything after it makes it known."""
        try:
            self._take(record)
        except Exception as error:
            self.broken(error)

    def _durable(self, records: Sequence[r.Record]) -> None:
        self.bodies.turn()
        self._said = _log.isEnabledFor(logging.INFO)
        try:
            for record in records:
                self._take(record)
                if self._after:
                    then = self._after.pop(id(record), None)
                    if then is not None:
                        then()
        except Exception as error:
            self.broken(error)
        self.host.keeper.stir(self)
        self.notify()

    def _take(self, record: r.Record) -> None:
        commands = self.state.handle(record)
        if self._said:
            say(self.state, record, commands)
        if watching.watchers:
            watching.took(self, record, commands)
        for command in commands:
            self._do[type(command)](command)

    def notify(self) -> None:
        """Tell the observers that something may have changed."""
        for observer in [*self.observers]:
            try:
                observer(self)
            except Exception:  # who looks on must not stop the run
                _log.exception("%s: an observer failed", self.workflow_id)

    @property
    def pending(self) -> bool:
        """True while something is to be written, or was written and is not durable yet."""
        return self._finishing or self.committer.pending

    # ---- what the parts of a run use ----

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine of the engine for this run; it is cancelled when the run is closed."""
        task = self.loop.create_task(coroutine, context=self.context.copy())
        self._spawned.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._spawned.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self.closed:
            self.broken(error)  # else whoever waits for what it was to do would wait for ever

    def lane(self, executor: str | None) -> Lane:
        """Return the lane of an executor by name."""
        return self.host.lane(executor)

    def next_token(self) -> int:
        """Return a number that tells one wait from another."""
        self._token = max(self._token, self.state.tokens) + 1
        return self._token

    def notice(self, text: str) -> None:
        """Say something to the person who watches the run."""
        self.notices.append(text)
        _log.warning("%s: %s", self.workflow_id, text, extra={"action": "notice", "workflow_id": self.workflow_id})

    def task_of(self, index: int) -> Task[Any, Any]:
        """Return the code of a node: the one given now, else the stored one. Raises WorkflowNotResumableError."""
        key = self.state.nodes[index].spec.code
        task = self.book.live.get(key)
        if task is None:
            task = self.book.live[key] = load_code(self, key)
        return task

    # ---- results ----

    def finish_node(self, index: int, value: Any, stored: Any, started: float, ended: float, attempt: int) -> None:
        """Write that a node has its value."""
        self.memory.arrive(index, value)
        self.write(r.TaskSucceeded(index, stored, started, ended, attempt))

    def grow(self, index: int, dag: Any, started: float, ended: float, attempt: int) -> None:
        """Write that a body returned a continuation."""
        self.growing.grow(index, dag, started, ended, attempt)

    # ---- the end ----

    def _finish_run(self, _: c.FinishRun) -> None:
        self._finishing = True
        self.spawn(self._finish())

    async def _finish(self) -> None:
        await self.host.keeper.collect(self)  # what was sent until now is told as taken by nobody
        left = tuple(event.event_id for event in self.state.inbox.waiting())
        self.write(r.RunSucceeded(self.now(), left), then=self._succeeded)
        self._finishing = False

    def _succeeded(self) -> None:
        self.spawn(self._give_result())

    async def _give_result(self) -> None:
        try:
            value = await self.memory.fetch(self.state.output)
        except BaseException as error:
            self._settle(error=error)
        else:
            if self.state.cleanup == "success":
                await self._clean_up()
            await self.results.kept()
            self._settle(value)
        await self.close()

    async def _clean_up(self) -> None:
        """Remove the values that nobody needs now; the run has succeeded whatever comes of that."""
        await self.host.keeper.settle(self)
        self.closed = True
        try:
            await asyncio.to_thread(clean_up, self)
        except Exception as error:
            self.notice(f"The values of run {self.workflow_id!r} could not be removed: {error} The result is safe.")

    def _fail_run(self, command: c.FailRun) -> None:
        self.write(r.RunFailed(self.now(), command.node), then=self._failed)

    def _failed(self) -> None:
        self._settle(error=execution_error(self.state, self.blobs))
        self.spawn(self._drain())

    async def _drain(self) -> None:
        """Let the bodies that run finish and be stored; then give the run up."""
        await self.bodies.drained()
        await self.close()

    def cancel(self, by: str = "", at_once: bool = False) -> None:
        """Write that the run is canceled, and stop everything; a state machine ends its handler before."""
        if not at_once and self.drivers.cancels_later(by):
            return
        left = tuple(event.event_id for event in self.state.inbox.waiting())
        self.write(r.RunCanceled(self.now(), by, left), then=self._canceled)

    def _canceled(self) -> None:
        self._settle(error=WorkflowCancellationError(self.workflow_id, f"Workflow {self.workflow_id!r} was canceled."))
        self.spawn(self.close())

    def mind_people(self, seconds: float) -> None:
        """Let the run go when for so long only a person could move it: nobody watches it. Idempotent."""
        if self._patience is None:
            self._patience = Patience(self, seconds)

    async def detach(self, why: str, error: BaseException | None = None) -> None:
        """Let the run go so that anybody may resume it; bodies that run are stopped or abandoned."""
        status = self.state.status
        if status in (WorkflowStatus.SUCCESSFUL, WorkflowStatus.CANCELED):
            await self.gone.wait()  # it ends by itself, with its own outcome
            return
        self.leaving = True
        if self.trouble.reason:
            self.committer.stop()  # nothing can be written; what is durable is enough to go on
        elif not self.closed and status is not WorkflowStatus.FAILED:
            self.write(r.RunDetached(self.now(), why))
            await self.committer.drained()
        await self.close()
        let_go = f"Run {self.workflow_id!r} was let go ({why}); go on with nbflow.resume({self.workflow_id!r})."
        self._settle(error=error or WorkflowNotResumableError(self.workflow_id, let_go))

    def lost(self, error: BaseException) -> None:
        """Give up: another process owns the run now, or its storage is gone."""
        self.committer.stop()
        message = (
            f"Run {self.workflow_id!r} is run here no more: {error} nbflow.list_runs() shows what there "
            f"is; nbflow.run(dag, workflow_id={self.workflow_id!r}) goes on with a run of this id, or begins it anew."
        )
        self._settle(error=RunIsLive(self.workflow_id, message))
        self.loop.create_task(self.close())

    def broken(self, error: BaseException) -> None:
        """Give up after an error of nbflow itself: nobody shall wait for ever. What is stored stays as it is."""
        _log.error("%s: the engine failed", self.workflow_id, exc_info=error)
        self.committer.stop()
        self._settle(error=error)
        self.loop.create_task(self.close())

    def _settle(self, value: Any = None, error: BaseException | None = None) -> None:
        if self.outcome.done():
            return
        if error is not None:
            self.outcome.set_exception(error)
        else:
            self.outcome.set_result(value)
        self.host.next_turns()

    async def close(self) -> None:
        """Stop what runs and give the journal back. Idempotent."""
        if self.closing:
            await self.gone.wait()
            return
        self.closing = True
        await self.committer.drained()
        self.closed = True
        self.bodies.stop_all()
        self.waits.close_all()
        self.committer.stop()
        mine = asyncio.current_task()
        for task in self._spawned:
            if task is not mine:
                task.cancel()
        for receipts in self.receipts.values():
            for receipt in receipts:
                receipt.cancel()
        await self.host.release(self)
        self.gone.set()
