"""``any_of`` in real runs: the first decides, the others are closed or stopped, and nothing that is sent is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.errors import GraphError, TaskTimeout, WorkflowExecutionError
from tests.engine.tools import Counter, Gate, VirtualClock, finish, kill_at, script, until


def waiting(run: nf.Run, count: int = 1) -> nf.Run:
    until(lambda: run.state.counts["waiting"] == count)
    return run


def states(run: nf.Run) -> dict[str, str]:
    return {node.node_id: str(node.status) for node in run.state.nodes}


def test_the_value_says_which_was_first_and_what_it_gave() -> None:
    run = waiting(nf.run_async(nf.any_of(nf.wait_for_event("a"), nf.wait_for_event("b")), workflow_id="w"), 2)
    assert run.send("b", {"n": 1}).status == "delivered"
    assert run.result(20) == nf.First(1, "wait_for_b", {"n": 1})
    assert nf.get_output("w") == nf.First(1, "wait_for_b", {"n": 1})
    assert states(run) == {"wait_for_a": "canceled", "wait_for_b": "done", "any_of": "done"}


def test_a_question_that_lost_vanishes_and_a_late_answer_of_its_key_is_recorded_as_undelivered() -> None:
    ask = nf.wait_for_event(nf.ButtonListener, "Publish?").options(task_id="publish")
    hold = nf.wait_for_event("hold")
    run = nf.run_async([nf.any_of(ask, nf.wait_for_event("auto")), hold], workflow_id="w")
    until(lambda: run.questions == ["publish"])
    key = next(node.wait.key for node in run.state.nodes if node.wait and node.wait.prompt)
    until(lambda: run.state.counts["waiting"] == 3)
    run.send("auto", "yes")
    assert run.questions == []
    assert run.answer("Publish?", "approve").status == "rejected"
    late = run.send(key, "approve", id="late")
    assert late.status == "queued"
    run.send("hold")
    assert run.result(20)[0].node_id == "wait_for_auto"
    assert nf.get_metadata("w")["undelivered"] == ["late"]
    assert "nobody waits for it now" in " ".join(run.story("publish"))
    assert f"nobody took 'late' for {key!r}" in run.story("publish")[-1]


def test_a_deadline_beside_a_wait(clock: VirtualClock) -> None:
    run = waiting(nf.run_async(nf.any_of(nf.wait_for_event("go"), nf.sleep(3600))), 2)
    clock.advance(3600)
    assert run.result(20).index == 1
    run = waiting(nf.run_async(nf.any_of(nf.wait_for_event("go"), nf.sleep(3600))), 2)
    run.send("go", 5)
    assert run.result(20) == nf.First(0, "wait_for_go", 5)


def test_a_task_that_lost_is_stopped_and_its_late_value_is_ignored(tmp_path: Path) -> None:
    told = Counter(tmp_path / "told")

    @nf.task
    async def slow() -> str:
        told.add("began")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            told.add("stopped")
            raise
        return "late"

    run = nf.run_async(nf.any_of(slow.bind(), nf.wait_for_event("go")))
    until(lambda: told.count("began"))
    run.send("go")
    assert run.result(20).node_id == "wait_for_go"
    until(lambda: told.count("stopped"))


def test_a_task_that_others_need_too_goes_on() -> None:
    gate = Gate()
    held = nf.task(lambda: gate.wait() or "shared", name="held").bind()
    run = nf.run_async([nf.any_of(held, nf.wait_for_event("go")), held])
    gate.reached()
    run.send("go")
    until(lambda: states(run)["any_of"] == "done")
    gate.open.set()
    first, shared = run.result(20)
    assert (first.index, shared) == (1, "shared")


def test_a_listener_that_lost_is_not_polled_any_longer(tmp_path: Path) -> None:
    told = Counter(tmp_path / "told")

    class Source(nf.EventListener):
        async def poll_for_event(self) -> None:
            told.add("polling")
            try:
                await asyncio.sleep(60)
            finally:
                told.add("left")

    run = nf.run_async(nf.any_of(nf.wait_for_event(Source), nf.wait_for_event("go")))
    until(lambda: told.count("polling"))
    run.send("go")
    assert run.result(20).index == 1
    until(lambda: told.count("left"))


def test_a_part_that_fails_fails_it_and_one_with_a_default_or_that_catches_does_not(clock: VirtualClock) -> None:
    broken = nf.task(lambda: 1 / 0, name="broken")
    with pytest.raises(WorkflowExecutionError) as failed:
        nf.run(nf.any_of(broken.bind(), nf.wait_for_event("go")))
    assert isinstance(failed.value.__cause__, ZeroDivisionError)
    caught = nf.run(nf.any_of(broken.options(catch_exceptions=True).bind(), nf.wait_for_event("go")))
    assert caught.index == 0 and isinstance(caught.value[1], ZeroDivisionError)
    late = nf.wait_for_event("go").options(timeout=5, default="nobody")
    run = waiting(nf.run_async(nf.any_of(late, nf.wait_for_event("other"))), 2)
    clock.advance(5)
    assert run.result(20) == nf.First(0, "wait_for_go", "nobody")
    run = waiting(nf.run_async(nf.any_of(nf.wait_for_event("go").options(timeout=5), nf.wait_for_event("other"))), 2)
    clock.advance(5)
    with pytest.raises(WorkflowExecutionError) as timed_out:
        run.result(20)
    assert isinstance(timed_out.value.__cause__, TaskTimeout)


def test_it_can_be_nested_and_stand_in_a_continuation() -> None:
    @nf.task
    def inside() -> Any:
        return nf.continuation(nf.any_of(nf.any_of(nf.wait_for_event("a"), nf.wait_for_event("b")), nf.sleep(60)))

    run = waiting(nf.run_async(inside.bind()), 3)
    run.send("b", 2)
    first = run.result(20)
    assert (first.index, first.value) == (0, nf.First(1, "wait_for_b", 2))


def test_it_has_an_id_and_metadata_and_refuses_what_is_no_choice() -> None:
    node = nf.any_of(nf.sleep(0)).options(task_id="race", metadata={"m": 1})
    assert nf.run(node, workflow_id="w").node_id == "sleep"
    assert nf.get_metadata("w", "race")["user_metadata"] == {"m": 1}
    assert nf.get_metadata("w", "race")["task_options"]["task_type"] == "ANY_OF"
    same = nf.sleep(0)
    for wrong in ((), (same, same)):
        with pytest.raises(ValueError, match="each of them once"):
            nf.any_of(*wrong)
    with pytest.raises(TypeError, match="any_of takes nodes"):
        nf.any_of([same])  # type: ignore[arg-type]
    for options in ({"timeout": 5}, {"name": "x"}):
        with pytest.raises(ValueError, match="An any_of takes no option"):
            nf.any_of(same).options(**options)
    with pytest.raises(GraphError, match="takes no options"):
        nf.put(1).options(task_id="x")


def test_outside_a_run_the_first_part_that_can_be_computed_is_the_first() -> None:
    double = nf.task(lambda x: 2 * x, name="double")
    assert nf.continuation(nf.any_of(double.bind(1), double.bind(2))) == nf.First(0, "double", 2)


def test_a_view_shows_what_was_put_aside() -> None:
    run = waiting(nf.run_async(nf.any_of(nf.wait_for_event("a"), nf.wait_for_event("b"))), 2)
    run.send("a")
    run.result(20)
    frame = run.to_dataframe()
    assert dict(zip(frame["node"], frame["state"], strict=True)) == {
        "wait_for_a": "done", "wait_for_b": "canceled", "any_of": "done",
    }  # fmt: skip
    assert "any_of" in run.to_dot().source


@pytest.mark.crash
def test_what_was_first_stays_so_after_a_kill_and_what_lost_is_not_asked_again(folder: Path) -> None:
    code = """
    import sys, time, asyncio, nbflow as nf
    nf.init(storage=sys.argv[1])
    @nf.task
    async def after(first):
        if sys.argv[2] == "die": print("HERE", flush=True); await asyncio.sleep(60)
        return first
    run = nf.run_async(after.bind(nf.any_of(nf.wait_for_event("a"), nf.wait_for_event("b"))), workflow_id="w")
    if sys.argv[2] == "die":
        while run.state.counts["waiting"] < 2: time.sleep(0.01)
        run.send("b", 7)
    print(run.result(50))
    """
    kill_at(script(code, folder, "die"), "HERE")
    nf.send("w", "a", "too late", id="late")
    assert "First(index=1, node_id='wait_for_b', value=7)" in finish(script(code, folder, "go"))
    assert nf.get_metadata("w")["undelivered"] == ["late"]
