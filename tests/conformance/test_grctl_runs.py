"""State machines over crashes, owners, children and repetitions: nothing is lost and nothing is done twice."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.errors import RunIsLive, WorkflowExecutionError
from nbflow.machine import ChildOutcome
from tests.engine.machines.tools import collector, waiting
from tests.engine.tools import Counter, Gate, finish, kill_at, script, until

MACHINE = """
import sys, time, random
import nbflow as nf
nf.init(storage=sys.argv[1])
path = sys.argv[2]

@nf.task
def effect(word):
    with open(path, "a") as file: file.write(word + "\\n")
    return word

machine = nf.Workflow("Killed")
@machine.start()
async def start(ctx):
    ctx.store.put("seen", [])
    return ctx.next.wait_for_event()
@machine.event()
async def add(ctx, item: int):
    before = [await ctx.now(), await ctx.random(), await ctx.uuid4()]
    await effect(f"done{item}")
    with open(path, "a") as file: file.write(repr(before).replace(" ", "") + f"@{item}\\n")
    if item == 1 and "again" not in sys.argv:
        print("HERE", flush=True); time.sleep(60)
    ctx.store.put("seen", [*await ctx.store.get("seen"), item])
    return ctx.next.wait_for_event()
@machine.event()
async def stop(ctx): return ctx.next.complete(await ctx.store.get("seen"))
"""


@pytest.mark.crash
def test_G40_events_outlive_the_owner_and_are_handled_in_order(folder: Path, tmp_path: Path) -> None:
    first = (
        MACHINE
        + """
run = nf.start_workflow(machine, workflow_id="w")
for item in (1, 2, 3): assert run.send("add", item)
time.sleep(60)
"""
    )
    kill_at(script(first, folder, tmp_path / "effects"), "HERE")
    assert nf.send("w", "add", 4).status == "queued", "nobody runs it, and the event is kept"
    again = (
        MACHINE + "run = nf.start_workflow(machine, workflow_id='w'); run.send('stop'); print('value', run.result())"
    )
    assert "value [1, 2, 3, 4]" in finish(script(again, folder, tmp_path / "effects", "again"))


@pytest.mark.crash
def test_G46_a_handler_that_is_repeated_finds_its_tasks_done_and_sees_the_same(folder: Path, tmp_path: Path) -> None:
    effects = tmp_path / "effects"
    first = MACHINE + "run = nf.start_workflow(machine, workflow_id='w'); run.send('add', 1); time.sleep(60)"
    kill_at(script(first, folder, effects), "HERE")
    assert Counter(effects).count("done1") == 1
    resumed = """
    import sys, nbflow as nf
    nf.init(storage=sys.argv[1])
    run = nf.resume_async('w')
    run.send('stop')
    print('value', run.result())
    """
    assert "value [1]" in finish(script(resumed, folder, effects, "again"))
    words = Counter(effects).words
    assert words.count("done1") == 1, "a task that was done is not done again"
    looked = [word for word in words if word.endswith("@1")]
    assert len(looked) == 2 and looked[0] == looked[1], "the time and chance are the same in a repetition"


@pytest.mark.crash
@pytest.mark.slow
def test_kill_9_at_any_point_loses_no_event_and_repeats_no_task(folder: Path, tmp_path: Path) -> None:
    """A process that handles events as fast as it can is killed again and again, at any moment."""
    effects = tmp_path / "effects"
    feeding = (
        MACHINE.replace('item == 1 and "again" not in sys.argv', "False")
        + """
run = nf.start_workflow(machine, workflow_id="w")
print("GO", flush=True)
for item in range(int(sys.argv[3]), 10_000):
    run.send("add", item, id=f"event {item}")
    print("sent", item, flush=True)
"""
    )
    sent = 0
    for _ in range(6):
        process = script(feeding, folder, effects, sent, "again")
        seen, target = [], sent + 7
        assert process.stdout is not None
        for line in process.stdout:
            seen.append(line)
            if line.startswith("sent") and int(line.split()[1]) >= target:
                break
        process.kill()
        rest = process.communicate()[0]
        sent = (
            max(
                int(word.split()[1])
                for word in [*seen, *rest.splitlines()]
                if word.startswith("sent ") and word.split()[1:]
            )
            + 1
        )
    ending = (
        MACHINE.replace('item == 1 and "again" not in sys.argv', "False")
        + """
