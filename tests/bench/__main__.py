"""Print what nbflow costs beside the floor. Ratios of one run count; the absolute numbers belong to the machine."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbflow as nf
from nbflow.errors import WorkflowExecutionError
from nbflow.storage.folder import FolderStorage
from nbflow.storage.os_calls import OS

from .floor import Floor
from .others import PEERS, Peer
from .table import Row, header, machine, markdown, plain, write
from .workloads import MEGABYTE, SHAPES, chain, fan

TARGETS = {
    ("chain", 1000, 0, "async"): 0.60, ("chain", 1000, 0, "sync"): 0.40,
    ("fan-out", 10000, 0, "async"): 0.25, ("fan-out", 10000, 0, "sync"): 0.12,
    ("map-reduce", 10000, 0, "async"): 0.25, ("map-reduce", 10000, 0, "sync"): 0.12,
    ("chain", 100, MEGABYTE, "async"): 0.80, ("chain", 100, MEGABYTE, "sync"): 0.80,
    ("fan-out", 100, MEGABYTE, "async"): 0.80, ("fan-out", 100, MEGABYTE, "sync"): 0.80,
}  # fmt: skip


ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 180.0
"""Seconds that a peer has for one work, with its start."""
PEERS_MOST = 1000
"""Steps of one work that a peer is asked for: ten thousand take most of them minutes."""
LARGE_TURNS = 4
"""So many times more turns for large values: a turn takes a quarter of a second, and the disk is never at rest long."""
SMALL = [(shape, 1000) for shape in SHAPES]
ALL = [("chain", 1000), ("fan-out", 1000), ("fan-out", 10000), ("map-reduce", 1000), ("map-reduce", 10000)]


class CountingOS(OS):
    """The real system calls, counted."""

    def __init__(self) -> None:
        super().__init__()
        self.syncs = 0

    def fdatasync(self, fd: int) -> None:
        """Sync and count."""
        self.syncs += 1
        super().fdatasync(fd)


def seconds(call: Callable[[], Any]) -> float:
    """Return how long a call takes."""
    gc.collect()
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def throughput(folder: Path, work: list[tuple[str, int]], repeat: int, peers: list[Peer]) -> list[Row]:
    """Print and return steps a second of each shape.

    The floor and nbflow take turns. What else the machine and its disk do hits both in one turn, so a share is that of
    two neighbours, and the turn in the middle counts. A peer has one turn in a process of its own, after a small one to
    warm up.
    """
    print(header())
    rows = []
    for shape, n, size in [*((shape, n, 0) for shape, n in work), ("chain", 100, MEGABYTE), ("fan-out", 100, MEGABYTE)]:
        targets = {k: TARGETS[shape, n, size, k] for k in ("async", "sync") if (shape, n, size, k) in TARGETS}
        row = Row(f"{shape} {n}{' x 1 MB' if size else ''}", [], {"async": [], "sync": []}, targets)
        for turn in range(repeat * (LARGE_TURNS if size else 1)):
            row.floor.append(n / floor_seconds(folder / f"f{shape}{n}{size}{turn}", shape, n, size))
            for kind, rates in row.turns.items():
                rates.append(n / nbflow_seconds(shape, kind, n, size))
        for peer in peers if n <= PEERS_MOST else ():
            row.peers[peer.name] = peer.rate(folder / f"peer-{peer.name}", shape, n, size, PATIENCE)
        print(plain(row), flush=True)
        rows.append(row)
    return rows


def nbflow_seconds(shape: str, kind: str, n: int, size: int) -> float:
    """Return how long nbflow takes; its run is deleted then, as the floor's is: new room on a disk costs time."""
    dag = SHAPES[shape][0](kind, n, size)
    took = seconds(lambda: nf.run(dag, workflow_id="turn"))
    nf.delete("turn")
    return took


def floor_seconds(folder: Path, shape: str, n: int, size: int) -> float:
    """Return how long the floor takes for the same work."""
    floor = Floor(folder)
    took = seconds(lambda: asyncio.run(SHAPES[shape][1](floor, n, size)))
    floor.close()
    shutil.rmtree(folder)
    return took


