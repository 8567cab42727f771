"""The endpoint in a real kernel: it answers while a cell computes, and is the same after the kernel was killed."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.http import senders

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "notebook"))

from kernels import OWN_LINE, Kernel

pytestmark = pytest.mark.slow

WAITS = """
import nbflow as nf
nf.init(storage="runs")
run = nf.run_async(nf.wait_for_event(nf.HTTPListener, event_key="go"), workflow_id="busy")
"""
ASKS = """
import nbflow as nf
nf.init(storage="runs")
other = nf.run_async(nf.wait_for_event(nf.ButtonListener, "Publish?"), workflow_id="asks")
while not other.questions: pass
"""
SERVE = """
endpoint = nf.serve(port={port})
print("at", endpoint.url, endpoint.token, other.link("publish"), endpoint.port)
"""
SPIN = """
import time
print("spinning", flush=True)
end = time.monotonic() + {seconds}
count = 0
while time.monotonic() < end:
    count += 1
"""


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    running = Kernel(OWN_LINE, tmp_path)
    yield running
    running.stop()


def test_it_answers_while_a_cell_computes_and_is_the_same_after_a_kill(kernel: Kernel) -> None:
    said = kernel.run(f"{WAITS}{ASKS}{SERVE.format(port=0)}")
    assert said.count("nbflow takes events over HTTP at") == 1
    url, token, link, port = said.rpartition("at ")[2].split()
    busy = kernel.send(SPIN.format(seconds=6))
    kernel.wait_printed(busy, "spinning")
    event = {"event_key": "go", "event_payload": {"x": 1}, "event_id": "1"}
    began = time.monotonic()
    assert senders.post(f"{url}/event/send_event/busy", event, token).status == 200
    assert senders.get(f"{link}/state").json["ask"]["state"] == "open"
    took = time.monotonic() - began
    assert busy not in kernel.replies, "the cell was over before the answer came"
    assert took < 5, "the answers waited for the cell"
    kernel.reply(busy)
    assert kernel.run("print(run.result())") == "{'x': 1}"

    kernel.restart()
    said = kernel.run(f"{ASKS}{SERVE.format(port=port)}")
    assert said.rpartition("at ")[2].split()[:2] == [url, token], "who knows the URL and the token needs no new one"
    assert senders.post(f"{link}/answer", {"option": "approve", "by": "ana"}).status == 200
    assert kernel.run("print(other.result(), other.result().by)") == "approve ana"
