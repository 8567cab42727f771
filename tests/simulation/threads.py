"""Threads that take turns by a seed: every one is a greenlet, and goes on only when the scheduler says so."""

from __future__ import annotations

import concurrent.futures
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

from greenlet import getcurrent, greenlet

from tests.storage.disk_model import Killed, PowerCut

Condition = Callable[[], Any]
current: Thread | None = None
"""The thread that has its turn; None while the scheduler, or a program outside of it, runs."""


class Thread:
    """One thread of a simulated process. It is ready when ``blocked`` holds no longer, or at ``wake``."""

    def __init__(self, scheduler: Scheduler, owner: Any, name: str, body: Callable[[], Any]) -> None:
        self.scheduler = scheduler
        self.owner = owner
        self.name = name
        self.blocked: Condition | None = None
        self.wake: float | None = None
        self.enter: Callable[[], None] = lambda: None
        """Called whenever it gets its turn."""
        self.dead = False
        self._greenlet = greenlet(self._main, scheduler.main)
        self._body = body

    def _main(self) -> None:
        try:
            self._body()
        except (Killed, PowerCut):
            pass

    @property
    def over(self) -> bool:
        """True when it has ended."""
        return bool(self._greenlet.dead)

    def ready(self, now: float) -> bool:
        """Tell whether it can go on."""
        return self.blocked is None or bool(self.blocked()) or (self.wake is not None and self.wake <= now)

    def go(self) -> None:
        """Let it run until it gives its turn away."""
        global current
        self.blocked = self.wake = None
        current = self
        self.enter()
        try:
            self._greenlet.switch()
        finally:
            current = None

    def kill(self) -> None:
        """End it where it stands: what it would still do must not be seen."""
        global current
        self.dead = True
        if self._greenlet and not self._greenlet.dead and self._greenlet is not getcurrent():
            before, current = current, self
            try:
                self._greenlet.throw(Killed)
            except (Killed, PowerCut):
                pass
            finally:
                current = before


class Scheduler:
    """Gives turns. Time passes a little with each of them, and jumps when all sleep."""

    def __init__(self, random: Random, now: float) -> None:
        self.random = random
        self.now = now
        self.turns = 0
        self.threads: list[Thread] = []
        self.main = getcurrent()

    def start(self, owner: Any, name: str, body: Callable[[], Any]) -> Thread:
        """Make a thread; it gets its first turn some time."""
        thread = Thread(self, owner, name, body)
        self.threads.append(thread)
        return thread

    def pause(self) -> None:
        """Give the turn away, and get it back some time. Does nothing outside of a thread."""
        if current is not None and not current.dead:
            self.main.switch()
            _check()

    def wait(self, condition: Condition, until: float | None = None) -> None:
        """Give the turn away until a condition holds, or a moment has come."""
        assert current is not None, "only a thread of the simulation may wait"
        _check()
        current.blocked, current.wake = condition, until
        self.main.switch()
        _check()

    def sleep(self, seconds: float) -> None:
        """Give the turn away for some seconds."""
        self.wait(lambda: False, self.now + seconds)

    def turn(self) -> Thread | None:
        """Let one thread go on; return it, or None when none of them ever can."""
        self.threads = [thread for thread in self.threads if not thread.over and not thread.dead]
        self.turns += 1
        luck = self.random.random()
        if luck < 0.3:
            self.now += self.random.random() * (0.002 if luck < 0.29 else 1.5)
        ready = [thread for thread in self.threads if thread.ready(self.now)]
        if not ready:
            wakes = [thread.wake for thread in self.threads if thread.wake is not None]
            if not wakes:
                return None
            self.now = max(self.now, min(wakes))
            ready = [thread for thread in self.threads if thread.ready(self.now)]
        thread = ready[int(self.random.random() * len(ready))]
        thread.go()
        return thread


def _check() -> None:
    if current is not None and current.dead:
        raise Killed


class Lock:
    """A lock between threads of the simulation; a second one that wants it gives its turn away."""

    def __init__(self) -> None:
        self._held = False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock."""
        if self._held:
            if not blocking:
                return False
            if current is None or current.dead:
                return True  # its process is dead: nothing that it does counts any more
            current.scheduler.wait(lambda: not self._held)
        self._held = True
        return True

    def release(self) -> None:
        """Give the lock back."""
        self._held = False

    def locked(self) -> bool:
        """Tell whether somebody has it."""
        return self._held

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class Monitor:
    """A condition between threads of the simulation."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._rung = 0

    def __enter__(self) -> bool:
        return self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Give the turn away until somebody notifies."""
        rung = self._rung
        return self.wait_for(lambda: self._rung > rung, timeout)

    def wait_for(self, condition: Condition, timeout: float | None = None) -> bool:
        """Give the turn away until a condition holds."""
        if not condition():
            assert current is not None, "only a thread of the simulation may wait"
            self._lock.release()
            current.scheduler.wait(condition, None if timeout is None else current.scheduler.now + timeout)
            self._lock.acquire()
        return bool(condition())

    def notify(self, n: int = 1) -> None:
        """Let who waits go on."""
        self._rung += 1

    notify_all = notify


class Started:
    """The face of ``threading.Thread``; it belongs to the process whose turn it is."""

    def __init__(self, target: Callable[[], Any], name: str = "", daemon: bool = True) -> None:
        self._target = target
        self._name = name

    def start(self) -> None:
        """Start it."""
        if current is not None and not current.owner.dead:
            current.owner.thread(self._name, self._target)


class Pool:
    """A pool of threads with the face of ``concurrent.futures``; each job is a thread's turns."""

    def __init__(self, scheduler: Scheduler, owner: Any, name: str, workers: int) -> None:
        self._scheduler = scheduler
        self._owner = owner
        self._name = name
        self._workers = workers
        self._queue: deque[tuple[concurrent.futures.Future[Any], Callable[[], Any]]] = deque()
        self._busy = 0

    def submit(self, body: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        """Queue a job and return its future."""
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self._queue.append((future, lambda: body(*args, **kwargs)))
        if self._busy < self._workers:
            self._busy += 1
            self._owner.thread(self._name, self._serve)
        return future

    def shutdown(self, wait: bool = True, cancel_futures: bool = False) -> None:
        """Take no more jobs; those that wait are done."""

    def _serve(self) -> None:
        while self._queue:
            future, job = self._queue.popleft()
            if future.set_running_or_notify_cancel():
                try:
                    value = job()
                except (Killed, PowerCut):
                    raise
                except BaseException as error:
                    self._scheduler.pause()
                    future.set_exception(error)
                else:
                    self._scheduler.pause()
                    future.set_result(value)
        self._busy -= 1
