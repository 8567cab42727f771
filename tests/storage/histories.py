"""Random histories of one run on a model disk: several lives of one owner, or several owners at once."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from random import Random
from unittest.mock import patch

from nbflow.storage import journal, ownership
from nbflow.storage.folder import FolderStorage

from .actors import FAILURES, delete, interleave, judge_error, live, look, own, post, remove, taking_turns
from .disk_model import Disk, Killed, ModelOS, PowerCut
from .engine_model import RUN, Engine
from .faults import Faults
from .oracle import Oracle

ROOT = "/home/me/store"
MARK = json.dumps({"format": "nbflow", "version": 1, "min_reader": 1, "min_writer": 1}).encode()
SMALL_FRAME = 200
"""A frame limit that some commits of a few records pass."""


class History:
    """One disk, one run, one oracle. All that happens follows from the seed."""

    steps, looks = 6, 3

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

    def boot(self) -> ModelOS:
        """Start a process."""
        return self.disk.boot()

    def storage(self, process: ModelOS) -> FolderStorage:
        """Return the storage as a process sees it."""
        return FolderStorage(ROOT, os=process)

    def engine(self, process: ModelOS) -> Engine:
        """Return an engine in a process."""
        return Engine(self.storage(process), self.oracle, self.random)

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
                live(history, process, 8)
            except PowerCut:
                history.power_cut()
            except Killed:
                pass
            process.dead = True
        history.judge()
    return history


def many_owners(seed: int) -> History:
    """Run several owners, a sender, a reader and one who deletes, interleaved at every call, and judge what is left."""
    return _together(seed, own, own, look, post)


def many_lives(seed: int) -> History:
    """Let several owners and several who delete have at one run."""
    return _together(seed, own, own, own, remove, remove)


def _together(seed: int, *tasks: Task) -> History:
    with patch.object(journal, "FRAME_LIMIT", SMALL_FRAME):
        history = History(seed)
        random = history.random
        history.faults.arm()
        history.disk.separate_caches = random.random() < 0.3
        history.disk.misjudgement = random.choice((0.0, 0.0, 0.3))
        history.disk.gate = taking_turns(history.faults)
        if random.random() < 0.3:
            tasks = (*tasks, own, remove)
        interleave(history, *tasks)
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
                delete(history, second)
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
        judge_error(error)
