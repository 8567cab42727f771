"""One simulated machine: its disk, its processes with their engines, and what befalls them."""

from __future__ import annotations

import _thread
import asyncio
import errno
import logging
import random as chance
import sys
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from random import Random
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest.mock import patch

from nbflow.engine import clock, committer, condensing, ears, keeper
from nbflow.engine.host import Host
from nbflow.storage import doorbell, ownership, streams
from nbflow.storage.folder import FolderStorage
from tests.storage.disk_model import FULL, WRITING, Disk, Killed, ModelOS, PowerCut

from . import threads
from .bell import Bells
from .executor import BodyExecutor
from .loop import Loop, enter
from .threads import Lock, Pool, Scheduler, Thread

T = TypeVar("T")
ROOT = "/home/me/store"
EPOCH = 1_000_000.0


class Violation(AssertionError):
    """The engine broke a promise."""


class Engine:
    """The face of ``EngineLoop``, for one simulated process."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.loop = Loop(process.world.scheduler, process)

    @property
    def inside(self) -> bool:
        """True on the loop's own thread."""
        return threads.current is self.process.main

    def refuse_inside(self) -> None:
        """Nobody in the simulation asks for this by mistake."""

    def start(self, coroutine: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> Any:
        """Start a coroutine function on the loop and return its future."""
        if self.process.dead:
            raise Killed
        return asyncio.run_coroutine_threadsafe(coroutine(*args), self.loop)

    def call(self, coroutine: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
        """Run a coroutine function on the loop and return its result; other threads go on meanwhile."""
        future = self.start(coroutine, *args)
        self.process.world.scheduler.wait(future.done)
        return future.result()  # type: ignore[no-any-return]

    def post(self, call: Callable[[], None]) -> None:
        """Make a call on the loop soon."""
        self.loop.call_soon(call)


class Process:
    """One process: its view of the disk, its engine with a host, and its threads."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.os: ModelOS = world.disk.boot()
        self.storage = FolderStorage(ROOT, os=self.os)
        self.engine = Engine(self)
        self.main = self.thread("loop", self.engine.loop.main)
        self.main.enter = lambda: enter(self.engine.loop)
        self.executor = BodyExecutor(self)
        self.host = Host(self.storage, self.engine, executor=self.executor)  # type: ignore[arg-type]
        self.host.tell = lambda line: None
        self.host.writer = Pool(world.scheduler, self, "writer", 1)  # type: ignore[assignment]

    @property
    def dead(self) -> bool:
        """True when it was killed, or has ended."""
        return self.os.dead

    def thread(self, name: str, body: Callable[[], Any]) -> Thread:
        """Start a thread in this process."""
        return self.world.scheduler.start(self, name, body)

    def kill(self) -> None:
        """End it now, with all its threads."""
        self.os.dead = True
        for thread in [*self.world.scheduler.threads]:
            if thread.owner is self:
                enter(None)
                thread.kill()
        self.engine.loop.forget()


class World:
    """The machine. All that happens on it follows from the seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.scheduler = Scheduler(self.random, EPOCH)
        self.disk = Disk(self.random)
        self.disk.lay_out("/home/me")
        self.disk.gate = self._gate
        self.processes: list[Process] = []
        self.complaints: list[str] = []
        self.slowness = self.random.choice((0.0, 0.0, 0.3, 1.0))
        """How often a commit takes so long that the next one goes to the writer's thread."""
        self.error_rate = 0.0
        self.kill_in = self.cut_in = -1
        """Calls of the disk until a process is killed, or the power is cut; below zero never."""
        self.faults = self.crashes = 0
        self.story: list[str] = []
        self._cut = False

    def note(self, what: str) -> None:
        """Write a line of the story."""
        thread = threads.current
        who = f"{thread.owner.os.identity.pid} {thread.name}" if thread is not None and thread.owner else "machine"
        self.story.append(f"{self.scheduler.now - EPOCH:10.3f} {self.scheduler.turns:6} {who:12} {what}")

    def boot(self) -> Process:
        """Start a process."""
        process = Process(self)
        self.processes.append(process)
        return process

    def complain(self, what: str, error: BaseException | None = None) -> None:
        """Take note of what may not happen whatever befalls the machine."""
        if isinstance(error, (Killed, PowerCut)):
            return
        self.complaints.append(f"{what} ({error!r})" if error is not None else what)
        self.note(self.complaints[-1])

    # ---- what befalls ----

    def _gate(self, machine: ModelOS, call: str) -> None:
        if self.random.random() < 0.5:
            self.scheduler.pause()
        if machine.dead:
            raise Killed
        if self.cut_in >= 0:
            self.cut_in -= 1
            if self.cut_in < 0:
                self._cut = True
                self.note(f"the power is cut at {call}")
                for process in self.processes:
                    process.os.dead = True
                raise PowerCut
        if self.kill_in >= 0:
            self.kill_in -= 1
            if self.kill_in < 0:
                machine.dead = True
                self.crashes += 1
                self.note(f"killed at {call}")
                raise Killed
        if self.error_rate and self.random.random() < self.error_rate:
            self._fail(call)

    def _fail(self, call: str) -> None:
        self.note(f"a fault may come at {call}")
        if call in FULL and self.random.random() < 0.6:
            self.faults += 1
            raise OSError(errno.ENOSPC, "No space left on device")
        if call in WRITING or self.random.random() < 0.3:
            self.faults += 1
            raise OSError(errno.EIO, "Input/output error")

    def calm(self) -> None:
        """Let nothing go wrong any more."""
        self.error_rate, self.kill_in, self.cut_in, self.disk.misjudgement = 0.0, -1, -1, 0.0

    def turn(self) -> bool:
        """Let one thread go on; return False when none ever can."""
        thread = self.scheduler.turn()
        enter(None)
        if self._cut:
            self._cut = False
            self.crashes += 1
            self.disk.power_cut()
            for process in self.processes:
                process.kill()
            self.processes = []
        elif thread is not None and thread.owner is not None and thread.owner.dead:
            thread.owner.kill()
            self.processes = [process for process in self.processes if not process.dead]
        if self.complaints:
            raise Violation("; ".join(self.complaints))
        return thread is not None

    def run_until(self, condition: Callable[[], Any], seconds: float, turns: int) -> bool:
        """Give turns until a condition holds; return False when there have been enough, or nobody can go on."""
        end, last = self.scheduler.now + seconds, self.scheduler.turns + turns
        while not condition():
            if self.scheduler.now > end or self.scheduler.turns > last or not self.turn():
                return False
        return True

    def close(self) -> None:
        """End all processes."""
        for process in self.processes:
            process.kill()


class _Complaints(logging.Handler):
    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self.world = world

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        process = threads.current.owner if threads.current is not None else None
        if process is None or not process.dead:
            self.world.complain(f"the log says: {record.getMessage()}", error)


@contextmanager
def simulated(seed: int) -> Iterator[World]:
    """Give a world; inside, the time, chance and locks of this process are those of the world."""
    world = World(seed)
    ownership._held.clear()
    names = Random(seed)
    log, handler = logging.getLogger("nbflow"), _Complaints(world)
    state = chance.getstate()
    chance.seed(seed)
    with ExitStack() as stack:
        for target, name, value in (
            (time, "time", lambda: world.scheduler.now),
            (time, "monotonic", lambda: world.scheduler.now),
            (time, "perf_counter", lambda: _stopwatch(world)),
            (time, "sleep", world.scheduler.sleep),
            (uuid, "uuid4", lambda: uuid.UUID(int=names.getrandbits(128), version=4)),
            (threading, "Lock", _lock),
            (clock, "SLICE", world.random.choice((0.5, 30.0))),
            (committer, "SLOW_SECONDS", 0.1),  # else one slow commit would leave the next ones with the loop
            (keeper, "TICK", world.random.choice((0.1, 1.0, 5.0))),
            (keeper, "RESTING", world.random.choice((1, 4))),
            (ears, "Bell", Bells(world).make),
            (ears, "is_local", lambda folder: True),
            (condensing, "AFTER", world.random.choice((8, 30, 20_000))),
            (condensing, "TIMES", 1),
            (condensing, "KEPT", world.random.choice((0, 3, 1000))),
            (doorbell, "threading", SimpleNamespace(Thread=threads.Started, Condition=threads.Monitor)),
            (streams, "threading", SimpleNamespace(Lock=Lock, Condition=threads.Monitor)),
            (log, "propagate", False),
        ):
            stack.enter_context(patch.object(target, name, value))
        log.addHandler(handler)
        level = log.level
        log.setLevel(logging.ERROR)
        try:
            yield world
        finally:
            log.removeHandler(handler)
            log.setLevel(level)
            world.close()
            chance.setstate(state)


def _lock() -> Any:
    """Return a lock: one of the simulation for the package, a real one for the library behind it."""
    asks = str(sys._getframe(1).f_globals.get("__name__", ""))
    return Lock() if asks.startswith("nbflow") else _thread.allocate_lock()


def _stopwatch(world: World) -> float:
    """Return seconds that now and then are many, so that both ways of a commit are gone."""
    if world.random.random() < world.slowness:
        world.scheduler.now += 0.01
    return world.scheduler.now
