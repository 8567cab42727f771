"""Real kernels are killed with kill -9 while one process goes on sending to their run and another on looking at it."""

from __future__ import annotations

import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from nbflow.core.codec import decode
from nbflow.core.records import EventReceived
from nbflow.storage.folder import FolderStorage
from tests import figures
from tests.crash.test_kernel_kill import Kernels, wait_until
from tests.crash.victims import RUN
from tests.engine.tools import finish, script

KILLS = 6

CELL = """
import os
os.environ |= {{"DIARY": {effects!r}, "EPOCH": "{epoch}"}}
import nbflow as nf
from tests.crash import victims
nf.init(storage={storage!r})
run = nf.start_workflow(victims.sums, workflow_id=victims.RUN, existing="return")
"""

SENDER = """
import itertools, select, sys, time
import nbflow as nf
from nbflow.errors import WorkflowNotFoundError
nf.init(storage=sys.argv[1])

def send(key, payload, id):
    while True:
        try:
            if nf.send("victim", key, payload, id=id): return
        except WorkflowNotFoundError: pass
        time.sleep(0.01)

for n in itertools.count():
    send("add", {"number": 1}, f"add-{n}")
    print(n, flush=True)
    if select.select([sys.stdin], [], [], 0.003)[0]: break
send("stop", None, "stop")
"""

INSPECTOR = """
import select, sys
import nbflow as nf
from nbflow.core.codec import decode
from nbflow.core.records import EventReceived
from nbflow.errors import WorkflowNotFoundError
nf.init(storage=sys.argv[1])
seen, looks = 0, 0
while not select.select([sys.stdin], [], [], 0.01)[0]:
    listed = dict(nf.list_all())
    repr(nf.list_runs())
    if "victim" not in listed: continue
    run = nf.get_run("victim")
    run.to_dataframe(), run.describe(), run.state.counts, repr(run), run._repr_mimebundle_()
    wires = nf.home.default_host().storage.read_run("victim")
    found = sum(isinstance(decode(wire), EventReceived) for wire in wires)
    assert found >= seen, f"{seen} events were there, and now {found}"
    seen, looks = found, looks + 1
print(looks, flush=True)
"""


@pytest.fixture
def kernels(tmp_path: Path) -> Iterator[Kernels]:
    found = Kernels(tmp_path, CELL)
    yield found
    found.close()


def received(storage: FolderStorage) -> Counter[str]:
    """Return how often each event is in the journal."""
    records = map(decode, storage.read_run(RUN)) if storage.exists(RUN) else ()
    return Counter(record.event_id for record in records if isinstance(record, EventReceived))


def stop(process: subprocess.Popen[str]) -> list[str]:
    """Let a program end, and return the lines that it printed."""
    return finish(process).splitlines()


@pytest.mark.crash
@pytest.mark.slow
def test_a_sender_and_an_inspector_go_on_while_kernels_are_killed(kernels: Kernels) -> None:
    seed = random.SystemRandom().randrange(1 << 30)
    print(f"seed {seed}")
    chance, storage = random.Random(seed), FolderStorage(kernels.storage)
    sender, inspector = script(SENDER, kernels.storage), script(INSPECTOR, kernels.storage)
    try:
        for _ in range(KILLS):
            before = len(received(storage))
            manager, client = kernels.go_on()
            wait_until(lambda before=before: len(received(storage)) > before + 5, manager, "events are taken")
            time.sleep(chance.random() * 0.1)
            kernels.kill(manager, client)
            figures.count("crash points")
        manager, client = kernels.go_on()
        sent = [int(line) for line in stop(sender)]
        wait_until(lambda: storage.entry(RUN).status.get("status") == "SUCCESSFUL", manager, "the run ends")
        kernels.kill(manager, client)
        (looks,) = stop(inspector)
    finally:
        sender.kill()
        inspector.kill()
    found = received(storage)
    figures.count("events", len(sent))
    figures.count("lost", len({f"add-{n}" for n in sent} - found.keys()))
    figures.count("doubled", found.total() - len(found))
    assert found == Counter([*(f"add-{n}" for n in sent), "stop"])
    assert int(looks) > 5
    last = script(
        "import sys, nbflow as nf; nf.init(storage=sys.argv[1]); print(nf.get_output('victim'))", kernels.storage
    )
    assert stop(last)[-1] == str(len(sent))
