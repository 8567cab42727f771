"""Stop ends the cell and lets the run go, whichever way the cell waits; other ends of a wait leave the run alone."""

from __future__ import annotations

import pytest
from kernels import Kernel

BEGIN = """
import asyncio, time
import nbflow as nf
nf.init(storage="memory://")
say = nf.task(lambda: (time.sleep(0.6), print("waits", flush=True)), name="say")
dag = [say.bind(), nf.wait_for_event("go")]
"""


@pytest.mark.parametrize("wait", ["await nf.run_async(dag, workflow_id='w')", "nf.run(dag, workflow_id='w')"])
def test_stop_lets_the_run_go_and_says_how_to_go_on(kernel: Kernel, wait: str) -> None:
    cell = kernel.send(BEGIN + wait)
    kernel.wait_printed(cell, "waits")
    kernel.manager.interrupt_kernel()
    assert kernel.reply(cell)["status"] == "error"
    kernel.until(lambda: "nbflow.resume('w')" in kernel.printed(cell), "the line that goes on")
    assert kernel.run("print(nf.get_status('w')); nf.shutdown()").startswith("RESUMABLE")


def test_a_wait_that_is_canceled_leaves_the_run_alone(kernel: Kernel) -> None:
    said = kernel.run(
        BEGIN
        + """
run = nf.run_async(dag, workflow_id="w")
try:
    await asyncio.wait_for(run, 0.1)
except TimeoutError:
    print(nf.get_status("w"), bool(run.send("go", 7)))
print(await run)
nf.shutdown()
"""
    )
    assert "RUNNING True" in said
    assert "[(None, None), 7]" in said
