"""Random histories of one run in a model of an object store: owners, senders, readers, deleters, and an oracle."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from random import Random
from unittest.mock import patch

from nbflow.errors import RunIsLive, StorageDamaged, WorkflowNotFoundError
from nbflow.storage import ownership
from nbflow.storage.base import RunJournal
from nbflow.storage.objects import inbox, rolling
from nbflow.storage.objects.run import ObjectRun
from nbflow.storage.objects.storage import ObjectStorage
from tests.storage.actors import (
    FAILURES,
    delete,
    interleave,
    judge_error,
    live,
    look,
    own,
    post,
    remove,
    send,
    taking_turns,
)
from tests.storage.disk_model import Killed
from tests.storage.engine_model import RUN, Engine
from tests.storage.oracle import Oracle, Truth, Unit, Violation

from .bucket_model import Faults, ModelBucket, Shelf

SMALL_ROLL = 4
"""Commits after which a log is rolled up here."""
Task = Callable[["ObjectHistory", ModelBucket], None]


class ObjectEngine(Engine):
    """The engine that keeps the rules, on an object store: it knows a life of the run by its number."""

    def __init__(self, process: ModelBucket, oracle: Oracle, random: Random) -> None:
        super().__init__(ObjectStorage(process, sign=False), oracle, random)
        self._shelf = process.shelf

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
        """Receive what was sent, when it is time to look for it."""
        self._shelf.clock += inbox.CALM
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

    steps, looks = 3 * SMALL_ROLL, 4

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

    def boot(self) -> ModelBucket:
        """Start a process."""
        return self.shelf.boot()

    def stop_processes(self) -> None:
        """Kill every process."""
        self.shelf.stop_processes()

    def storage(self, process: ModelBucket) -> ObjectStorage:
        """Return the storage as a process sees it."""
        return ObjectStorage(process, sign=False)

    def engine(self, process: ModelBucket) -> ObjectEngine:
        """Return an engine in a process."""
        return ObjectEngine(process, self.oracle, self.random)

    def judge(self) -> None:
        """Let everything go well and what is late arrive, open the run twice more, and check all that is promised."""
        self.stop_processes()
        self.shelf.gate = lambda process, call: None
        self.shelf.be_well()
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
        """Take note of what counts from now on: only at its end does a log go on."""
        log = f"runs/{RUN}/j/"
        # What was rolled up leaves its number free, and who looked long ago may create something there.
        if not key.startswith(log) or any(each > key for each in self.shelf.objects if each.startswith(log)):
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
                live(history, process, 3 * SMALL_ROLL)
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
        tasks: list[Task] = [own, own, look, post]
        if random.random() < 0.4:
            tasks += [own, remove]
        history.shelf.gate = taking_turns(lambda process, call: None)
        interleave(history, *tasks)
        history.judge()
    return history


def sleeper(seed: int) -> ObjectHistory:
    """Let all of what another process does happen between two calls of an owner, and let the owner then go on."""
    with patch.object(rolling, "ROLL", SMALL_ROLL):
        history = ObjectHistory(seed)
        random = history.random
        first, second = history.shelf.boot(), history.shelf.boot()
        owner, rival = history.engine(first), history.engine(second)

        def meanwhile() -> None:
            if random.random() < 0.5:
                first.dead = True  # to a deleter it looks so, since it sleeps
                delete(history, second)
                first.dead = False
            for _ in range(random.randrange(3 * SMALL_ROLL)):
                _commit(rival, random)

        _interrupt(history, first, random.randrange(120), meanwhile)
        for _ in range(4 * SMALL_ROLL):
            _commit(owner, random)
        history.shelf.gate = lambda process, call: None
        for engine in (rival, owner, rival):
            _commit(engine, random)
        history.judge()
    return history


def slow_deleter(seed: int) -> ObjectHistory:
    """Let an owner that was silent for long go on between two calls of one who deletes its run for that reason."""
    with patch.object(rolling, "ROLL", SMALL_ROLL):
        history = ObjectHistory(seed)
        random = history.random
        first, deleter = history.shelf.boot(), history.shelf.boot()
        first.identity = first.identity._replace(host="far away")
        owner = history.engine(first)

        def work() -> None:
            for _ in range(random.randint(1, 3 * SMALL_ROLL)):
                _commit(owner, random)

        def wake_up() -> None:
            work()
            send(history, first)

        work()
        history.shelf.clock += 2 * ownership.STALE_SECONDS
        _interrupt(history, deleter, random.randrange(30), wake_up)
        delete(history, deleter)
        history.shelf.gate = lambda process, call: None
        work()
        history.judge()
    return history


def _interrupt(history: ObjectHistory, victim: ModelBucket, moment: int, act: Callable[[], None]) -> None:
    """Let all of something happen between two calls of one process, or never."""
    calls = itertools.count(1)

    def gate(process: ModelBucket, call: str) -> None:
        if process is victim and next(calls) == moment:
            act()

    history.shelf.gate = gate


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
        judge_error(error)
        engine.run = None
