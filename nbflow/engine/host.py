"""All runs of this process: who owns what, who has to wait for a turn, and what other processes sent."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import queue
from collections.abc import Callable, Mapping
from contextvars import Context
from typing import Any

from ..core import records as r
from ..core.commands import Acknowledge
from ..core.graph import Json
from ..core.state import RunState
from ..core.status import WorkflowStatus
from ..dag.code import CodeBook
from ..dag.compile import bind_inputs, root_of
from ..dag.node import Node
from ..errors import RunIsLive, WorkflowNotResumableError
from ..executors.base import Executor, show
from ..executors.outcome import presentable
from ..executors.registry import resolve
from ..storage.base import RunJournal, Storage
from . import mended, over_http
from .beginning import DEFAULT_CHOICES, Beginning, Choices, begin, check_compiles, opened, used
from .clock import Clock, SystemClock
from .code import refuse_other_python
from .folding import fold as fold
from .keeper import Keeper
from .lanes import Lane
from .loop import EngineLoop
from .runner import Runner
from .streams import hear, uninstall

LinkTo = Callable[[str, str, int], str]
"""What makes a link from the id of a run, the id of a node, and the token of the wait that asks."""


PATIENCE = 5.0
"""Seconds that the runs which are being opened have when everything is closed."""


class Limits:
    """How many runs may go at once, and how many may wait; None is without end."""

    def __init__(self, running: int | None = None, pending: int | None = None) -> None:
        self.running = running
        self.pending = pending


class Host:
    """The live runs on one storage. Methods are for the engine's loop, unless they say otherwise."""

    def __init__(
        self, storage: Storage, engine: EngineLoop, *, executor: Any = None, limits: Limits | None = None,
        clock: Clock | None = None, notebook_loop: asyncio.AbstractEventLoop | None = None,
        executors: Mapping[str, Executor] | None = None,
    ) -> None:  # fmt: skip
        self.storage = storage
        self.engine = engine
        self.limits = limits or Limits()
        self.clock: Clock = clock or SystemClock(engine.loop)
        self.runners: dict[str, Runner] = {}
        self.waiting: dict[str, Runner] = {}
        self.opening: dict[str, asyncio.Future[None]] = {}
        self.closing = False
        self.notebook_loop = notebook_loop
        self.notebook_loop_by_default = notebook_loop is not None
        self.link_to: LinkTo | None = None
        """Returns a link at which a question can be answered, while an endpoint runs in this process."""
        self.on_http: Callable[[], str] | None = None
        """Starts an endpoint for events of HTTP, and returns what to tell the person, '' when one runs already."""
        self.tell: Callable[[str], None] = print
        """Says one line to the person in whose context it is called."""
        self.farewells: list[Callable[[], None]] = []
        """What is to be called, from outside the loop, before the host is closed."""
        self.writer = concurrent.futures.ThreadPoolExecutor(
            getattr(storage, "writers", 1), thread_name_prefix="nbflow-writer"
        )
        self.keeper = Keeper(self)
        self._default_executor = executor
        self._named_executors = dict(executors or {})
        self._lanes: dict[str, Lane] = {}

    # ---- executors ----

    def lane(self, name: str | None) -> Lane:
        """Return the lane of an executor, made on first use. Raises ValueError for an unknown one."""
        key = name or "default"
        lane = self._lanes.get(key)
        if lane is None:
            wanted = self._default_executor if name is None else self._named_executors.get(name, name)
            executor: Executor = resolve(wanted)
            if getattr(executor, "on_message", None) is show:
                executor.on_message = hear  # type: ignore[attr-defined]
            slots = getattr(executor, "workers", None) or min(32, (os.cpu_count() or 1) + 4)
            lane = self._lanes[key] = Lane(executor, slots, self.engine.loop)
        return lane

    def on_notebook_loop(
        self, function: Callable[..., Any], args: list[Any], kwargs: Json, context: Context
    ) -> concurrent.futures.Future[Any]:
        """Run a coroutine function on the notebook's loop and return its future."""
        if self.notebook_loop is None or self.notebook_loop.is_closed():
            failed: concurrent.futures.Future[Any] = concurrent.futures.Future()
            failed.set_exception(RuntimeError(
                "A task with loop='notebook' needs a notebook's loop, or asyncio.run's: start its run from there."
            ))  # fmt: skip
            return failed

        async def body() -> Any:
            try:
                return await function(*args, **kwargs)
            except SystemExit as error:  # it would end the notebook's loop, and with it the kernel
                raise presentable(error) from error

        return context.run(asyncio.run_coroutine_threadsafe, body(), self.notebook_loop)

    def pins_tasks(self, workflow_id: str, loop: asyncio.AbstractEventLoop) -> bool:
        """Tell whether a run has tasks that need this loop of the notebook. May be called from any thread."""
        live = self.runners.get(workflow_id)
        if live is None or loop is not self.notebook_loop:
            return False
        return self.notebook_loop_by_default or any(
            task.settings.loop == "notebook" for task in [*live.book.live.values()]
        )

    # ---- begin and go on ----

    async def run(
        self, workflow_id: str, dag: Any, inputs: tuple[tuple[Any, ...], Json], metadata: Json | None, context: Context,
        takeover: bool = False, choices: Choices = DEFAULT_CHOICES,
    ) -> Runner:  # fmt: skip
        """Begin a run, or go on with one of this id with the graph and code given now; return when it is stored."""
        root = root_of(dag)
        values = bind_inputs(root, *inputs)
        if choices.existing == "error" and workflow_id in self.runners:
            raise used(workflow_id)
        async with self._opened(workflow_id):
            if choices.existing == "restart":
                await asyncio.to_thread(self._clear, workflow_id, root, values)
            journal, state, fresh = await asyncio.to_thread(
                self._open_or_create, workflow_id, takeover, choices.existing == "error"
            )
            try:
                if state.status is WorkflowStatus.CANCELED:
                    raise WorkflowNotResumableError(
                        workflow_id,
                        f"Run {workflow_id!r} was canceled, which is final. Use another workflow_id, or "
                        f"nbflow.delete({workflow_id!r}) first.",
                    )
                now = round(self.clock.time(), 3)
                found = await asyncio.to_thread(begin, journal, state, root, values, metadata, choices, now)
            except BaseException:
                await asyncio.to_thread(self._give_back, journal, fresh, workflow_id)
                raise
            runner = Runner(self, journal, state, found.book, context)
            await self._launch(runner, found)
            if kept := mended.notice(state):
                runner.notice(kept)
            return runner

    async def resume(self, workflow_id: str, context: Context, takeover: bool = False) -> Runner:
        """Go on with a stored run, with its stored graph and code."""
        async with self._opened(workflow_id):
            journal = await asyncio.to_thread(self.storage.open_run, workflow_id, takeover=takeover)
            try:
                state = await asyncio.to_thread(fold, journal.records)
                if state.status is None or state.output < 0 or state.status is WorkflowStatus.CANCELED:
                    why = "was canceled, which is final" if state.status else "was never wholly stored"
                    raise WorkflowNotResumableError(workflow_id, f"Run {workflow_id!r} {why}; use another workflow_id.")
                refuse_other_python(state)
                found = Beginning(CodeBook())
                now = round(self.clock.time(), 3)
                found.records.append(await asyncio.to_thread(opened, state, now, found.notices))
            except BaseException:
                await asyncio.to_thread(journal.close)
                raise
            return await self._launch(Runner(self, journal, state, found.book, context), found)

    @property
    def going(self) -> int:
        """How many runs have their turn and no outcome yet."""
        return sum(not each.outcome.done() for each in self.runners.values()) - len(self.waiting)

    def _opened(self, workflow_id: str) -> _Opening:
        return _Opening(self, workflow_id)

    def check_room(self) -> None:
        """Raise queue.Full when one more run may neither start nor wait."""
        running, pending = self.limits.running, self.limits.pending
        going = self.going
        if running is None or going + len(self.waiting) + len(self.opening) < running:
            return
        if pending is not None and going + len(self.waiting) + len(self.opening) >= running + pending:
            raise queue.Full(
                f"Workflow queue has been full: {running} run and {pending} wait. Try again when one has ended, or "
                "raise max_running_workflows or max_pending_workflows in nbflow.init()."
            )

    def _clear(self, workflow_id: str, root: Node[Any], inputs: dict[int, Any]) -> None:
        """Delete a run of this id, if there is one, for a graph that can take its place."""
        check_compiles(root, inputs)
        if self.storage.exists(workflow_id):
            self.storage.delete_run(workflow_id)

    def _open_or_create(self, workflow_id: str, takeover: bool, new: bool = False) -> tuple[RunJournal, RunState, bool]:
        self.storage.check_writable()
        if not self.storage.exists(workflow_id):
            try:
                return self.storage.create_run(workflow_id), RunState(), True
            except FileExistsError:
                pass
        if new:
            raise used(workflow_id)
        journal = self.storage.open_run(workflow_id, takeover=takeover)
        try:
            state = fold(journal.records)
        except BaseException:
            journal.close()  # a run that cannot be read must not stay owned by who tried
            raise
        return journal, state, state.status is None

    def _give_back(self, journal: RunJournal, fresh: bool, workflow_id: str) -> None:
        journal.close()
        if fresh and self.storage.exists(workflow_id):
            self.storage.delete_run(workflow_id)

    async def _launch(self, runner: Runner, beginning: Beginning) -> Runner:
        for notice in beginning.notices:
            runner.notice(notice)
        runner.committer.acknowledged = len(runner.journal.records)
        for record in beginning.records:
            runner.write(record)
        runner.journal.records = []
        await runner.committer.drained()
        if runner.journal.epoch > 1:
            await self.keeper.collect(runner)
        if runner.outcome.done():
            await runner.gone.wait()  # else whoever begins it once more finds it owned by this process
            return runner  # lost to another process while it began: it is none of the live ones
        self.runners[runner.workflow_id] = runner
        self.keeper.watch(runner)
        if self.limits.running is not None and (self.waiting or self.going > self.limits.running):
            self.waiting[runner.workflow_id] = runner
        else:
            runner.write(r.RunStarted(runner.now()))
        await over_http.open_if_wanted(runner)
        return runner

    async def release(self, runner: Runner) -> None:
        """Take a closed run out and give the next one its turn."""
        self.waiting.pop(runner.workflow_id, None)
        await self.keeper.leave(runner)
        # only now: until its last state is in the listing cache, the run answers for itself
        if self.runners.get(runner.workflow_id) is runner:
            del self.runners[runner.workflow_id]
        self.next_turns()

    def next_turns(self) -> None:
        """Let the runs that wait begin, the first one first, as far as there is room."""
        while self.waiting and not self.closing:
            if self.limits.running is not None and self.going >= self.limits.running:
                return
            following = self.waiting.pop(next(iter(self.waiting)))
            following.write(r.RunStarted(following.now()))

    def give_turn(self, workflow_id: str) -> None:
        """Let a run begin though there is no room: one that has its turn waits for it, and would wait for ever."""
        first = self.waiting.pop(workflow_id, None)
        if first is not None:
            first.write(r.RunStarted(first.now()))

    # ---- events ----

    async def send(self, runner: Runner, event_id: str, key: str, payload: Json, by: str, source: str) -> Acknowledge:
        """Give an event to a live run; return what became of it once that is durable."""
        receipt: asyncio.Future[Acknowledge] = self.engine.loop.create_future()
        runner.receipts.setdefault(event_id, []).append(receipt)
        runner.write(r.EventReceived(event_id, key, payload, runner.now(), by, source))
        try:
            return await receipt
        except asyncio.CancelledError:
            return Acknowledge(event_id, "closed")

    def say_farewell(self) -> None:
        """Call what wanted to be called before the host is closed. Not on the engine's loop."""
        for farewell in [*self.farewells]:
            farewell()

    async def close(self) -> None:
        """Detach every run and give all executors up."""
        self.closing = True
        stuck: set[asyncio.Future[None]] = set()
        while self.runners or {*self.opening.values()} - stuck:
            for runner in [*self.runners.values()]:
                await runner.detach("the engine was closed")  # also one that closes already: until its journal is free
            if self.opening:  # a run that is half open would stay owned by nobody; one on a bad disk may never be open
                stuck = (await asyncio.wait(self.opening.values(), timeout=PATIENCE))[1]
        for lane in self._lanes.values():
            await asyncio.to_thread(lane.executor.close)
        self._lanes.clear()
        self.keeper.stop()
        uninstall()
        self.writer.shutdown(wait=False)


class _Opening:
    """Holds the id of a run while it is being opened, so that two calls at once do not open it twice."""

    def __init__(self, host: Host, workflow_id: str) -> None:
        self.host = host
        self.workflow_id = workflow_id

    async def __aenter__(self) -> None:
        host, workflow_id = self.host, self.workflow_id
        live = host.runners.get(workflow_id)
        if live is not None and live.outcome.done():
            await live.gone.wait()
            live = host.runners.get(workflow_id)
        if live is not None or workflow_id in host.opening:
            raise RunIsLive(
                workflow_id,
                f"Workflow {workflow_id!r} is already running or pending in this process: nbflow.get_run("
                f"{workflow_id!r}) shows it. To go on with the code given now, let it go first; nothing is lost: "
                f"nbflow.get_run({workflow_id!r}).detach(). Or use another workflow_id.",
            )
        host.check_room()
        host.opening[workflow_id] = host.engine.loop.create_future()

    async def __aexit__(self, *_: object) -> None:
        self.host.opening.pop(self.workflow_id).set_result(None)
