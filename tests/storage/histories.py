"""Random histories of one run on a model disk: several lives of one owner, or several owners at once."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from random import Random
from unittest.mock import patch

from greenlet import getcurrent, greenlet

from nbflow.errors import NbflowError, RunIsLive, StorageDamaged, WorkflowNotFoundError, WorkflowStillActiveError
from nbflow.storage import journal, ownership
from nbflow.storage.folder import FolderStorage

from .disk_model import Disk, Killed, ModelOS, PowerCut
from .engine_model import RUN, Engine
from .faults import Faults
from .oracle import Oracle, Violation

ROOT = "/home/me/store"
MARK = json.dumps({"format": "nbflow", "version": 1, "min_reader": 1, "min_writer": 1}).encode()
SMALL_FRAME = 200
"""A frame limit that some commits of a few records pass."""
FAILURES = (NbflowError, OSError)


class History:
    """One disk, one run, one oracle. All that happens follows from the seed."""

    def __init__(self, seed: int) -> None:
        ownership._held.clear()
        self.random = Random(seed)
        self.disk = Disk(self.random)
        self.faults = Faults(self.random)
        self.oracle = Oracle()
        if self.random.random() < 0.8:
            self.disk.lay_out(f"{ROOT}/runs", f"{ROOT}/trash", f"{ROOT}/cache", ROOT, nbflow_json=MARK)
        else:
            self.disk.lay_out("/home")
        self.disk.gate = self.faults
        self.disk.on_create = self._created
        self.disk.on_rename = self._renamed

    def storage(self, process: ModelOS) -> FolderStorage:
        """Return the storage as a process sees it."""
        return FolderStorage(ROOT, os=process)

    def engine(self, process: ModelOS) -> Engine:
        """Return an engine in a process."""
        return Engine(self.storage(process), self.oracle, self.random)

    def send(self, process: ModelOS) -> None:
        """Send an event from a process, sometimes twice."""
        event, truth = self.oracle.new_event(), self.oracle.truth
        for _ in range(self.random.choice((1, 1, 2))):
            try:
                self.storage(process).send(RUN, {"id": event, "key": "k"})
            except WorkflowNotFoundError:
                return
            truth.sent.add(event)

    def delete(self, process: ModelOS) -> None:
        """Delete the run for good."""
        truth, known = self.oracle.truth, bool(self.oracle.truth.known)
        try:
            self.storage(process).delete_run(RUN)
        except WorkflowNotFoundError:
            if truth is self.oracle.truth:
                self.oracle.found(known, False)
            return
        except WorkflowStillActiveError:
            return
        self.oracle.deletion_returned()

    def power_cut(self) -> None:
        """Cut the power, and see in peace whether a deletion that was under way was undone."""
        self.disk.power_cut()
        gate, self.disk.gate = self.disk.gate, lambda process, call: None
        process = self.disk.boot()
        found = self.storage(process).exists(RUN)
        self.oracle.power_cut(self.storage(process).read_run(RUN) if found else None)
        process.dead = True
        self.disk.gate = gate

    def stop_processes(self) -> None:
        """Kill every process; the machine goes on."""
        for process in self.disk.processes.values():
            process.dead = True

    def judge(self) -> None:
        """Let everything go well, open the run once more, and check all that is promised."""
        self.stop_processes()
        self.disk.gate = lambda process, call: None
        self.disk.separate_caches, self.disk.misjudgement = False, 0.0
        engine = self.engine(self.disk.boot())
        engine.open(takeover=True)
        engine.take_events()
        engine.commit()
        self.power_cut()
        self.engine(self.disk.boot()).open(takeover=True)
        self.oracle.check_events()

    def _created(self, path: str, number: int) -> None:
        if path.endswith(".jsonl"):
            self.oracle.lives[number] = self.oracle.truth

    def _renamed(self, old: str, new: str) -> None:
        if old.endswith(f"/{RUN}"):
            self.oracle.deleted()


Task = Callable[[History, ModelOS], None]


def one_owner(seed: int) -> History:
    """Run the lives of one owner after another, each ended by a fault or by itself, and judge what is left."""
    with patch.object(journal, "FRAME_LIMIT", SMALL_FRAME):
        history = History(seed)
        for _ in range(history.random.randint(1, 4)):
            process = history.disk.boot()
            history.faults.arm()
            try:
                _live(history, process)
            except PowerCut:
                history.power_cut()
            except Killed:
                pass
            process.dead = True
        history.judge()
    return history


def _live(history: History, process: ModelOS) -> None:
    random = history.random
    for _ in range(3):
        engine = history.engine(process)
        try:
            engine.open(takeover=random.random() < 0.3)
            for _ in range(random.randint(1, 8)):
                engine.step()
                if random.random() < 0.15:
                    history.send(process)
            assert engine.run is not None
            engine.run.close()
            if random.random() < 0.05:
                history.delete(process)
        except FAILURES as error:
            _judge_error(error)
            if engine.run is not None:
                engine.run.close()


def many_owners(seed: int) -> History:
    """Run several owners, a sender, a reader and one who deletes, interleaved at every call, and judge what is left."""
    return _together(seed, _own, _own, _look, _post)


def many_lives(seed: int) -> History:
    """Let several owners and several who delete have at one run."""
    return _together(seed, _own, _own, _own, _remove, _remove)


def _together(seed: int, *tasks: Task) -> History:
    with patch.object(journal, "FRAME_LIMIT", SMALL_FRAME):
        history = History(seed)
        random = history.random
        history.faults.arm()
        history.disk.separate_caches = random.random() < 0.3
        history.disk.misjudgement = random.choice((0.0, 0.0, 0.3))
        scheduler = getcurrent()

        def gate(process: ModelOS, call: str) -> None:
            scheduler.switch()
            if process.dead:
                raise Killed
            history.faults(process, call)

        history.disk.gate = gate
        if random.random() < 0.3:
            tasks = (*tasks, _own, _remove)
        _interleave(history, [greenlet(_actor(task, history)) for task in tasks])
        history.judge()
    return history


def interrupted(seed: int) -> History:
    """Let all of what another process does happen between two calls of an owner that opens the run."""
    history = History(seed)
    history.disk.gate = lambda process, call: None
    history.disk.misjudgement = 1.0
    for _ in range(history.random.randint(0, 3)):
        owner = history.engine(history.disk.boot())
        owner.open(takeover=True)
        owner.commit()
    first, second = history.disk.boot(), history.disk.boot()
    owner, rival = history.engine(first), history.engine(second)
    countdown = itertools.count(-history.random.randrange(60))

    def gate(process: ModelOS, call: str) -> None:
        if process is first and next(countdown) == 0:
            if history.random.random() < 0.6:
                history.delete(second)
            _commit(rival)

    history.disk.gate = gate
    for engine in (owner, rival, owner, rival):
        _commit(engine, compacts=history.random.random() < 0.3)
    history.judge()
    return history


def _commit(engine: Engine, compacts: bool = False) -> None:
    try:
        if engine.run is None:
            engine.open(takeover=True)
        if compacts:
            engine.compact()
        engine.commit()
    except FAILURES as error:
        _judge_error(error)


def _interleave(history: History, actors: list[greenlet]) -> None:
    random, alive = history.random, list(actors)
    try:
        while alive:
            actor = random.choice(alive)
            # A few calls at a time, so that an owner gets somewhere before the next one interferes.
            for _ in range(random.choice((1, 1, 2, 5, 20))):
                actor.switch()
                if actor.dead:
                    alive.remove(actor)
                    break
    except PowerCut:
        history.stop_processes()
        for actor in alive:
            actor.throw()
        history.power_cut()
    finally:
        history.stop_processes()
        for actor in actors:
            actor.throw()


def _actor(task: Task, history: History) -> Callable[[], None]:
    def act() -> None:
        try:
            task(history, history.disk.boot())
        except Killed:
            pass

    return act


def _own(history: History, process: ModelOS) -> None:
    random = history.random
    for _ in range(random.randint(1, 3)):
        engine = history.engine(process)
        try:
            engine.open(takeover=random.random() < 0.8)
            for _ in range(random.randint(1, 6)):
                engine.step()
            if random.random() < 0.5 and engine.run is not None:
                engine.run.close()
        except FAILURES as error:
            _judge_error(error)


def _look(history: History, process: ModelOS) -> None:
    for _ in range(history.random.randint(0, 3)):
        truth, known = history.oracle.truth, list(history.oracle.truth.known)
        try:
            storage = history.storage(process)
            storage.list_runs()
            records = storage.read_run(RUN)
            if truth is history.oracle.truth:
                truth.check(known, records)
        except WorkflowNotFoundError:
            if truth is history.oracle.truth:
                history.oracle.found(bool(known), False)
        except FAILURES as error:
            _judge_error(error)


def _post(history: History, process: ModelOS) -> None:
    for _ in range(history.random.randint(0, 3)):
        try:
            history.send(process)
        except FAILURES as error:
            _judge_error(error)


def _remove(history: History, process: ModelOS) -> None:
    for _ in range(history.random.randint(1, 2)):
        try:
            history.delete(process)
        except FAILURES as error:
            _judge_error(error)


def _judge_error(error: BaseException) -> None:
    """Let pass what a full or failing disk and a rival excuse."""
    if isinstance(error, StorageDamaged):
        raise Violation(f"damage where there is none: {error}") from error
    if isinstance(error, OSError) and not isinstance(error, (FileExistsError, RunIsLive)):
        raise Violation(f"a bare {error!r} reached the caller") from error
