"""Ray Workflows, row C081: what a task asks of the machine."""

from __future__ import annotations

import pytest

import nbflow as nf
from nbflow.engine.host import Host
from nbflow.ray_compat import ray, workflow
from tests.engine.tools import Gate, until


@pytest.fixture
def gates() -> tuple[Gate, Gate]:
    return Gate(), Gate()


def test_C081_a_task_holds_as_many_slots_as_it_asks_for(host: Host, gates: tuple[Gate, Gate]) -> None:
    wide_gate, narrow_gate = gates
    slots = host.lane(None).slots
    wide = ray.remote(num_cpus=slots)(lambda: wide_gate.wait())
    narrow = ray.remote(lambda: narrow_gate.wait())
    first = workflow.run_async(wide.bind())
    wide_gate.reached()
    second = workflow.run_async(narrow.bind(), workflow_id="narrow")
    until(lambda: nf.get_progress("narrow")["tasks"])
    assert host.lane(None).running == slots
    assert not narrow_gate.arrived.acquire(timeout=0.1), "it ran beside a task that holds all slots"
    wide_gate.open.set()
    narrow_gate.reached()
    narrow_gate.open.set()
    assert ray.get([first, second], timeout=20) == [None, None]


def test_C081_what_no_executor_knows_is_recorded_and_does_not_stop_the_task(caplog: pytest.LogCaptureFixture) -> None:
    train = ray.remote(num_gpus=1, resources={"fast disk": 2})(lambda: 5)
    assert workflow.run(train.options(**workflow.options(task_id="train")).bind(), workflow_id="w") == 5
    assert nf.get_metadata("w", task_id="train")["task_options"]["resources"] == {"GPU": 1, "fast disk": 2}
    assert any("GPU, fast disk" in record.getMessage() for record in caplog.records)
