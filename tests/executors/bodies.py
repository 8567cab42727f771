"""Bodies that run in other processes: they say where they run, and end in every way there is."""

from __future__ import annotations

import faulthandler
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any


def add(a: int, b: int = 0) -> int:
    return a + b


def give(value: Any) -> Any:
    return value


def pid() -> int:
    return os.getpid()


def split() -> int:
    """Return the process id of a fork, which comes back as well."""
    return os.fork()


def split_and_fail() -> int:
    """Return the process id of a fork, which fails."""
    if child := os.fork():
        return child
    raise ValueError("in the fork")


def end_of(process: int) -> int:
    """Wait for a child and return its exit code."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def say_pid_and_stay(fifo: Path) -> None:
    """Write the process id into a fifo, which is the sign that the body runs, and never return."""
    fifo.write_text(f"{os.getpid()}\n")
    signal.pause()


def meet(mine: Path, other: Path) -> str:
    """Say that the body runs, and return when it is told to."""
    mine.write_text(f"{os.getpid()}\n")
    return other.read_text()


def start_another_and_stay(fifo: Path) -> None:
    """Start a program, as a shell command would, say its process id, and never return."""
    program = subprocess.Popen(["sleep", "600"])
    fifo.write_text(f"{program.pid}\n")
    signal.pause()


def fork_and_die(fifo: Path) -> None:
    """Leave a fork behind that has every file of this process open, and die."""
    fork = os.fork()
    if fork == 0:
        time.sleep(600)
        os._exit(0)
    fifo.write_text(f"{fork}\n")
    os.kill(os.getpid(), signal.SIGKILL)


def print_from_a_fork() -> bytes:
    """Return something that takes many writes, while a fork of this process prints."""
    value = b"x" * 100_000_000
    started, says = os.pipe()
    if os.fork() == 0:
        os.write(says, b"!")
        for line in range(1000):
            print("from the fork", line)
            time.sleep(0.0005)
        os._exit(0)
    os.read(started, 1)
    return value


def raise_in_depth(error: BaseException) -> None:
    raise error


def chain() -> None:
    try:
        {}["missing"]
    except KeyError as error:
        raise ValueError("no such column") from error


def segfault() -> None:
    faulthandler.disable()
    faulthandler._sigsegv()  # type: ignore[attr-defined]


class Value:
    """Something that a weak reference can watch."""


def fail_with(value: Any) -> None:
    raise ValueError("x")


class Locked(Exception):
    """An exception that no pickle can carry."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.lock = threading.Lock()


class HttpError(Exception):
    """An exception whose arguments are not those of its ``__init__``, as many are."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status


class DiesWhenLoaded:
    """A value that kills the process that unpickles it."""

    def __reduce__(self) -> Any:
        return os._exit, (7,)


class WaitsWhenLoaded:
    """A result whose arrival in the engine's process takes until the gate is opened."""

    arrives = threading.Event()
    gate = threading.Event()

    def __reduce__(self) -> Any:
        return wait_at_the_gate, ()


def make_one_that_waits() -> WaitsWhenLoaded:
    return WaitsWhenLoaded()


def wait_at_the_gate() -> str:
    WaitsWhenLoaded.arrives.set()
    assert WaitsWhenLoaded.gate.wait(20)
    return "arrived"
