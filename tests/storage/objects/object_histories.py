"""Random histories of one run in a model of an object store: owners, senders, readers, deleters, and an oracle."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from unittest.mock import patch

from greenlet import getcurrent, greenlet

from nbflow.errors import NbflowError, RunIsLive, StorageDamaged, WorkflowNotFoundError, WorkflowStillActiveError
from nbflow.storage import ownership
from nbflow.storage.base import RunJournal
from nbflow.storage.objects import rolling
from nbflow.storage.objects.run import ObjectRun
from nbflow.storage.objects.storage import ObjectStorage
from tests.storage.engine_model import RUN, Engine
from tests.storage.oracle import Oracle, Truth, Unit, Violation

from .bucket_model import Faults, Killed, ModelBucket, Shelf

FAILURES = (NbflowError, FileExistsError)
SMALL_ROLL = 4
"""Commits after which a log is rolled up here."""
Task = Callable[["ObjectHistory", ModelBucket], None]


class ObjectEngine(Engine):
    """The engine that keeps the rules, on an object store: it knows a life of the run by its number."""

    def open(self, *, takeover: bool) -> None:
        """Take the run, or make it, and check what it says."""
        truth, known = self._oracle.truth, bool(self._oracle.truth.known)
        exists = self._storage.exists(RUN)
        if truth is self._oracle.truth:
            self._oracle.found(known, exists)
        run = self._storage.open_run(RUN, takeover=takeover) if exists else self._storage.create_run(RUN)
        assert isinstance(run, ObjectRun)
        self.run = run
        self._truth = self._oracle.opened(run.life, run.epoch, run.records)
        received = self._oracle.received
        self._seen = {received[record["u"]] for record in run.records if record["u"] in received}
        for record in run.records:
            if record["u"] in self._oracle.blobs:
                self._check_blob(run, record["u"])

    def commit_blob(self) -> None:
        """Store a large value, one of a few, and commit its name; sometimes nobody ever does."""
        assert self.run is not None
        unit = self._oracle.new_unit()
        sha256, _ = self.run.put_blob({}, [_content(unit)])
        if self._random.random() < 0.6:
            self._oracle.blobs[unit] = sha256
            self._append(unit, 1, blob=sha256)

    def _check_blob(self, run: RunJournal, unit: int) -> None:
        try:
            _, buffers = run.get_blob(self._oracle.blobs[unit])
        except StorageDamaged as error:
            if self._truth is not self._oracle.truth:
                return  # deleted meanwhile
            raise Violation(f"the value of unit {unit} is gone") from error
        if buffers != [_content(unit)]:
            raise Violation(f"the value of unit {unit} is another one: {buffers}")

    def take_events(self) -> None:
        """Receive what was sent, whether it is time to look or not."""
        assert isinstance(self.run, ObjectRun)
        self.run.hurry()
        super().take_events()


def _content(unit: Unit) -> bytes:
    return b"value %d" % (unit % 2) * 3


class ObjectOracle(Oracle):
    """The truth about a run. An owner may hear late, and after a deletion, of what was stored before it."""

    def __init__(self) -> None:
        super().__init__()
        self.landed: dict[Unit, Truth] = {}

    def acknowledged(self, truth: Truth, epoch: int, unit: Unit) -> None:
        """Take note that a commit returned."""
        if truth is self.truth or self.landed.get(unit) is not truth:
            super().acknowledged(truth, epoch, unit)


class ObjectHistory:
    """One shelf, one run, one oracle. All that happens follows from the seed."""

    def __init__(self, seed: int) -> None:
        ownership._held.clear()
        self.random = Random(seed)
        self.shelf = Shelf(self.random)
        self.oracle = ObjectOracle()
        self.shelf.landed = self._landed
        self.faults = self.shelf.faults

    def arm(self) -> None:
        """Draw what goes wrong from now on."""
        rates = self.random.choice(((0.0, 0.0, 0.0, 0.0), (0.02, 0.02, 0.2, 0.02), (0.0, 0.1, 0.1, 0.1)))
        old, self.shelf.faults = self.shelf.faults, Faults(*rates)
        self.faults = self.shelf.faults
        self.faults.injected, self.faults.kills = old.injected, old.kills
        if self.random.random() < 0.7:
            self.faults.kill_at = 1 + int(self.random.expovariate(1 / 80))

    def storage(self, process: ModelBucket) -> ObjectStorage:
        """Return the storage as a process sees it."""
        return ObjectStorage(process, sign=False)

    def engine(self, process: ModelBucket) -> ObjectEngine:
        """Return an engine in a process."""
        return ObjectEngine(self.storage(process), self.oracle, self.random)

    def send(self, process: ModelBucket) -> None:
        """Send an event from a process, sometimes twice."""
        event, truth = self.oracle.new_event(), self.oracle.truth
        for _ in range(self.random.choice((1, 1, 2))):
            try:
                self.storage(process).send(RUN, {"id": event, "key": "k"})
            except WorkflowNotFoundError:
                return
            if truth is self.oracle.truth:
                truth.sent.add(event)

    def delete(self, process: ModelBucket) -> None:
        """Delete the run for good."""
        truth, known = self.oracle.truth, bool(self.oracle.truth.known)
        try:
            self.storage(process).delete_run(RUN)
        except WorkflowNotFoundError:
            if truth is self.oracle.truth:
                self.oracle.found(known, False)
        except WorkflowStillActiveError:
            pass

    def judge(self) -> None:
        """Let everything go well and what is late arrive, open the run twice more, and check all that is promised."""
        for process in self.shelf.processes.values():
            process.dead = True
        self.shelf.gate = lambda process, call: None
        done, self.shelf.faults = self.shelf.faults, Faults()
        self.shelf.faults.injected, self.shelf.faults.kills = done.injected, done.kills
        engine = self.engine(self.shelf.boot())
        while engine.run is None:
            self.shelf.clock += 1000.0
            try:
                engine.open(takeover=True)
            except (FileExistsError, WorkflowNotFoundError, RunIsLive):
                continue  # what was late has made it meanwhile, or deleted it, or was a heartbeat
        engine.commit()
        engine.take_events()
        for late in self.shelf.late:
            late()
        self.shelf.late.clear()
        again = self.engine(self.shelf.boot())
        again.open(takeover=True)
        again.take_events()
        again.commit()
        self.oracle.check_events()
        entries = self.storage(self.shelf.boot()).list_runs()
        if [(entry.workflow_id, entry.live) for entry in entries] != [(RUN, True)]:
            raise Violation(f"the listing shows {entries}")

    def _landed(self, key: str, content: bytes) -> None:
        if not key.startswith(f"runs/{RUN}/j/"):
            return
        first, *records = json.loads(content)["n"]
        self.oracle.landed |= {record["u"]: self.oracle.truth for record in records}
        if first.get("k") == "own" and first["life"] == first["e"]:
            self.oracle.lives[first["e"]] = self.oracle.truth
        elif first.get("k") == "gone":
            self.oracle.truth = Truth()


def one_after_another(seed: int) -> ObjectHistory:
    """Run the lives of one owner after another, each ended by a fault or by itself, and judge what is left."""
    with patch.object(rolling, "ROLL", SMALL_ROLL):
        history = ObjectHistory(seed)
        for _ in range(history.random.randint(1, 4)):
            history.arm()
            process = history.shelf.boot()
            try:
                _live(history, process)
            except Killed:
                pass
            process.dead = True
        history.judge()
    return history


def together(seed: int) -> ObjectHistory:
    """Run several owners, a sender, a reader and one who deletes, interleaved at every call of the store."""
    with patch.object(rolling, "ROLL", SMALL_ROLL):
        history = ObjectHistory(seed)
        random = history.random
        history.arm()
        tasks: list[Task] = [_own, _own, _look, _post]
        if random.random() < 0.4:
            tasks += [_own, _remove]
        scheduler = getcurrent()

        def gate(process: ModelBucket, call: str) -> None:
            scheduler.switch()
            if process.dead:
                raise Killed

        history.shelf.gate = gate
        _interleave(history, [greenlet(_actor(task, history)) for task in tasks])
        history.judge()
    return history


def sleeper(seed: int) -> ObjectHistory:
    """Let all of what another process does happen between two calls of an owner, and let the owner then go on."""
    with patch.object(rolling, "ROLL", SMALL_ROLL):
        history = ObjectHistory(seed)
        random = history.random
        first, second = history.shelf.boot(), history.shelf.boot()
        owner, rival = history.engine(first), history.engine(second)
        moment = [random.randrange(120)]

        def gate(process: ModelBucket, call: str) -> None:
            moment[0] -= process is first
            if process is first and moment[0] == 0:
                if random.random() < 0.5:
                    first.dead = True  # to a deleter it looks so, since it sleeps
                    history.delete(second)
                    first.dead = False
                for _ in range(random.randrange(3 * SMALL_ROLL)):
                    _commit(rival, random)

        history.shelf.gate = gate
        for _ in range(4 * SMALL_ROLL):
            _commit(owner, random)
        history.shelf.gate = lambda process, call: None
        for engine in (rival, owner, rival):
            _commit(engine, random)
        history.judge()
    return history


def _commit(engine: ObjectEngine, random: Random) -> None:
    try:
        if engine.run is None:
            engine.open(takeover=True)
        luck = random.random()
        if luck < 0.15:
            engine.compact()
        elif luck < 0.4:
            engine.commit_blob()
        engine.commit()
    except FAILURES as error:
        _judge_error(error)
        engine.run = None


def _live(history: ObjectHistory, process: ModelBucket) -> None:
    random = history.random
    for _ in range(3):
        engine = history.engine(process)
        try:
            engine.open(takeover=random.random() < 0.3)
            for _ in range(random.randint(1, 3 * SMALL_ROLL)):
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


def _interleave(history: ObjectHistory, actors: list[greenlet]) -> None:
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
    finally:
        for process in history.shelf.processes.values():
            process.dead = True
        for actor in actors:
            actor.throw()


def _actor(task: Task, history: ObjectHistory) -> Callable[[], None]:
    def act() -> None:
        try:
            task(history, history.shelf.boot())
        except Killed:
            pass

    return act


def _own(history: ObjectHistory, process: ModelBucket) -> None:
    random = history.random
    for _ in range(random.randint(1, 3)):
        engine = history.engine(process)
        try:
            engine.open(takeover=random.random() < 0.8)
            for _ in range(random.randint(1, 3 * SMALL_ROLL)):
                engine.step()
            if random.random() < 0.5 and engine.run is not None:
                engine.run.close()
        except FAILURES as error:
            _judge_error(error)


def _look(history: ObjectHistory, process: ModelBucket) -> None:
    for _ in range(history.random.randint(0, 4)):
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


def _post(history: ObjectHistory, process: ModelBucket) -> None:
    for _ in range(history.random.randint(0, 3)):
        try:
            history.send(process)
        except FAILURES as error:
            _judge_error(error)


def _remove(history: ObjectHistory, process: ModelBucket) -> None:
    for _ in range(history.random.randint(1, 2)):
        try:
            history.delete(process)
        except FAILURES as error:
            _judge_error(error)


def _judge_error(error: BaseException) -> None:
    """Let pass what a network and a rival excuse."""
    if isinstance(error, StorageDamaged):
        raise Violation(f"damage where there is none: {error}") from error
