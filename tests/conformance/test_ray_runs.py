"""Ray Workflows, rows C021 to C040: run, ids, and going on with a used one."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

import nbflow as nf
from nbflow.errors import WorkflowExecutionError, WorkflowNotResumableError
from tests.engine.tools import Counter, Gate, finish, kill_at, script


@nf.task
def add(a: int, b: int) -> int:
    return a + b


def test_C021_run_returns_the_value_under_an_id_of_its_own() -> None:
    assert nf.run(add.bind(add.bind(1, 2), 3)) == 6
    assert nf.run(add.bind(1, 1)) == 2
    ids = [workflow_id for workflow_id, _ in nf.list_all()]
    assert len(set(ids)) == 2


def test_C022_run_async_returns_at_once_a_handle_for_every_kind_of_waiting() -> None:
    gate = Gate()

    @nf.task
    def stay() -> int:
        gate.wait()
        return 3

    run = nf.run_async(stay.bind())
    gate.reached()
    assert nf.wait([run], timeout=0.01) == ([], [run])
    gate.open.set()

    async def awaited() -> int:
        return await run

    assert asyncio.run(awaited()) == run.result(10) == 3
    assert nf.wait([run]) == ([run], [])


@pytest.mark.parametrize("what", [5, None, add, "x", [1, 2], {}])
def test_C023_what_is_no_graph_is_refused(what: object) -> None:
    with pytest.raises(TypeError, match="Input should be a DAG"):
        nf.run_async(what)
    with pytest.raises(TypeError, match="Input should be a DAG"):
        nf.run(what)
    assert nf.list_all() == []


def test_C024_an_id_that_is_live_is_refused() -> None:
    run = nf.run_async(nf.wait_for_event("go"), workflow_id="live")
    with pytest.raises(RuntimeError, match="'live' is already running or pending"):
        nf.run(add.bind(1, 2), workflow_id="live")
    with pytest.raises(RuntimeError, match="'live' is already running or pending"):
        nf.resume_async("live")
    run.send("go", 1)
    assert run.result(10) == 1


def test_C025_a_run_that_succeeded_gives_its_result_again(tmp_path: Path) -> None:
    calls = Counter(tmp_path / "calls")

    @nf.task
    def once(x: int) -> int:
        calls.add()
        return x

    assert nf.run(once.bind(1), workflow_id="w") == 1
    assert nf.run(once.bind(1), workflow_id="w") == 1
    assert calls.count() == 1


def test_C026_a_run_that_failed_goes_on_with_the_code_given_now(tmp_path: Path) -> None:
    calls = Counter(tmp_path / "calls")

    @nf.task
    def first() -> int:
        return calls.add()

    @nf.task
    def second(x: int) -> str:
        raise ValueError("not yet")

    with pytest.raises(WorkflowExecutionError):
        nf.run(second.bind(first.bind()), workflow_id="w")

    @nf.task(name="second")
    def mended(x: int) -> str:
        return f"mended {x}"

    assert nf.run(mended.bind(first.bind()), workflow_id="w") == "mended 1"
    assert calls.count() == 1


def test_C027_a_canceled_run_is_final_and_the_message_names_the_ways_out() -> None:
    nf.run_async(nf.wait_for_event("go"), workflow_id="w").cancel()
    with pytest.raises(WorkflowNotResumableError, match=r"delete\('w'\)"):
        nf.run(add.bind(1, 2), workflow_id="w")
    nf.delete("w")
    assert nf.run(add.bind(1, 2), workflow_id="w") == 3


def test_C028_a_used_id_keeps_its_metadata_unless_new_ones_are_given() -> None:
    nf.run(add.bind(1, 2), workflow_id="w", metadata={"a": 1})
    nf.run(add.bind(1, 2), workflow_id="w")
    assert nf.get_metadata("w")["user_metadata"] == {"a": 1}
    assert nf.get_output("w", task_id="add") == 3


@pytest.mark.parametrize("bad", [7, b"x"])
def test_C029_an_id_that_is_no_string_is_refused_at_once(bad: object) -> None:
    with pytest.raises(TypeError):
        nf.run(add.bind(1, 2), workflow_id=bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", ["", "x" * 256, "\udc80"])
def test_C030_C033_an_empty_or_overlong_id_is_refused_before_anything_is_written(bad: str, folder: Path) -> None:
    with pytest.raises(ValueError, match="workflow_id"):
        nf.run(add.bind(1, 2), workflow_id=bad)
    assert not folder.exists()


@pytest.mark.parametrize("odd", ["a/b", "../esc", "..", "two words", "Überläufer", "CON", "a" * 255, "日本" * 40])
def test_C031_C032_C034_any_other_string_is_an_id_and_is_listed(odd: str, folder: Path) -> None:
    before = set(folder.parent.iterdir())
    assert nf.run(add.bind(1, 2), workflow_id=odd) == 3
    assert nf.list_all() == [(odd, "SUCCESSFUL")]
    assert nf.get_output(odd) == 3
    assert set(folder.parent.iterdir()) - before == {folder}


def test_C035_a_run_may_be_started_from_any_thread() -> None:
    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(nf.run(add.bind(1, 2), workflow_id="w")))
    thread.start()
    thread.join(10)
    assert (results, nf.get_status("w")) == ([3], "SUCCESSFUL")


def test_C036_an_awaited_run_does_not_stop_the_callers_loop() -> None:
    async def main() -> int:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.01)

        ticking = asyncio.create_task(tick())
        await nf.run_async(nf.sleep(0.2))
        ticking.cancel()
        return ticks

    assert asyncio.run(main()) >= 5
    assert asyncio.run(_blocking()) == 3


async def _blocking() -> int:
    return nf.run(add.bind(1, 2))


def test_C037_a_run_inside_a_task_has_its_own_id() -> None:
    @nf.task
    def outer() -> int:
        return nf.run(add.bind(1, 2), workflow_id="inner") + 1

    assert nf.run(outer.bind(), workflow_id="outer") == 4
    assert dict(nf.list_all()) == {"inner": "SUCCESSFUL", "outer": "SUCCESSFUL"}


def test_C037_a_blocking_run_inside_an_async_task_is_refused_and_an_awaited_one_works() -> None:
    @nf.task
    async def blocking() -> int:
        return nf.run(add.bind(1, 2))

    @nf.task
    async def waiting() -> int:
        return 1 + await nf.run_async(add.bind(1, 2))

    with pytest.raises(WorkflowExecutionError) as failed:
        nf.run_async(blocking.bind()).result(10)
    assert "await" in str(failed.value.__cause__)
    assert nf.run_async(waiting.bind()).result(10) == 4


GO_ON = """
import sys, time
import nbflow as nf
nf.init(storage=sys.argv[1])
@nf.task
def ten(): return 10
@nf.task
def double(x, path):
    print("HERE", flush=True)
    import os
    while not os.path.exists(path): time.sleep(0.01)
    return 2 * x
