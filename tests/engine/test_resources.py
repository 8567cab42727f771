"""What a task asks of its executor: slots it holds, and amounts that only some executors know."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from typing import Any

import pytest

import nbflow as nf
from nbflow.engine.host import Host
from nbflow.executors.thread import ThreadExecutor
from nbflow.testing import MemoryStorage


def notices(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "does not know" in record.getMessage()]


def test_what_the_executor_does_not_know_is_recorded_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    train = nf.task(lambda i: i, name="train", resources={"GPU": 1, "CPU": 1, "none": 0})
    for i in range(2):
        assert nf.run([train.bind(i), train.bind(i)], workflow_id=str(i)) == [i, i]
    (notice,) = notices(caplog)
    assert "'train' asks for GPU, which the executor 'thread' does not know" in notice
    options = nf.get_metadata("0", task_id="train")["task_options"]
    assert options["resources"] == {"CPU": 1, "GPU": 1}


def test_slots_alone_need_no_notice(caplog: pytest.LogCaptureFixture) -> None:
    nf.run(nf.task(lambda: 1, name="one", resources={"CPU": 2}).bind())
    assert not notices(caplog)


class Knowing(ThreadExecutor):
    """An executor that knows resources."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[dict[str, float]] = []

    def submit_with(
        self, resources: dict[str, float], body: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> concurrent.futures.Future[Any]:
        """Start a body with resources."""
        self.asked.append(resources)
        return self.submit(body, *args, **kwargs)


def test_an_executor_that_knows_them_gets_them(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    nf.shutdown()
    mine = Knowing()
    nf.init(storage=MemoryStorage(), executor=mine)
    assert nf.run(nf.task(lambda: 1, name="one", resources={"GPU": 0.5}).bind()) == 1
    assert nf.run(nf.task(lambda: 2, name="two").bind()) == 2
    assert mine.asked == [{"GPU": 0.5}]
    assert not notices(caplog)


@pytest.mark.parametrize("wrong", [5, {"CPU": -1}, {"CPU": "two"}, {"CPU": float("nan")}, {1: 1}, {"": 1}, {"x": True}])
def test_amounts_are_numbers_by_name(wrong: Any) -> None:
    with pytest.raises(ValueError, match="resources of task 'f'"):
        nf.task(lambda: None, name="f", resources=wrong)


def test_none_takes_them_back() -> None:
    f = nf.task(lambda: None, name="f", resources={"CPU": 2.5})
    assert f.settings.slots == 3
    assert f.options(resources=None).settings.slots == 1
