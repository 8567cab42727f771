"""Processes that have at one thing at once, and what they do to a run, whatever it is kept in."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Protocol

from greenlet import getcurrent, greenlet

from nbflow.errors import NbflowError, StorageDamaged, WorkflowNotFoundError, WorkflowStillActiveError
from nbflow.storage.base import Storage

from .disk_model import Killed, PowerCut
from .engine_model import RUN, Engine
from .oracle import Oracle, Violation

FAILURES = (NbflowError, OSError)
Gate = Callable[[Any, str], None]
"""What a process passes before each of its calls."""


class Stage(Protocol):
    """Where processes act; all that happens follows from its seed."""

    random: Random

    def boot(self) -> Any:
        """Start a process."""

    def stop_processes(self) -> None:
        """Kill every process."""

    def power_cut(self) -> None:
        """Cut the power, where there is a machine to be cut off from it."""


class Play(Stage, Protocol):
    """The history of one run; an owner begins so many ``steps`` at the most, a reader so many ``looks``."""

    oracle: Oracle
    steps: int
    looks: int

    def storage(self, process: Any) -> Storage:
        """Return the storage as a process sees it."""

    def engine(self, process: Any) -> Engine:
        """Return an engine in a process."""


def taking_turns(then: Gate) -> Gate:
    """Return the gate of processes that are interleaved here; ``then`` is what may go wrong."""
    scheduler = getcurrent()

    def gate(process: Any, call: str) -> None:
        scheduler.switch()
        if process.dead:
            raise Killed
        then(process, call)

    return gate


def interleave(stage: Any, *tasks: Callable[[Any, Any], None]) -> None:
    """Run tasks, each in a process of its own, until all have ended or the power is cut."""
    actors = [greenlet(_actor(task, stage)) for task in tasks]
    random, alive = stage.random, [*actors]
    try:
        _take_turns(random, alive)
    except PowerCut:
        _end(stage, alive)
        stage.power_cut()
    finally:
        _end(stage, actors)


def _take_turns(random: Random, alive: list[greenlet]) -> None:
    while alive:
        actor = random.choice(alive)
        # A few calls at a time, so that an owner gets somewhere before the next one interferes.
        for _ in range(random.choice((1, 1, 2, 5, 20))):
            actor.switch()
            if actor.dead:
                alive.remove(actor)
                break


def _end(stage: Stage, actors: list[greenlet]) -> None:
    stage.stop_processes()
    for actor in actors:
        actor.throw()


def _actor(task: Callable[[Any, Any], None], stage: Stage) -> Callable[[], None]:
    def act() -> None:
        try:
            task(stage, stage.boot())
        except Killed:
            pass

    return act


def live(play: Play, process: Any, steps: int) -> None:
    """Own the run a few times, as often as not to the end, and send to it and delete it now and then."""
    random = play.random
    for _ in range(3):
        engine = play.engine(process)
        try:
            engine.open(takeover=random.random() < 0.3)
            for _ in range(random.randint(1, steps)):
                engine.step()
                if random.random() < 0.15:
                    send(play, process)
            assert engine.run is not None
            engine.run.close()
            if random.random() < 0.05:
                delete(play, process)
        except FAILURES as error:
            judge_error(error)
            if engine.run is not None:
                engine.run.close()


def own(play: Play, process: Any) -> None:
    """Take the run from whoever has it."""
    random = play.random
    for _ in range(random.randint(1, 3)):
        engine = play.engine(process)
        try:
            engine.open(takeover=random.random() < 0.8)
            for _ in range(random.randint(1, play.steps)):
                engine.step()
            if random.random() < 0.5 and engine.run is not None:
                engine.run.close()
        except FAILURES as error:
            judge_error(error)


def look(play: Play, process: Any) -> None:
    """Read the run without owning it."""
    for _ in range(play.random.randint(0, play.looks)):
        truth, known = play.oracle.truth, list(play.oracle.truth.known)
        try:
            storage = play.storage(process)
            storage.list_runs()
            records = storage.read_run(RUN)
            if truth is play.oracle.truth:
                truth.check(known, [*records])
        except WorkflowNotFoundError:
            if truth is play.oracle.truth:
                play.oracle.found(bool(known), False)
        except FAILURES as error:
            judge_error(error)


def post(play: Play, process: Any) -> None:
    """Send to the run."""
    for _ in range(play.random.randint(0, 3)):
        try:
            send(play, process)
        except FAILURES as error:
            judge_error(error)


def remove(play: Play, process: Any) -> None:
    """Delete the run, once or twice."""
    for _ in range(play.random.randint(1, 2)):
        try:
            delete(play, process)
        except FAILURES as error:
            judge_error(error)


def send(play: Play, process: Any) -> None:
    """Send an event to the run, sometimes twice."""
    event, truth = play.oracle.new_event(), play.oracle.truth
    for _ in range(play.random.choice((1, 1, 2))):
        try:
            play.storage(process).send(RUN, {"id": event, "key": "k"})
        except WorkflowNotFoundError:
            return
        truth.sent.add(event)


def delete(play: Play, process: Any) -> None:
    """Delete the run for good, if nobody is at work on it."""
    truth, known = play.oracle.truth, bool(play.oracle.truth.known)
    try:
        play.storage(process).delete_run(RUN)
    except WorkflowNotFoundError:
        if truth is play.oracle.truth:
            play.oracle.found(known, False)
    except WorkflowStillActiveError:
        pass
    else:
        play.oracle.deletion_returned()


def judge_error(error: BaseException) -> None:
    """Let pass what a full or failing disk, a network and a rival excuse."""
    if isinstance(error, StorageDamaged):
        raise Violation(f"damage where there is none: {error}") from error
    if isinstance(error, OSError) and not isinstance(error, FileExistsError):
        raise Violation(f"a bare {error!r} reached the caller") from error