big = nf.put([1] * 5000)
print(nf.run(double.bind(ten.bind(), sys.argv[2]), workflow_id="w"))
"""


@pytest.mark.crash
def test_C038_C039_a_run_outlives_the_program_that_bound_its_arguments(folder: Path, tmp_path: Path) -> None:
    signal = tmp_path / "go"
    kill_at(script(GO_ON, folder, signal), "HERE")
    signal.touch()
    assert nf.resume("w") == 20
    assert (
        finish(script("import sys, nbflow as nf; nf.init(storage=sys.argv[1]); print(nf.get_output('w'))", folder))
        == "20\n"
    )


RACE = """
import os, sys, time
import nbflow as nf, nbflow.errors
nf.init(storage=sys.argv[1])
calls, refused = sys.argv[2:]
@nf.task
def body(calls, refused):
    with open(calls, "a") as file: file.write("x\\n")
    while not os.path.exists(refused): time.sleep(0.01)
    return 1
print("READY", flush=True)
sys.stdin.readline()
try:
    print("value", nf.run(body.bind(calls, refused), workflow_id="w"))
except nf.errors.RunIsLive as error:
    open(refused, "w").close()
    print("refused")
"""


@pytest.mark.crash
def test_C040_of_two_processes_that_start_one_id_at_once_one_is_refused(folder: Path, tmp_path: Path) -> None:
    programs = [script(RACE, folder, tmp_path / "calls", tmp_path / "refused") for _ in range(2)]
    for program in programs:
        assert program.stdout is not None
        assert program.stdout.readline() == "READY\n"
    for program in programs:
        assert program.stdin is not None
        program.stdin.write("\n")
        program.stdin.flush()
    assert sorted(finish(program) for program in programs) == ["refused\n", "value 1\n"]
    assert Counter(tmp_path / "calls").count() == 1
