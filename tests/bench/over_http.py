"""Print what an event over HTTP costs beside a bare tornado handler that writes and syncs.

python -m tests.bench.over_http
``--senders 500 --seconds 30`` is the default. Every event that was answered with 200 must be in a journal once, and
every event in a journal must have been sent.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tornado import web
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

import nbflow as nf
from nbflow.core.codec import decode
from nbflow.core.records import EventReceived

from .senders import ROOM

ROOT = Path(__file__).resolve().parents[2]


@nf.task
def count(*events: Any) -> int:
    """Return how many events came."""
    return len(events)


def send(url: str, token: str, senders: int, seconds: float, runs: int) -> dict[str, Any]:
    """Let so many senders send for so long, from another process; return what they were answered."""
    words = [url, token, str(senders), str(seconds), str(runs)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.senders", *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def ours(folder: Path, senders: int, seconds: float, runs: int) -> tuple[dict[str, Any], Counter[str]]:
    """Send to runs that wait; return what the senders were answered, and how often each event is in the journals."""
    nf.init(storage=folder)
    for n in range(runs):
        nf.run_async(count.bind(*(nf.wait_for_event("load") for _ in range(ROOM))), workflow_id=f"load-{n}")
    with nf.serve(rate=1e6) as endpoint:
        found = send(endpoint.url, endpoint.token, senders, seconds, runs)
    storage = nf.home.default_host().storage
    nf.shutdown()
    return found, Counter(event for n in range(runs) for event in received(storage, f"load-{n}"))


def received(storage: Any, workflow_id: str) -> Iterator[str]:
    """Yield the ids of the events in the journal of a run."""
    for wire in storage.read_run(workflow_id):
        record = decode(wire)
        if isinstance(record, EventReceived):
            yield record.event_id


def check(found: dict[str, Any], journal: Counter[str]) -> None:
    """Assert that nothing was lost, doubled or invented."""
    sent = {event: status for event, status, _ in found["answers"]}
    good = {event for event, status in sent.items() if status == 200}
    assert good, f"no event came through: {Counter(sent.values())}"
    assert set(journal.values()) == {1}, "an event is in a journal twice"
    assert good <= set(journal), f"{len(good - set(journal))} events were lost"
    assert set(journal) <= set(sent), "a journal has what nobody sent"


@contextmanager
def bare(folder: Path) -> Iterator[str]:
    """Give the URL of a handler that writes the body of each request to a file, and syncs it."""
    fd = os.open(folder / "bare", os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    class Write(web.RequestHandler):
        def post(self, _: str) -> None:
            os.write(fd, self.request.body + b"\n")
            os.fdatasync(fd)
            self.finish({"status": "delivered"})

    sockets, ready, loops = bind_sockets(0, "127.0.0.1"), threading.Event(), list[Any]()

    async def serve() -> None:
        HTTPServer(web.Application([("/(.*)", Write)], log_function=lambda _: None)).add_sockets(sockets)
        loops.extend([asyncio.get_running_loop(), asyncio.Event()])
        ready.set()
        await loops[1].wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    ready.wait()
    yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    loops[0].call_soon_threadsafe(loops[1].set)
    thread.join()
    os.close(fd)


def figures(found: dict[str, Any]) -> dict[str, float]:
    """Return events a second, and milliseconds of the median and of the slowest hundredth."""
    took = sorted(1000 * seconds for _, status, seconds in found["answers"] if status == 200)
    return {"events/s": len(took) / found["took"], "p50": took[len(took) // 2], "p99": took[len(took) * 99 // 100]}


def main() -> None:
    """Measure both, and print their figures and ratios."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--senders", type=int, default=500)
    options.add_argument("--seconds", type=float, default=30)
    options.add_argument("--folder", type=Path, default=None, help="a folder on the disk to measure")
    args = options.parse_args()
    runs = int(args.seconds * 2) + 2
    with tempfile.TemporaryDirectory(dir=args.folder) as place:
        found, journal = ours(Path(place) / "runs", args.senders, args.seconds, runs)
        check(found, journal)
        told = Counter(status for _, status, _ in found["answers"])
        print(f"{len(journal)} events, each in a journal once; answers: {dict(told)}")
        with bare(Path(place)) as url:
            floor = figures(send(url, "none", args.senders, args.seconds, 10**6))
    mine = figures(found)
    print(f"{'':10} {'nbflow':>10} {'bare':>10} {'ratio':>7}")
    for name in mine:
        print(f"{name:10} {mine[name]:10.1f} {floor[name]:10.1f} {mine[name] / floor[name]:7.2f}")


if __name__ == "__main__":
    main()
