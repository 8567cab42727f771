"""The histories: what is done to a run, and befalls its machine, until it has to come to its end."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

from nbflow.core.status import WorkflowStatus
from nbflow.engine import inspect
from nbflow.engine.beginning import DEFAULT_CHOICES
from nbflow.engine.context import task_context
from nbflow.engine.events import deliver, leave
from nbflow.errors import (
    NbflowError,
    RunIsLive,
    StorageDamaged,
    WorkflowExecutionError,
    WorkflowNotFoundError,
    WorkflowNotResumableError,
)

from . import bodies, graphs
from .stage import ACCEPTED, RUN, Stage
from .threads import Thread
from .world import Process, Violation, World, simulated

LIMIT, TURNS = 3_600.0, 60_000
"""Simulated seconds, and turns, in which a run must come to its end when nothing goes wrong any more."""


class History:
    """One run, from its first life to its end."""

    name = "graph"

    def __init__(self, world: World) -> None:
        self.world = world
        self.random = world.random
        self.stage = bodies.stage = self.make_stage()
        self.value: Any = None
        self.done = False

    def make_stage(self) -> Stage:
        """Return the oracle of the run."""
        return Stage(self.world, graphs.draw(self.random))

    # ---- who does something ----

    def own(self, process: Process, takeover: bool = False) -> None:
        """Run the graph, again and again, until it has its value or belongs to somebody else."""
        for _ in range(4):
            try:
                runner = self.open(process, takeover)
                if runner is None:
                    self.value, self.done = self.ended(process), True
                    return
                self.world.note(f"opened as owner {runner.journal.epoch}")
                self.stage.watch(runner)
                self.world.scheduler.wait(runner.outcome.done)
                self.value = runner.outcome.result()
                self.done = True
                return
            except WorkflowExecutionError as error:
                self.world.note(f"failed: {error!r}")
                self.stage.mended = self.stage.mended or self.random.random() < 0.7
            except (RunIsLive, WorkflowNotFoundError, WorkflowNotResumableError) as error:
                self.world.note(f"told {error!r}")
                self.world.scheduler.sleep(self.random.choice((0.1, 5.0)))
                live = process.host.runners.get(RUN)
                if live is not None:
                    self.world.scheduler.wait(live.outcome.done)
            except (NbflowError, OSError) as error:
                self.world.note(f"told {error!r}")
                excuse(error)
                self.world.scheduler.sleep(2.0)

    def open(self, process: Process, takeover: bool) -> Any:
        """Begin or go on with the run; return its runner, None when it is over."""
        call, host = process.engine.call, process.host
        if self.random.random() < 0.4 and process.storage.exists(RUN):
            return call(host.resume, RUN, task_context(), takeover)
        dag = bodies.build(self.stage.plan.steps)
        return call(host.run, RUN, dag, ((), {}), None, task_context(), takeover, DEFAULT_CHOICES)

    def ended(self, process: Process) -> Any:
        """Return the value of a run that is over."""
        raise NotImplementedError

    def send(self, process: Process) -> None:
        """Send events from a process, some of them twice, and through the run itself where it is live."""
        for event_id, key in self.events():
            for _ in range(self.random.choice((1, 1, 2))):
                try:
                    self.send_one(process, event_id, key)
                except (NbflowError, OSError) as error:
                    excuse(error)
            self.world.scheduler.sleep(self.random.choice((0.0, 0.05, 2.0)))

    def send_one(self, process: Process, event_id: str, key: str) -> str:
        """Send one event, take note of its receipt, and return its status."""
        live = process.host.runners.get(RUN)
        payload = self.payload(event_id, key)
        if live is not None:
            receipt = process.engine.call(deliver, process.host, live, key, payload, event_id, "", "test")
        else:
            receipt = leave(process.storage, RUN, key, payload, event_id, "")
        self.stage.told(receipt.status, event_id, key)
        status: str = receipt.status
        return status

    def payload(self, event_id: str, key: str) -> Any:
        """Return what an event brings."""
        return {"key": key, "id": event_id}

    def events(self) -> list[tuple[str, str]]:
        """Return all events that the run needs, and some more, in some order."""
        keys = [step.key for step in self.stage.plan.all() if step.kind in ("wait", "timeout")]
        found = [(f"{key}#{n}", key) for n, key in enumerate(keys)]
        found += [("shared#more", graphs.SHARED)] if graphs.SHARED in keys else []
        self.random.shuffle(found)
        return found

    def look(self, process: Process) -> None:
        """Read the run as a listing does, from outside."""
        for _ in range(self.random.randint(1, 4)):
            ended, finished = self.stage.ended, [*self.stage.finished]
            try:
                process.storage.list_runs()
                state = inspect.read(process.storage, RUN)
            except WorkflowNotFoundError:
                if finished or ended:
                    raise Violation("the run is gone") from None
            except (NbflowError, OSError) as error:
                excuse(error)
            else:
                self._check_read(state, ended, finished)
            self.world.scheduler.sleep(self.random.choice((0.1, 1.0)))

    def _check_read(self, state: Any, ended: WorkflowStatus | None, finished: list[str]) -> None:
        if ended is WorkflowStatus.CANCELED and state.status is not ended:
            raise Violation(f"the run was {ended}, and a reader finds it {state.status}")
        if missing := set(finished) - self.stage.known(state):
            raise Violation(f"{missing} were done, and a reader does not find them")

    # ---- what happens ----

    def lives(self) -> None:
        """Let the run live and die a few times."""
        for _ in range(self.random.choice((0, 1, 1, 2, 3))):
            self.draw_faults()
            owner = self.begin(lambda process: self.own(process, takeover=self.random.random() < 0.3))
            threads = [owner, self.begin(self.send)]
            if self.random.random() < 0.3:
                threads.append(self.begin(lambda process: self.own(process, takeover=True)))
            if self.random.random() < 0.3:
                threads.append(self.begin(self.look))
            patience = self.random.choice((1.0, 30.0, 300.0))
            self.world.run_until(partial(_all_over, threads), patience, 4_000)
            if self.random.random() < 0.5:
                self.end_all()

    def begin(self, act: Callable[[Process], None]) -> Any:
        """Let somebody act in a process of its own, or in one that is there."""
        there = [process for process in self.world.processes if not process.dead]
        process = self.random.choice(there) if there and self.random.random() < 0.3 else self.world.boot()

        def main() -> None:
            try:
                act(process)
            except Violation as error:
                self.world.complain(str(error))
            except Exception as error:
                self.world.complain(f"somebody was told {error!r}", error)

        return process.thread("client", main)

    def draw_faults(self) -> None:
        """Draw what befalls the machine next."""
        world, luck = self.world, self.random.random()
        moment = int(self.random.expovariate(1 / self.random.choice((20, 100, 400))))
        world.kill_in = moment if luck < 0.4 else -1
        world.cut_in = moment if 0.4 <= luck < 0.8 else -1
        world.error_rate = self.random.choice((0.0, 0.0, 0.01, 0.05))
        world.disk.misjudgement = self.random.choice((0.0, 0.0, 0.3))

    def end_all(self) -> None:
        """Kill every process; the machine goes on."""
        self.world.note("all processes are killed")
        for process in self.world.processes:
            process.kill()
        self.world.processes = []

    def judge(self) -> None:
        """Let nothing go wrong any more: the run must come to its end, and everything promised must hold."""
        self.world.calm()
        self.stage.mended = True
        if self.random.random() < 0.7:
            self.end_all()
        self.done = False
        self.world.disk.misjudgement = 0.0
        client = self.begin(self._finish)
        if not self.world.run_until(lambda: client.over, LIMIT, TURNS) or not self.done:
            raise Violation(f"the run does not come to its end: {self.where()}")
        self.end_all()
        storage = self.world.boot().storage
        late = {item.event["id"] for item in storage.open_run(RUN).poll_inbox()}
        self.stage.judge(self.value, inspect.read(storage, RUN), late)

    def _finish(self, process: Process) -> None:
        sender = self.begin(self.send_all)
        for _ in range(12):
            if not self.done:
                self.own(process, takeover=True)
        self.world.scheduler.wait(lambda: sender.over)

    def send_all(self, process: Process) -> None:
        """Send everything until it is taken."""
        for event_id, key in self.events():
            self.send_until_accepted(process, event_id, key)

    def send_until_accepted(self, process: Process, event_id: str, key: str) -> None:
        """Send an event until it counts, or the run is over."""
        while not self.done:
            try:
                if self.send_one(process, event_id, key) in ACCEPTED:
                    return
            except (NbflowError, OSError) as error:
                excuse(error)
            self.world.scheduler.sleep(1.0)

    def told(self) -> str:
        """Return the whole story."""
        return "\n".join([*map(str, self.stage.plan.steps), *self.world.story])

    def where(self) -> str:
        """Return where the run stands."""
        try:
            state = inspect.read(self.world.boot().storage, RUN)
        except Exception as error:
            return repr(error)
        nodes = [f"{node.node_id} {node.status}" for node in state.nodes if not node.status.finished]
        return f"{state.status}: {', '.join(nodes)}; turns {self.world.scheduler.turns}"


def _all_over(threads: list[Thread]) -> bool:
    return all(thread.over or thread.dead for thread in threads)


def excuse(error: BaseException) -> None:
    """Let pass what a full or failing disk and a rival excuse."""
    if isinstance(error, StorageDamaged):
        raise Violation(f"damage where there is none: {error}") from error
    if isinstance(error, OSError) and not isinstance(error, (FileExistsError, RunIsLive)):
        raise Violation(f"a bare {error!r} reached the caller: {traceback.format_exception(error)}") from error


def play(kind: type[History], seed: int) -> History:
    """Play one history. A failure tells its story, and how to play it once more."""
    with simulated(seed) as world:
        history = kind(world)
        try:
            history.lives()
            history.judge()
        except Exception as error:
            world.note(f"{type(error).__name__}: {error}")
            error.add_note(history.told())
            error.add_note(f"once more: python -m tests.simulation {kind.name} {seed}")
            raise
        finally:
            bodies.stage = None
        return history