run = nf.start_workflow(machine, workflow_id="w")
run.send("stop")
print("value", run.result())
"""
    )
    value = finish(script(ending, folder, effects, "again")).split("value ")[1]
    items = list(map(int, value.strip().strip("[]").split(", ")))
    assert items[:sent] == list(range(sent)), "each event that was acknowledged is handled, once, in order"
    words = Counter(effects).words
    doubled = [i for i in items if words.count(f"done{i}") != 1]
    assert len(doubled) <= 6, "only a task that was under way at a kill may have run again"


def test_G41_a_run_has_one_owner(folder: Path) -> None:
    run = waiting(nf.start_workflow(collector(), workflow_id="w"))
    code = """
    import sys, nbflow as nf
    nf.init(storage=sys.argv[1])
    try: nf.resume("w")
    except nf.errors.RunIsLive as error: print("refused", error)
    """.replace("nf.errors", "nbflow.errors").replace(
        "import sys, nbflow as nf", "import sys, nbflow.errors, nbflow as nf"
    )
    assert "refused" in finish(script(code, folder))
    run.send("stop")
    assert run.result() == []


def family() -> tuple[nf.Workflow, nf.Workflow]:
    """Return a parent and its child, which sends an event to it before it ends."""
    parent, child = nf.Workflow("Parent"), nf.Workflow("Child")

    @child.start()
    async def begin(ctx: Any, n: int) -> Any:
        receipt = await ctx.send_to_parent("word", f"from {ctx.run.id}")
        assert receipt
        return ctx.next.fail("negative") if n < 0 else ctx.next.complete(2 * n)

    @parent.start()
    async def start(ctx: Any, n: int) -> Any:
        ctx.store.put("words", [])
        await ctx.start_child("Child", f"{ctx.run.id}/child", {"n": n}, on_completed_step=completed)
        return ctx.next.wait_for_event()

    @parent.event()
    async def word(ctx: Any, text: str) -> Any:
        ctx.store.put("words", [*await ctx.store.get("words"), text])
        return ctx.next.wait_for_event()

    @parent.step()
    async def completed(ctx: Any, outcome: ChildOutcome) -> Any:
        return ctx.next.complete((outcome.ok, outcome.status, outcome.result, await ctx.store.get("words")))

    return parent, child


def test_G43_a_child_sends_to_its_parent_and_its_end_is_a_step() -> None:
    parent, _ = family()
    run = nf.start_workflow(parent, workflow_id="p", workflow_input=21)
    assert run.result(20) == (True, "SUCCESSFUL", 42, ["from p/child"])
    assert nf.get_output("p/child") == 42


def test_G43_a_child_need_not_wait_for_the_turn_that_its_parent_holds(folder: Path) -> None:
    nf.shutdown()
    nf.init(storage=str(folder), max_running_workflows=1)
    parent, _child = family()
    run = nf.start_workflow(parent, workflow_id="p", workflow_input=21)
    assert run.result(20) == (True, "SUCCESSFUL", 42, ["from p/child"])


def test_G43_the_failure_of_a_child_is_told_as_its_success_is() -> None:
    parent, _ = family()
    ok, status, _, words = nf.start_workflow(parent, workflow_id="p", workflow_input=-1).result(20)
    assert (ok, status, words) == (False, "FAILED", ["from p/child"])


def test_G43_without_a_parent_there_is_nobody_to_send_to() -> None:
    _, child = family()
    with pytest.raises(WorkflowExecutionError, match="has no parent"):
        nf.start_workflow(child, workflow_input=1).result()


@pytest.mark.parametrize("plain", [False, True])
def test_a_handler_may_wait_for_its_child(plain: bool) -> None:
    child, parent = nf.Workflow("Adder"), nf.Workflow("Asker")

    @child.start()
    async def add(ctx: Any, a: int, b: int) -> Any:
        return ctx.next.complete(a + b)

    def start(ctx: Any) -> Any:
        return ctx.next.complete(ctx.run_child(child, "sum", {"a": 1, "b": 2}))

    async def start_async(ctx: Any) -> Any:
        return ctx.next.complete(await ctx.run_child(child, "sum", {"a": 1, "b": 2}))

    parent.start()(start if plain else start_async)
    assert nf.start_workflow(parent).result(20) == 3


def test_a_child_goes_on_with_its_parent_and_is_not_begun_twice(folder: Path) -> None:
    child, parent = nf.Workflow("Slow"), nf.Workflow("Patient")

    @child.start()
    async def begin(ctx: Any) -> Any:
        return ctx.next.wait_for_event()

    @child.event()
    async def go(ctx: Any, n: int) -> Any:
        return ctx.next.complete(n)

    @parent.start()
    async def start(ctx: Any) -> Any:
        return ctx.next.complete(await ctx.run_child("Slow", "child"))

    nf.start_workflow(parent, workflow_id="parent")
    until(lambda: "child" in dict(nf.list_all()) and nf.get_run("child").describe().waits_for)
    nf.get_run("child").detach()
    nf.get_run("parent").detach()
    until(lambda: nf.get_status("parent") == "RESUMABLE" and nf.get_status("child") == "RESUMABLE")
    run = nf.resume_async("parent")
    until(lambda: nf.get_status("child") == "RUNNING")
    waiting(nf.get_run("child")).send("go", 5)
    assert run.result(20) == 5
    assert len([line for line in nf.get_run("child").history() if line.kind == "created"]) == 1


def test_a_child_cannot_take_the_id_of_a_run_that_is_under_way() -> None:
    parent = nf.Workflow("Thief")
    other = waiting(nf.start_workflow(collector(), workflow_id="taken"))

    @parent.start()
    async def start(ctx: Any) -> Any:
        return ctx.next.complete(await ctx.run_child("collector", "taken"))

    with pytest.raises(WorkflowExecutionError, match="under way already") as failed:
        nf.start_workflow(parent).result(20)
    assert isinstance(failed.value.__cause__, RunIsLive)
    other.send("stop")
    assert other.result() == []


# ---- handlers and their tasks ----


def test_tasks_in_a_handler_are_nodes_of_the_run_with_retries_and_logs(tmp_path: Path) -> None:
    calls = Counter(tmp_path / "calls")

    @nf.task(max_retries=3, retry_exceptions=(OSError,))
    def shaky(x: int) -> int:
        print(f"computing {x}")
        if calls.add() < 3:
            raise OSError("not yet")
        return 2 * x

    @nf.task
    async def plus(x: int, y: int) -> int:
        return x + y

    machine = nf.Workflow("tasks")

    @machine.start()
    async def start(ctx: Any) -> Any:
        both = await asyncio.gather(plus(1, 2), plus(3, 4))
        return ctx.next.step(last, first=await shaky(20), both=both)

    @machine.step()
    def last(ctx: Any, first: int, both: list[int]) -> Any:
        return ctx.next.complete((first, both, plus(5, 6), shaky(1)))

    run = nf.start_workflow(machine, workflow_id="w")
    assert run.result() == (40, [3, 7], 11, 2)
    assert [node.node_id for node in run.state.nodes[1:]] == ["1.plus", "1.plus#2", "1.shaky", "2.plus", "2.shaky"]
    assert nf.get_metadata("w", "1.shaky")["attempts"] == 3
    until(lambda: "w" not in run._host.runners)
    assert "computing 20" in run.logs("1.shaky")
    assert shaky(7) == 14, "outside a handler it is a plain function"


def test_fix_the_cell_and_go_on_runs_only_the_task_that_failed(tmp_path: Path) -> None:
    calls = Counter(tmp_path / "calls")

    @nf.task
    def charge() -> str:
        calls.add("charge")
        return "charged"

    def define(repaired: bool) -> nf.Workflow:
        machine = nf.Workflow("mended")

        @nf.task
        def ship(address: str) -> str:
            calls.add("ship")
            if not repaired:
                raise ValueError("no such street")
            return address

        @machine.start()
        async def start(ctx: Any) -> Any:
            paid = await charge()
            return ctx.next.complete((paid, await ship("new street" if repaired else "old street")))

        return machine

    with pytest.raises(WorkflowExecutionError, match="no such street"):
        nf.start_workflow(define(False), workflow_id="w").result()
    assert nf.start_workflow(define(True), workflow_id="w").result() == ("charged", "new street")
    assert calls.words == ["charge", "ship", "ship"]


def test_a_long_loop_keeps_the_state_small() -> None:
    @nf.task
    async def work(n: int) -> int:
        return n

    loop = nf.Workflow("loop")

    @loop.start()
    async def start(ctx: Any) -> Any:
        ctx.store.put("n", 0)
        return ctx.next.step(turn)

    @loop.step()
    async def turn(ctx: Any) -> Any:
        n = await work(await ctx.store.get("n") + 1)
        ctx.store.put("n", n)
        return ctx.next.complete(n) if n == 400 else ctx.next.step(turn)

    run = nf.start_workflow(loop)
    assert run.result() == 400
    assert len(run.state.index) < 120


def test_continue_as_new_begins_with_other_input_and_keeps_the_events() -> None:
    again, gate = nf.Workflow("again"), Gate()

    @again.start()
    def start(ctx: Any, rest: int, total: int = 0) -> Any:
        assert len(ctx.store) == 0
        if rest == 2:
            gate.wait()
        ctx.store.put("total", total + rest)
        if rest > 0:
            return ctx.next.continue_as_new(rest=rest - 1, total=total + rest)
        return ctx.next.wait_for_event()

    @again.event()
    def finish_it(ctx: Any) -> Any:
        return ctx.next.complete(ctx.store.get("total"))

    run = nf.start_workflow(again, workflow_input={"rest": 3})
    gate.reached()
    assert run.send("finish_it")
    gate.open.set()
    assert run.result() == 6


def test_running_a_cell_again_replaces_a_handler_of_a_run_that_waits() -> None:
    def define(answer: str, *more: str) -> nf.Workflow:
        machine = nf.Workflow("replaced")

        @machine.start()
        async def start(ctx: Any) -> Any:
            return ctx.next.wait_for_event()

        @machine.event()
        async def ask(ctx: Any) -> Any:
            return ctx.next.complete(answer)

        for name in more:

            @machine.event(name)
            async def other(ctx: Any) -> Any:
                return ctx.next.wait_for_event()

        return machine

    run = waiting(nf.start_workflow(define("old")))
    runner = run._host.runners[run.workflow_id]
    assert run.send("added").status == "rejected"
    define("new", "added")
    until(lambda: run.describe().waits_for == ("ask", "added"))
    assert any("'ask', 'added' as it is now" in str(notice) for notice in runner.notices)
    assert run.send("added")
    assert run.questions == ["ask", "added"] or waiting(run)
    run.send("ask")
    assert run.result() == "new"


def test_a_query_reads_the_store_while_a_handler_runs_and_after_the_end() -> None:
    machine, gate = nf.Workflow("asked"), Gate()

    @machine.start()
    async def start(ctx: Any) -> Any:
        ctx.store.put("n", 1)
        return ctx.next.step(work)

    @machine.step()
    def work(ctx: Any) -> Any:
        ctx.store.put("n", 2)
        gate.wait()
        return ctx.next.complete()

    @machine.query()
    def number(ctx: Any, times: int = 1) -> Any:
        return times * ctx.store.get("n")

    @machine.query("later")
    async def later(ctx: Any) -> Any:
        return await ctx.store.get("n")

    @machine.query()
    def writes(ctx: Any) -> Any:
        ctx.store.put("n", 3)

    run = nf.start_workflow(machine, workflow_id="w")
    gate.reached()
    assert run.query("number", times=10) == 10, "what a handler writes counts when it has ended well"
    assert run.query("later") == 1
    with pytest.raises(TypeError, match="only reads"):
        run.query("writes")
    with pytest.raises(ValueError, match="has no query 'nope'; it has: 'number', 'later', 'writes'"):
        run.query("nope")
    gate.open.set()
    run.result()
    until(lambda: "w" not in run._host.runners)
    assert nf.get_run("w").query("number") == 2


def test_hundreds_of_machines_wait_in_one_kernel_without_threads() -> None:
    machine = collector("many")
    runs = [nf.start_workflow(machine, workflow_id=f"many-{number}") for number in range(300)]
    for run in runs:
        waiting(run)
    assert threading.active_count() < 60
    for number, run in enumerate(runs):
        run.send("add", number)
        run.send("stop")
    assert [run.result() for run in runs] == [[number] for number in range(300)]
