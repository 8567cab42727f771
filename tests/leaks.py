"""What a process must not leave behind: processes, threads, open files, shared memory, temporary files, mounts.

Used as ``with leaks.none(): ...``: what is there after the block, and was not there before, is counted as leaked.
"""

from __future__ import annotations

import gc
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import figures

PATIENCE = 20.0
"""Seconds that what has been told to end may take."""
SHARED = Path("/dev/shm")
KNOWN = ("asyncio_", "ThreadPoolExecutor", "pytest", "Dummy", "fsspec", "IOPub", "Heartbeat")
"""Beginnings of the names of threads that a library keeps for the next one that asks."""


def children() -> set[str]:
    """Return the processes that this one has begun and that still run."""
    found = set()
    for path in Path("/proc/self/task").glob("*/children"):
        try:
            pids = path.read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread has just ended
        for pid in pids:
            try:
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if state != "Z" and b"resource_tracker" not in b" ".join(words):  # Python keeps one of these for itself
                found.add(f"process {pid} {b' '.join(words).decode(errors='replace')[:80]}")
    return found


def threads() -> set[str]:
    """Return the threads that are nobody's but the program's."""
    return {f"thread {t.name} {t.ident}" for t in threading.enumerate() if not t.name.startswith(KNOWN)}


def files() -> set[str]:
    """Return what this process has open, by what it is: the numbers are given again."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{fd}"))
        except OSError:
            continue
    return {f"file {name} #{found[:n].count(name)}" for n, name in enumerate(found) if not name.startswith("/proc")}


def machine() -> set[str]:
    """Return shared memory and loop devices in use. Only in CI: elsewhere other programs come and go meanwhile."""
    if os.environ.get("CI", "").lower() in ("", "0", "false"):
        return set()
    segments = [path.name for path in SHARED.iterdir()] if SHARED.is_dir() else []
    found = {f"shared memory {name}" for name in segments if not _is_in_use(name)}
    return found | {f"loop {path.parent.name}" for path in Path("/sys/block").glob("loop*/loop")}


def _is_in_use(segment: str) -> bool:
    """Tell whether the process that a semaphore of loky is named after still runs: then it is not left behind."""
    named = re.match(r"sem\.loky-(\d+)-", segment)
    return named is not None and Path(f"/proc/{named[1]}").exists()


def temporary() -> set[str]:
    """Return what is ours in the folder for temporary files; see ``own_temporary``. Killed kernels leave their own."""
    return {f"temporary {path.name}" for path in Path(tempfile.gettempdir()).glob("*nbflow*")}


SIGHTS: tuple[Callable[[], set[str]], ...] = (children, threads, files)
OUTSIDE = (children, machine, temporary)
"""What is left outside of this process. Inside it the clients of killed kernels keep threads and sockets a while."""


@contextmanager
def own_temporary(folder: Path) -> Iterator[None]:
    """Let this process, and those that it begins, keep their temporary files in a folder of their own."""
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"], tempfile.tempdir = str(folder), None
    try:
        yield
    finally:
        os.environ.pop("TMPDIR") if before is None else os.environ.update(TMPDIR=before)
        tempfile.tempdir = None


@contextmanager
def none(sights: tuple[Callable[[], set[str]], ...] = SIGHTS) -> Iterator[None]:
    """Count as leaked, and fail for, what the block leaves behind."""
    before = set().union(*(sight() for sight in sights))
    yield
    deadline = time.monotonic() + PATIENCE
    while left := set().union(*(sight() for sight in sights)) - before:
        if time.monotonic() > deadline:
            break
        gc.collect()
        time.sleep(0.05)
    figures.count("leaked", len(left))
    assert not left, f"left behind: {sorted(left)}"
