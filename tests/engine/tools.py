"""What the tests of the engine share: a clock that the test moves, gates, counters, and programs of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nbflow.engine.clock import Agenda, Timer
from nbflow.engine.loop import EngineLoop

ROOT = Path(__file__).resolve().parents[2]
LONG = 20.0
"""Seconds after which a test that waits gives up."""


class VirtualClock:
    """A clock that stands still until ``advance``."""

    def __init__(self, engine: EngineLoop, now: float = 1_000_000.0) -> None:
        self._engine = engine
        self._now = now
        self._agenda = Agenda()

    def time(self) -> float:
        return self._now

    def call_at(self, when: float, call: Callable[[], None]) -> Timer:
        timer = Timer(when, call)
        self._agenda.add(timer)
        if when <= self._now:
            self._engine.loop.call_soon(self._ring)
        return timer

    @property
    def next(self) -> float | None:
        """The seconds until the next timer, None without one."""
        moment = self._agenda.next()
        return None if moment is None else moment - self._now

    def advance(self, seconds: float) -> None:
        """Let time pass; what is due is called before this returns."""

        async def move() -> None:
            self._now += seconds
            self._ring()

        self._engine.call(move)

    def _ring(self) -> None:
        for timer in self._agenda.due(self._now):
            if timer.call is not None:
                timer.call()


def until(true: Callable[[], Any], what: str = "it") -> Any:
    """Wait until a condition holds and return its value."""
    deadline = time.monotonic() + LONG
    while not (found := true()):
        assert time.monotonic() < deadline, f"waited {LONG} s for {what}"
        time.sleep(0.005)
    return found


class Gate:
    """A body that waits at the gate says that it is there and goes on when the test opens."""

    def __init__(self) -> None:
        self.arrived = threading.Semaphore(0)
        self.open = threading.Event()

    def wait(self) -> None:
        self.arrived.release()
        assert self.open.wait(LONG)

    def reached(self, times: int = 1) -> None:
        for _ in range(times):
            assert self.arrived.acquire(timeout=LONG), "no body came to the gate"


class Counter:
    """Counts calls in a file, across processes and restarts."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def add(self, word: str = "x") -> int:
        """Write a word and return how often it stands there now."""
        fd = os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.write(fd, f"{word}\n".encode())
        os.close(fd)
        return self.count(word)

    @property
    def words(self) -> list[str]:
        return Path(self.path).read_text().split() if os.path.exists(self.path) else []

    def count(self, word: str = "x") -> int:
        return self.words.count(word)


def large_files(folder: Path, least: int) -> list[Path]:
    """Return the files of a storage with so many bytes; the others come and go while runs end."""
    found = []
    for path in folder.rglob("*"):
        try:
            if path.is_file() and path.stat().st_size >= least:
                found.append(path)
        except FileNotFoundError:
            continue
    return found


def script(code: str, *args: object, **env: str) -> subprocess.Popen[str]:
    """Start a program of its own; its ``sys.argv[1:]`` are the arguments."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, args)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, **env},
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for a program and return what it printed; it must have ended well."""
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out
    return out


def kill_at(process: subprocess.Popen[str], word: str) -> str:
    """Kill a program with kill -9 as soon as it has printed a word; return what it has printed by then."""
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if word in line:
            break
    else:
        raise AssertionError(f"the program ended without {word!r}: {''.join(seen)}")
    process.kill()
    process.communicate()
    return "".join(seen)
