"""Two runs that share a Redis stream are killed with kill -9 again and again: each message is in one journal once."""

from __future__ import annotations

import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nbflow.engine.inspect import read
from nbflow.storage.folder import FolderStorage
from tests import figures
from tests.engine.tools import script
from tests.listeners.brokers import RedisServer

KILLS, EACH = 15, 25

PROGRAM = """
import sys, asyncio, nbflow as nf
from nbflow.listeners import RedisStreamListener
storage, url, each = sys.argv[1], sys.argv[2], int(sys.argv[3])
nf.init(storage=storage)
def message(): return nf.wait_for_event(RedisStreamListener, "orders", url)
@nf.task
async def after(seen, found):
    print("seen", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    seen = [*seen, found["fields"]["n"]]
    return seen if len(seen) == each else nf.continuation(after.bind(seen, message()))
runs = [nf.run_async(after.bind([], message()), workflow_id=name) for name in ("left", "right")]
print("begun", flush=True)
for run in runs: print(len(run.result()))
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    found = RedisServer(tmp_path)
    yield found
    found.stop()


def kill_after(process: subprocess.Popen[str], steps: int, seconds: float) -> None:
    """Let a program take so many steps, and kill it a moment after it was told to go on."""
    assert process.stdout is not None and process.stdin is not None
    for _ in range(steps):
        assert process.stdout.readline(), "it ended by itself"
        process.stdin.write("\n")
        process.stdin.flush()
    time.sleep(seconds)
    process.kill()
    process.communicate()


@pytest.mark.redis
@pytest.mark.crash
@pytest.mark.slow
def test_every_message_is_in_one_journal_once_over_many_kills(server: RedisServer, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    folder = tmp_path / "storage"
    for number in range(2 * EACH):
        server.add("orders", n=number)
    for _ in range(KILLS):
        kill_after(script(PROGRAM, folder, server.url, EACH), chance.randint(1, 3), chance.random() * 0.02)
    figures.count("crash points", KILLS)
    last = script(PROGRAM, folder, server.url, EACH)
    out, _ = last.communicate(timeout=60)
    assert last.returncode == 0, out

    storage, fired, seen = FolderStorage(folder), Counter[str](), list[Any]()
    for name in ("left", "right"):
        assert read(storage, name).status == "SUCCESSFUL"
        records = storage.read_run(name)
        fired.update(record["event"]["v"]["fields"]["n"] for record in records if record["t"] == "fired")
        seen += [value for record in records if record["t"] == "done" for value in [(record["v"] or {}).get("v")]]
    figures.count("events", 2 * EACH)
    figures.count("lost", 2 * EACH - len(fired))
    figures.count("doubled", fired.total() - len(fired))
    assert fired == Counter(map(str, range(2 * EACH))), "lost, or twice"
    results = [value for value in seen if isinstance(value, list) and len(value) == EACH]
    assert sorted(int(n) for value in results for n in value) == [*range(2 * EACH)]
    assert server.pending("orders") == 0
