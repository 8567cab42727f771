"""Print what ten thousand waits cost: ``python -m tests.bench.waits [count]``. A process for each kind."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbflow as nf
from nbflow.listeners import FileListener


class Poller(nf.EventListener):
    """A listener that looks once a second, as most that people write do."""

    async def poll_for_event(self, number: int) -> None:
        while True:
            await asyncio.sleep(1)


KINDS: dict[str, Callable[[int], Any]] = {
    "events of a key": lambda i: nf.wait_for_event(f"k{i}"),
    "sleeps": lambda i: nf.sleep(3600 + i),
    "questions": lambda i: nf.wait_for_event(nf.ButtonListener, f"Question {i}?"),
    "files": lambda i: nf.wait_for_event(FileListener, f"/nowhere/{i}"),
    "listeners that sleep": lambda i: nf.wait_for_event(Poller, i),
    "any_of(key, sleep)": lambda i: nf.any_of(nf.wait_for_event(f"k{i}"), nf.sleep(3600)),
}


def resident() -> float:
    """Return the resident memory of this process, in KiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4.0


def measure(kind: str, count: int) -> None:
    """Open so many waits of a kind and print what one costs."""
    nf.init(storage=tempfile.mkdtemp())
    nf.run(nf.sleep(0))
    waits = count * (2 if kind.startswith("any_of") else 1)
    memory, began = resident(), time.perf_counter()
    run = nf.run_async([KINDS[kind](i) for i in range(count)])
    while run.state.counts["waiting"] < waits:
        time.sleep(0.01)
    opened, memory = time.perf_counter() - began, resident() - memory
    time.sleep(1)
    cpu = time.process_time()
    time.sleep(5)
    idle = (time.process_time() - cpu) / 5
    sends = "      -"
    if "key" in kind:
        began = time.perf_counter()
        for i in range(200):
            run.send(f"k{i}")
        sends = f"{(time.perf_counter() - began) / 200 * 1e3:7.2f}"
    threads = threading.active_count()
    each = f"{opened / waits * 1e6:9.0f} {memory / waits:9.1f} {idle:9.1%} {threads:9d}"
    print(f"{kind:24} {each} {sends}", flush=True)
    run.cancel()


def main() -> None:
    """Measure every kind."""
    count = sys.argv[1] if len(sys.argv) > 1 else "10000"
    print(
        f"{count + ' waits':24} {'us each':>9} {'KiB each':>9} {'idle CPU':>9} {'threads':>9} {'ms/send':>7}",
        flush=True,
    )
    for kind in KINDS:
        subprocess.run([sys.executable, "-m", "tests.bench.waits", count, kind], check=True)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        measure(sys.argv[2], int(sys.argv[1]))
    else:
        main()
