"""Ray Workflows, rows C126 to C137: outputs of runs and of tasks."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.errors import WorkflowExecutionError
from tests.engine.tools import Counter, Gate, finish, kill_at, script


@pytest.fixture
def gate() -> Gate:
    return Gate()


@nf.task
def double(x: int) -> int:
    return 2 * x


@nf.task
def bad(x: int) -> int:
    raise ValueError(f"bad {x}")


def test_C126_the_output_of_a_live_run_is_waited_for_and_that_of_an_ended_one_is_there(
    gate: Gate, folder: Path
) -> None:
    @nf.task
    def stay() -> int:
        gate.wait()
        return 314

    nf.run_async(stay.bind(), workflow_id="w")
    output = nf.get_output_async("w")
    gate.reached()
    assert not output.done()
    gate.open.set()
    assert output.result(10) == nf.get_output("w") == 314
    elsewhere = "import sys, nbflow as nf; nf.init(storage=sys.argv[1]); print(nf.get_output('w'))"
    nf.get_run("w").result(10)
    assert "314" in finish(script(elsewhere, folder))


def test_C127_an_output_may_be_asked_for_right_after_the_start() -> None:
    for i in range(20):
        nf.run_async(double.bind(157), workflow_id=f"w{i}")
        assert nf.get_output_async(f"w{i}").result(10) == 314


def test_C128_the_output_of_a_task_that_is_not_known_yet_is_waited_for(gate: Gate) -> None:
    @nf.task
    def link(n: int) -> Any:
        if n == 0:
            gate.wait()
        return 42 if n == 9 else nf.continuation(link.bind(n + 1))

    run = nf.run_async(link.bind(0), workflow_id="w")
    gate.reached()
    outputs = [nf.get_output_async("w", task_id=name) for name in ("link", *(f"link_{i}" for i in range(1, 10)))]
    gate.open.set()
    assert [output.result(10) for output in outputs] == [42] * 10
    assert run.result(10) == 42


def test_C129_outputs_of_tasks_come_one_by_one(gate: Gate) -> None:
    @nf.task
    def stay(x: int) -> int:
        gate.wait()
        return x + 2

    nf.run_async(stay.bind(double.options(task_id="inner").bind(1)), workflow_id="w")

    async def inner() -> int:
        return await nf.get_output_async("w", task_id="inner")

    assert asyncio.run(inner()) == 2
    outer = nf.get_output_async("w", task_id="stay")
    assert not outer.done()
    gate.open.set()
    assert outer.result(10) == 4


def test_C130_an_unknown_task_is_named_once_the_run_has_ended(gate: Gate) -> None:
    nf.run(double.bind(1), workflow_id="w")
    with pytest.raises(ValueError, match="No such task_id 'x' in workflow 'w'"):
        nf.get_output("w", task_id="x")


def test_C131_C132_C133_outputs_of_a_failed_run(tmp_path: Path, folder: Path) -> None:
    calls = Counter(tmp_path / "calls")

    @nf.task
    def outer(x: int) -> int:
        if calls.add() == 1:
            raise KeyError("outer")
        return x

    with pytest.raises(WorkflowExecutionError):
        nf.run(outer.bind(double.bind(1)), workflow_id="w")
    for _ in range(2):
        with pytest.raises(WorkflowExecutionError):
            nf.get_output("w")
        with pytest.raises(WorkflowExecutionError) as failed:
            nf.get_output("w", task_id="outer")
        assert isinstance(failed.value.__cause__, KeyError)
        assert nf.get_output("w", task_id="double") == 2
        nf.shutdown()
        nf.init(storage=str(folder))
    assert calls.count() == 1
    assert nf.resume("w") == 2
    assert nf.get_output("w", task_id="outer") == 2


def test_C132_the_recorded_exception_is_that_of_the_task_also_when_it_was_caught() -> None:
    outer = nf.task(lambda: nf.continuation(bad.bind(1)), name="outer", catch_exceptions=True)
    assert nf.run(outer.bind(), workflow_id="w")[0] is None
    with pytest.raises(WorkflowExecutionError, match=r"'bad'.*bad 1") as failed:
        nf.get_output("w", task_id="bad")
    assert isinstance(failed.value.__cause__, ValueError)


def test_C134_an_unknown_run_has_no_output() -> None:
    for task_id in (None, "x"):
        with pytest.raises(ValueError, match="No such workflow 'nothing'"):
            nf.get_output("nothing", task_id=task_id)


def test_C135_a_canceled_run_has_no_output() -> None:
    nf.run_async(nf.wait_for_event("go"), workflow_id="w").cancel()
    nf.get_run("w")._host.engine.call(_gone, "w")
    with pytest.raises(ValueError, match="'w' is canceled"):
        nf.get_output("w")


def test_C135_a_live_run_that_is_canceled_or_let_go_has_no_output_in_the_same_words() -> None:
    run = nf.run_async(nf.wait_for_event("go"), workflow_id="w")
    waits = nf.get_output_async("w")
    run.detach()
    with pytest.raises(ValueError, match="'w' was let go"):
        waits.result(20)
    again = nf.resume_async("w")
    waits = nf.get_output_async("w")
    again.cancel()
    for output in (waits, nf.get_output_async("w")):
        with pytest.raises(ValueError, match="'w' is canceled"):
            output.result(20)


async def _gone(workflow_id: str) -> None:
    live = nf.get_run(workflow_id)._host.runners.get(workflow_id)
    if live is not None:
        await live.gone.wait()


def test_C136_an_output_of_a_run_that_fails_later_fails(gate: Gate) -> None:
    @nf.task
    def fails() -> int:
        gate.wait()
        raise ValueError

    nf.run_async(fails.bind(), workflow_id="w")
    output = nf.get_output_async("w")
    gate.open.set()
    with pytest.raises(WorkflowExecutionError):
        output.result(10)


@pytest.mark.crash
def test_C137_a_dead_run_has_no_output_yet_but_its_finished_tasks_have(folder: Path) -> None:
    code = """
    import sys, time, nbflow as nf
    nf.init(storage=sys.argv[1])
    @nf.task
    def first(): return 1
    @nf.task
    def second(x):
        print("HERE", flush=True); time.sleep(60)
    nf.run(second.bind(first.bind()), workflow_id="w")
    """
    kill_at(script(code, folder), "HERE")
    with pytest.raises(ValueError, match=r"nbflow.resume\('w'\)"):
        nf.get_output("w")
    assert nf.get_output("w", task_id="first") == 1
