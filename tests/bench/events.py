"""Print what an event costs beside the least that makes one durable: a write and an fdatasync to an open file."""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nbflow.rules import Event, NotificationClient
from nbflow.storage.folder import FolderStorage

LINE = b"x" * 200 + b"\n"
FAR = """
import sys, time
from nbflow.rules import NotificationClient
client = NotificationClient(storage=sys.argv[1])
client.send_event("warm")
for _ in range(50):
    time.sleep(0.02)
    client.send_event("k", time.time())
"""


def rate(count: int, act: Callable[[], Any]) -> float:
    """Return how many of ``count`` an act did a second."""
    began = time.perf_counter()
    act()
    return count / (time.perf_counter() - began)


def bare(folder: Path, count: int) -> float:
    """Return bare writes with an fdatasync each, a second."""
    file = os.open(folder / "bare", os.O_CREAT | os.O_WRONLY)

    def act() -> None:
        for _ in range(count):
            os.write(file, LINE)
            os.fdatasync(file)

    found = rate(count, act)
    os.close(file)
    return found


def sends(folder: Path, count: int, threads: int, batch: int = 1) -> float:
    """Return events a second that some threads send with one client, ``batch`` in one unit."""
    client = NotificationClient(storage=folder / f"sends-{threads}-{batch}")
    client.send_event("warm")

    def send() -> None:
        for _ in range(count // threads // batch):
            if batch == 1:
                client.send_event("price", 1.09)
            else:
                client.send_events([("price", 1.09)] * batch)

    def act() -> None:
        workers = [threading.Thread(target=send) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    return rate(count, act)


def delays(folder: Path) -> tuple[float, float]:
    """Return the median milliseconds from a send to the listener, from this process and from another one."""
    client = NotificationClient(storage=folder / "delays")
    heard: list[tuple[float, Any]] = []
    came = threading.Semaphore(0)

    def listen(events: list[Event]) -> None:
        heard.extend((time.time(), event.value) for event in events if event.key == "k")
        came.release()

    client.register_listener(listen)
    for _ in range(100):
        client.send_event("k", time.time())
        came.acquire()
    near, heard[:] = statistics.median(at - sent for at, sent in heard), []
    subprocess.run([sys.executable, "-c", FAR, str(folder / "delays")], check=True)
    time.sleep(0.2)
    client.close()
    return near * 1e3, statistics.median(at - sent for at, sent in heard) * 1e3


def large(folder: Path, count: int) -> dict[str, float]:
    """Return the milliseconds of the first calls of a process on a stream of many events."""
    value = {"c": "json", "v": 1.09, "pv": "1.09", "ty": "float", "py": "3.12"}
    stream = FolderStorage(folder / "large", durability="lazy").stream("default")
    for start in range(0, count, 1000):
        stream.append(
            [{"id": f"e{n}", "k": "price", "v": value, "s": "", "at": float(n)} for n in range(start, start + 1000)]
        )
    stream = FolderStorage(folder / "large").stream("default")
    acts: dict[str, Callable[[], Any]] = {
        "open": stream.bounds,
        "seek by offset": lambda: stream.read(count // 2, 10),
        "seek by time": lambda: stream.offset_at(count * 0.7),
        "first send": lambda: stream.append([{"id": "a", "k": "k", "v": value, "s": "", "at": 0.0}]),
        "first send with an id": lambda: stream.append([{"id": "b", "k": "k", "v": value, "s": "", "at": 0.0, "x": 1}]),
        "prune one half": lambda: stream.prune(count // 2),
    }
    return {name: 1e3 / rate(1, act) for name, act in acts.items()}


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.events", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small stream only")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="nbflow-events-", dir=given.folder))
    try:
        floor = bare(folder, 2000)
        print(f"bare write + fdatasync: {floor:.0f}/s")
        for threads, batch in ((1, 1), (10, 1), (100, 1), (1, 100)):
            found = sends(folder, 4000, threads, batch)
            print(
                f"send, {threads:3} threads, {batch:3} in a unit: {found:6.0f}/s, {found / floor:.2f} of bare",
                flush=True,
            )
        near, far = delays(folder)
        print(f"send to listener: {near:.2f} ms in this process, {far:.2f} ms from another one")
        count = 100_000 if given.quick else 1_000_000
        figures = ", ".join(f"{name} {ms:.1f}" for name, ms in large(folder, count).items())
        print(f"a stream of {count} events, in ms: {figures}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
