"""A process that simply ends lets its runs go: they can be resumed, and none has failed for that."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbflow.engine.inspect import read
from nbflow.storage.folder import FolderStorage
from tests.engine.tools import finish, script

MACHINE = """
    import sys, nbflow as nf
    from nbflow.storage.folder import FolderStorage
    nf.init(storage=FolderStorage(sys.argv[1], durability="lazy"))
    machine = nf.Workflow("Counter")

    @machine.start()
    async def start(ctx):
        return ctx.next.wait_for_event()

    @machine.event()
    def tick(ctx, n: int):
        ctx.store.put("n", n)
        return ctx.next.wait_for_event()

    run = nf.start_workflow(machine, workflow_id="w")
    for n in range(300):
        run.send("tick", {"n": n})
"""
GRAPH = """
    import sys, time, nbflow as nf
    nf.init(storage=sys.argv[1])
    grow = nf.task(lambda xs: b"x" * 100_000, name="grow", max_retries=0)
    layer = []
    for _ in range(6):
        layer = grow.map([layer] * 40)
    run = nf.run_async(nf.task(len).bind(layer), workflow_id="w")
    while run.state.counts["done"] < 20:
        time.sleep(0.001)
"""


@pytest.mark.parametrize("program", [MACHINE, GRAPH])
def test_a_run_whose_process_ends_in_the_middle_can_be_resumed_and_has_not_failed(program: str, folder: Path) -> None:
    for _ in range(3):
        said = finish(script(program, folder))
        assert "rror" not in said
        storage = FolderStorage(folder)
        state = read(storage, "w")
        assert state.status == "RESUMABLE", state.status
        assert state.counts["failed"] == 0
        entry = storage.entry("w")
        assert entry is not None and not entry.live
        storage.delete_run("w")
