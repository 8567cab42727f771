"""Clusters as programs of their own, and what bodies on them do: count, wait at a gate, die."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 600
"""Seconds that one test may take; the first one starts a cluster."""
WAIT = 90.0
"""Seconds after which a test that waits gives up."""
START = 150.0
"""Seconds that a cluster may take to start: Ray starts eight programs, on a machine that may have much else to do."""

DASK = """
    import sys
    from distributed import LocalCluster

    if __name__ == "__main__":
        with LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None,
                          resources={"gauge": 1}) as cluster:
            print(cluster.scheduler_address, flush=True)
            sys.stdin.read()
"""
RAY = """
    import os, sys
    os.environ |= {"RAY_raylet_start_wait_time_s": "60", "RAY_agent_register_timeout_ms": "120000"}
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, object_store_memory=200_000_000,
             log_to_driver=False, _temp_dir=sys.argv[1], resources={"gauge": 1})
    print(ray.get_runtime_context().gcs_address, flush=True)
    sys.stdin.read()
    ray.shutdown()
"""


class NotStarted(Exception):
    """A program ended, or time did, before it said its first word."""


class Program:
    """A Python program in a process group of its own; nothing that it started is left when the block ends."""

    def __init__(self, code: str, *args: object, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **environment},
            process_group=0,
        )
        self._started: list[psutil.Process] = []

    def first_line(self) -> str:
        """Wait for the first line that the program prints and return it."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], START)
        line = self.process.stdout.readline().strip() if ready else ""
        if not line:
            raise NotStarted
        return line

    def kill(self) -> None:
        """Kill the program itself with kill -9, and leave what it started alone."""
        self._started += psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def result(self) -> str:
        """Wait for the end of the program, which must be a good one, and return the last line that it printed."""
        out, _ = self.process.communicate(timeout=WAIT)
        assert self.process.returncode == 0, out
        return out.strip().splitlines()[-1]

    def __enter__(self) -> Program:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self.process.returncode is None:
            self._started += psutil.Process(self.process.pid).children(recursive=True)
            assert self.process.stdin is not None
            self.process.stdin.close()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                pass
        for each in self._started:
            try:
                if "resource_tracker" not in " ".join(each.cmdline()):  # that of loky removes its semaphores, and goes
                    each.kill()
            except psutil.NoSuchProcess:
                pass
        self.process.kill()
        self.process.wait()


class Place:
    """A folder in which bodies of any process leave words, and a gate at which they wait."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        folder.mkdir(exist_ok=True)

    def add(self, word: str) -> int:
        """Leave a word and return how often it was left."""
        fd = os.open(f"{self.folder}/words", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.write(fd, f"{word}\n".encode())
        os.close(fd)
        return self.count(word)

    def words(self) -> list[str]:
        """Return all words, the first one first."""
        path = Path(self.folder, "words")
        return path.read_text().split() if path.exists() else []

    def count(self, word: str) -> int:
        """Return how often a word was left."""
        return self.words().count(word)

    def until(self, word: str, times: int = 1) -> None:
        """Wait until a word was left so often."""
        wait_for(lambda: self.count(word) >= times, word)

    def open(self) -> None:
        """Open the gate."""
        Path(self.folder, "gate").touch()

    def pass_gate(self) -> None:
        """Wait until the gate is open."""
        wait_for(Path(self.folder, "gate").exists, "the gate")


def wait_for(true: Any, what: str) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < deadline, f"waited {WAIT} s for {what}"
        time.sleep(0.02)


class Watched:
    """A large value that takes down in which processes it was loaded."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.content = bytes(200_000)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.place.add(f"loaded-by-{os.getpid()}")


def die() -> None:
    """Kill the process of the body that calls it."""
    os.kill(os.getpid(), signal.SIGKILL)