def resumed(folder: Path, n: int) -> None:
    """Print how long it takes to go on with a half-done run."""
    gate = folder / "gate"

    @nf.task
    async def step(before: int, i: int) -> int:
        if i == n // 2 and not gate.exists():
            raise RuntimeError("half-way")
        return i

    node = step.bind(0, 0)
    for i in range(1, n):
        node = step.bind(node, i)
    try:
        nf.run(node, workflow_id="half")
    except WorkflowExecutionError:
        pass
    gate.touch()
    took = seconds(lambda: nf.resume("half"))
    floor = Floor(folder / "resume")
    asyncio.run(SHAPES["chain"][1](floor, n // 2))

    def go_on() -> None:
        floor.read()
        asyncio.run(SHAPES["chain"][1](floor, n // 2))

    least = seconds(go_on)
    print(f"\ncontinue a half-done chain of {n}: {took * 1e3:.0f} ms, {took / least:.1f} x the floor (target: 3 x)")


def costs(folder: Path, n: int) -> None:
    """Print bytes on disk and syncs for each step."""
    for name, dag in (("chain", chain("async", n)), ("fan-out", fan("async", n))):
        nf.shutdown()
        calls = CountingOS()
        nf.init(storage=FolderStorage(folder / f"cost-{name}", os=calls))
        nf.run(dag)
        nf.shutdown()
        size = sum(p.stat().st_size for p in (folder / f"cost-{name}").rglob("j-*.jsonl"))
        print(f"{name} {n}: {size / n:.0f} bytes on disk and {calls.syncs / n:.3f} syncs a step (target: 250 bytes)")


def growth(folder: Path, sizes: list[int]) -> None:
    """Print time and memory for each node as the graph grows, each size in a process of its own."""
    print(f"\n{'fan-out of':>12} {'us a node':>10} {'peak kB a node':>15}")
    for n in sizes:
        out = subprocess.run(
            [sys.executable, "-m", "tests.bench", "--one", str(n), "--folder", str(folder / f"g{n}")],
            capture_output=True, text=True, check=True,
        ).stdout.split()  # fmt: skip
        print(f"{n:12} {float(out[0]) / n * 1e6:10.1f} {float(out[1]) / n:15.2f}", flush=True)


def one(folder: Path, n: int) -> None:
    """Run one fan-out and print its seconds and the kilobytes of memory above what the imports take."""
    nf.init(storage=FolderStorage(folder))
    nf.run(fan("async", 10))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    took = seconds(lambda: nf.run(fan("async", n)))
    print(took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    nf.shutdown()


def imports() -> None:
    """Print what ``import nbflow`` and its first use cost over a bare interpreter, once Python keeps the bytecode."""
    with tempfile.TemporaryDirectory() as kept:
        env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        env["PYTHONPYCACHEPREFIX"] = kept

        def run(code: str) -> float:
            turns = [
                seconds(lambda: subprocess.run([sys.executable, "-c", code], check=True, env=env)) for _ in range(8)
            ]
            return statistics.median(turns[1:])  # the first one compiles

        bare = run("pass")
        light, used = run("import nbflow") - bare, run("import nbflow; nbflow.run, nbflow.task") - bare
    print(f"\nimport nbflow: {light * 1e3:.0f} ms over a bare interpreter; with run and task: {used * 1e3:.0f} ms")


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("--repeat", type=int, default=7, help="turns of each work; the one in the middle counts")
    parser.add_argument("--peers", action="store_true", help="install the peers, and run them")
    parser.add_argument("--write-readme", action="store_true", help="put the table into README.md")
    parser.add_argument("--table", action="store_true", help="the table only")
    parser.add_argument("--folder", type=Path, help="a folder on the disk to measure")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one(given.folder, given.one)
        return
    folder = Path(tempfile.mkdtemp(prefix="nbflow-bench-", dir=given.folder))
    peers = [Peer(name) for name in PEERS] if given.peers else []
    for peer in peers:
        peer.install()
    try:
        nf.init(storage=FolderStorage(folder / "runs"))
        print(f"{machine()} {folder}")
        rows = throughput(folder, SMALL if given.quick else ALL, given.repeat, peers)
        if given.write_readme:
            write(ROOT / "README.md", markdown(rows, {peer.name: peer.version for peer in peers}))
        if not given.table:
            resumed(folder, 1000)
            costs(folder, 1000)
            growth(folder, [1000, 10000] if given.quick else [1000, 10000, 100000])
            imports()
    finally:
        nf.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
