"""Runs of flows: bodies that are really stopped, schedules over restarts, orders by hand, going on after a death."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.core.codec import decode
from nbflow.core.records import CallStopped
from nbflow.core.rules import RulesEvaluated, flow_of
from nbflow.errors import CommandFailed, GraphError, WorkflowChangedError, WorkflowExecutionError
from nbflow.rules import (
    BashOperator,
    Count,
    Event,
    Flow,
    NotificationClient,
    Operator,
    PythonOperator,
    TaskAction,
    stopping,
)
from nbflow.storage.streams import FolderStream
from nbflow.views.flow import flow_view
from tests.engine.tools import LONG, Counter, Gate, VirtualClock, kill_at, script, until
from tests.executors.programs import is_alive

START, STOP, RESTART = TaskAction.START, TaskAction.STOP, TaskAction.RESTART


def looks(run: nf.Run, source: str) -> list[RulesEvaluated]:
    wires = run._host.storage.read_run(run.workflow_id)
    found = [record for wire in wires if isinstance(record := decode(wire), RulesEvaluated)]
    return [record for record in found if record.event["src"] == source]


def status(run: nf.Run, task: str) -> str:
    view = flow_view(run.state)
    return "" if view is None else str(next(each["status"] for each in view["tasks"] if each["name"] == task))


def spin(path: str) -> None:
    """Go on for ever, whatever one says, after writing down which process it is."""
    with open(path, "a") as file:
        file.write(f"{os.getpid()}\n")
    while True:
        sum(range(1000))
        threading.Event().wait(0.01)


# ---- stopping ----


def test_a_stopped_function_is_killed_and_a_restart_finds_it_gone(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with Flow("killed", stay_open=True) as flow:
        serve = PythonOperator("serve", spin, op_args=[str(pids)])
        serve.action_on_event_received(RESTART, "model")
        serve.action_on_event_received(STOP, "halt")
    run = flow.run_async()
    lines = until(lambda: pids.read_text().split() if pids.exists() else [])
    run.send("model")
    first, second = until(lambda: found if len(found := pids.read_text().split()) == 2 else [])
    assert lines == [first] and not is_alive(int(first)) and is_alive(int(second))
    run.send("halt")
    until(lambda: not is_alive(int(second)))
    assert until(lambda: status(run, "serve") == "STOPPED")
    run.cancel()


def test_a_stopped_command_is_killed_with_all_it_has_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with Flow("bash", stay_open=True) as flow:
        task = BashOperator("serve", f"sleep 1000 & echo $! >> {pids}; echo $$ >> {pids}; wait")
        task.action_on_event_received(STOP, "halt")
    run = flow.run_async()
    found = until(lambda: lines if pids.exists() and len(lines := pids.read_text().split()) == 2 else [])
    run.send("halt")
    until(lambda: not any(is_alive(int(pid)) for pid in found))
    run.cancel()


def test_what_a_command_prints_is_in_the_log_and_its_exit_code_in_the_error() -> None:
    with Flow("bash") as flow:
        BashOperator("count", "echo one; echo two >&2; echo $WORD; exit $CODE", env={"WORD": "three", "CODE": "7"})
    run = flow.run_async()
    with pytest.raises(WorkflowExecutionError) as caught:
        run.result(LONG)
    error = caught.value.__cause__
    assert isinstance(error, CommandFailed) and error.exit_code == 7 and "three" in str(error)
    assert sorted(run.logs("count#1").split()) == ["one", "three", "two"]


def test_a_command_gets_the_event_and_its_last_line_is_the_value(tmp_path: Path) -> None:
    with Flow("bash") as flow:
        task = BashOperator("tell", "pwd; echo $NBFLOW_TASK $NBFLOW_EVENT_KEY $NBFLOW_EVENT_VALUE", cwd=str(tmp_path))
        task.action_on_event_received(START, "batch")
    run = flow.run_async()
    run.send("batch", {"rows": 3})
    assert run.result(LONG) == {"tell": 'tell batch {"rows": 3}'}
    assert run.logs("tell#1").splitlines()[0] == str(tmp_path)


def test_a_body_in_a_thread_ends_by_itself_when_it_is_told_to_stop() -> None:
    ended, gate = threading.Event(), Gate()

    def serve() -> None:
        gate.arrived.release()
        while not stopping():
            ended.wait(0.002)
        ended.set()

    with Flow("thread", stay_open=True) as flow:
        PythonOperator("serve", serve, executor="thread:4").action_on_event_received(STOP, "halt")
    run = flow.run_async()
    gate.reached()
    assert not ended.is_set()
    run.send("halt")
    assert ended.wait(LONG)
    run.cancel()


def test_executions_are_numbered_with_a_log_each_and_the_oldest_leave_the_memory() -> None:
    async def work(event: Event) -> Any:
        print("batch", event.value)
        return event.value

    with Flow("many", stay_open=True) as flow:
        PythonOperator("work", work, overlap=True).action_on_event_received(START, "batch")
    flow.finish_on_event_received("halt")
    run = flow.run_async()
    for number in range(1, 61):
        run.send("batch", number)
    until(lambda: len(looks(run, "status")) == 60)
    assert run.logs("work#60") == "batch 60\n"
    assert len([node for node in run.state.nodes if node.owner == 0]) <= 41, "the others are in the history"
    assert run.story("work#1")[-1].endswith("-> pending") or run.story("work#1")
    run.send("halt")
    assert run.result(LONG) == {"work": 60}


# ---- the end of a run ----


def test_what_a_task_has_sent_before_it_ended_is_heard_before_the_run_ends() -> None:
    async def tell() -> None:
        await NotificationClient().asend_event("key", 3)

    async def hear(event: Event) -> Any:
        return event.value

    with Flow("heard") as flow:
        PythonOperator("tell", tell)
        PythonOperator("again", hear).action_on_event_received(RESTART, "key")
    for _ in range(5):
        assert flow.run() == {"tell": None, "again": 3}


def test_finish_stops_everything_and_the_run_succeeds() -> None:
    gate = Gate()

    async def serve() -> None:
        gate.arrived.release()
        import asyncio

        await asyncio.Event().wait()

    async def count() -> int:
        return 2

    with Flow("halted", stay_open=True) as flow:
        PythonOperator("serve", serve)
        PythonOperator("count", count)
    flow.finish_on_condition(Count(2, "halt"))
    run = flow.run_async()
    gate.reached()
    run.send("halt")
    assert not run.done()
    run.send("halt")
    assert run.result(LONG) == {"count": 2}
    stops = [r for wire in run._host.storage.read_run(run.workflow_id) if isinstance(r := decode(wire), CallStopped)]
    assert len(stops) == 1


# ---- by hand ----


def test_tasks_are_started_stopped_and_restarted_by_hand() -> None:
    gates: list[Gate] = []

    def work() -> None:
        gate = Gate()
        gates.append(gate)
        while not stopping() and not gate.open.wait(0.002):
            pass

    with Flow("hand", stay_open=True) as flow:
        PythonOperator("work", work, executor="thread:4").action_on_event_received(START, "never")
    run = flow.run_async()
    assert run.start_task("work", by="ann").status == "queued"
    until(lambda: len(gates) == 1)
    run.restart_task("work")
    until(lambda: len(gates) == 2)
    run.stop_task("work")
    until(lambda: status(run, "work") == "STOPPED")
    assert [each.actions[0][0] for each in looks(run, "run")] == ["start", "stop", "stop"]
    assert run.why("work")[0] == "work was started 2 times; work#2 was started by a person and is STOPPED"
    with pytest.raises(ValueError, match="has no task 'nobody'"):
        run.start_task("nobody")
    run.cancel()


def test_a_run_that_is_no_flow_says_so() -> None:
    run = nf.run_async(nf.task(lambda: 1, name="one").bind())
    run.result(LONG)
    with pytest.raises(ValueError, match="is no flow"):
        run.start_task("one")


# ---- schedules ----


def periodic(name: str, ticks: list[Any], **options: Any) -> Flow:
    async def tick(event: Event) -> None:
        ticks.append(event.value)

    with Flow(name) as flow:
        PythonOperator("tick", tick, **options)
    flow.finish_on_event_received("halt")
    return flow


def test_a_periodic_task_starts_at_its_times(clock: VirtualClock) -> None:
    ticks: list[Any] = []
    run = periodic("timed", ticks, every=60).run_async()
    until(lambda: clock.next == 60)
    for number in (1, 2, 3):
        clock.advance(60)
        until(lambda number=number: len(ticks) == number and clock.next == 60)
    assert [each.event["due"] for each in looks(run, "time")] == ticks == [1_000_000 + 60 * i for i in (1, 2, 3)]
    run.send("halt")
    run.result(LONG)


@pytest.mark.parametrize(
    ("catch_up", "starts", "said"),
    [("last", 1, "2 times before it"), ("all", 3, ""), ("none", 0, "passed over, as catch_up='none' says")],
)
def test_what_a_schedule_missed_is_made_up_for_as_wished_and_told(
    clock: VirtualClock, catch_up: str, starts: int, said: str
) -> None:
    ticks: list[Any] = []
    flow = periodic("missed", ticks, every=60, catch_up=catch_up)
    run = flow.run_async("missed")
    until(lambda: clock.next == 60)
    run.detach()
    clock.advance(3 * 60 + 30)
    run = flow.run_async("missed")
    until(lambda: clock.next == 30)
    until(lambda: len(ticks) == starts)
    assert said in " ".join(run._host.runners["missed"].notices)
    clock.advance(30)
    until(lambda: len(ticks) == starts + 1)
    assert ticks[-1] == 1_000_000 + 240, "and goes on at its times"
    run.send("halt")
    run.result(LONG)


def test_a_schedule_ends_with_the_rounds(clock: VirtualClock) -> None:
    ticks: list[Any] = []
    flow = periodic("rounds", ticks, every=60)
    flow.max_rounds = 2
    run = flow.run_async()
    for _ in range(2):
        until(lambda: clock.next == 60)
        clock.advance(60)
    run.result(LONG)
    assert len(ticks) == 2


# ---- triggers ----


def test_a_schedule_begins_runs_of_a_flow(clock: VirtualClock) -> None:
    async def report(event: Event) -> Any:
        return event.value

    with Flow("report") as flow:
        PythonOperator("write", report)
    trigger = flow.trigger(every=3600).run_async("hourly")
    for number in (1, 2):
        until(lambda: clock.next == 3600)
        clock.advance(3600)
        until(lambda number=number: dict(nf.list_all()).get(f"hourly-run-{number}") == "SUCCESSFUL")
    assert nf.get_output("hourly-run-2") == {"write": 1_007_200}
    assert nf.get_metadata("hourly-run-2")["user_metadata"] == {"started_by": {"run": "hourly", "task": "run#2"}}
    trigger.cancel()


def test_one_run_for_each_key_gets_the_later_events_of_its_key() -> None:
    seen: list[tuple[str, int]] = []

    async def order(event: Event) -> None:
        seen.append(event.value)

    with Flow("order", stay_open=True) as flow:
        PythonOperator("first", order)
        PythonOperator("more", order, overlap=True).action_on_event_received(START, "order")
    flow.finish_on_event_received("paid")
    trigger = flow.trigger(["order", "paid"], one_per=lambda event: event.value[0]).run_async("orders")
    client = NotificationClient()
    for value in (("ann", 1), ("bob", 2), ("ann", 3)):
        client.send_event("order", value)
        until(lambda value=value: value in seen)
    assert set(dict(nf.list_all())) == {"orders", "orders-run-ann", "orders-run-bob"}
    client.send_event("paid", ("ann", 4))
    until(lambda: nf.get_status("orders-run-ann") == "SUCCESSFUL")
    client.send_event("order", ("ann", 5))
    until(lambda: ("ann", 5) in seen)
    assert "orders-run-ann-2" in dict(nf.list_all())
    for name, state in nf.list_all():
        if state == "RUNNING":
            nf.cancel(name)
    trigger.done()


# ---- going on ----


def test_an_execution_that_lost_its_process_goes_on_with_its_number_and_its_event(tmp_path: Path) -> None:
    counter, gate = Counter(tmp_path / "runs"), Gate()

    async def work(event: Event) -> Any:
        import asyncio

        if counter.add() == 1:
            gate.arrived.release()
            await asyncio.Event().wait()
        return event.value

    with Flow("lost") as flow:
        PythonOperator("work", work).action_on_event_received(START, "go")
    run = flow.run_async("lost")
    run.send("go", 7)
    gate.reached()
    run.detach()
    assert flow.run_async("lost").result(LONG) == {"work": 7}
    found = flow_of(nf.get_run("lost").state)
    assert found is not None and found.tasks["work"].seq == 1 and counter.count() == 2


def test_a_flow_that_is_defined_anew_goes_on_with_its_new_rules_and_code() -> None:
    async def old() -> str:
        raise OSError("broken")

    async def new() -> str:
        return "mended"

    def make(body: Any, key: str) -> Flow:
        with Flow("anew") as flow:
            first = PythonOperator("first", body)
            second = PythonOperator("second", new)
            second.start_after(first)
            PythonOperator("third", new).action_on_event_received(START, key)
        return flow

    run = make(old, "old").run_async("anew")
    with pytest.raises(WorkflowExecutionError):
        run.result(LONG)
    run = make(new, "new").run_async("anew")
    run.send("new")
    assert run.result(LONG) == {"first": "mended", "second": "mended", "third": "mended"}


ABANDONED = """
import sys, time
import nbflow as nf
from nbflow.rules import BashOperator, Flow, PythonOperator, TaskAction
storage, pids, words = sys.argv[1:4]
nf.init(storage=storage)

def serve(event):
    import os, time
    with open(pids, "a") as file:
        file.write(f"{os.getpid()}\\n")
    print("serving", flush=True)
    while True:
        time.sleep(0.05)

with Flow("abandoned", stay_open=True) as flow:
    PythonOperator("serve", serve)
    BashOperator("bash", f"echo $$ >> {pids}; sleep 1000 & echo $! >> {pids}; wait")
    PythonOperator("note", len, op_args=[words]).action_on_event_received(TaskAction.START, "note")
flow.finish_on_event_received("halt")
run = flow.run_async("abandoned")
while True:
    try:
        count = len(open(pids).read().split())
    except FileNotFoundError:
        count = 0
    print("alive", count, flush=True)
    time.sleep(0.01)
"""


@pytest.mark.crash
def test_after_a_kill_nothing_of_a_flow_runs_on_and_resume_starts_it_again(tmp_path: Path, folder: Path) -> None:
    nf.shutdown()
    pids = tmp_path / "pids"
    kill_at(script(ABANDONED, folder, pids, "four"), "alive 3")
    first = pids.read_text().split()
    until(lambda: not any(is_alive(int(pid)) for pid in first), "the processes of the dead kernel to be gone")
    nf.init(storage=str(folder))
    run = nf.resume_async("abandoned")
    second = until(lambda: found if len(found := pids.read_text().split()) == 6 else [])[3:]
    assert all(is_alive(int(pid)) for pid in second)
    assert run.send("note").status == "queued"
    until(lambda: status(run, "note") == "SUCCESS")
    run.send("halt")
    assert run.result(LONG) == {"note": 4}
    until(lambda: not any(is_alive(int(pid)) for pid in second))


# ---- events of the namespace ----


@pytest.mark.parametrize("executor", ["process", "thread", None])
def test_a_task_sends_to_the_namespace_of_its_flow_unless_it_says_otherwise(executor: str | None) -> None:
    def send() -> None:
        NotificationClient().send_event("mine", 1)
        NotificationClient("other").send_event("theirs", 2)

    async def asend() -> None:
        await NotificationClient().asend_event("mine", 1)
        await NotificationClient("other").asend_event("theirs", 2)

    with Flow("sender", namespace="market") as flow:
        PythonOperator("send", asend if executor is None else send, **({"executor": executor} if executor else {}))
    flow.run()
    assert NotificationClient("market").count_events("mine") == 1
    assert NotificationClient("other").count_events("theirs") == 1
    assert NotificationClient().namespace == "default"


def test_a_flow_that_is_canceled_while_it_begins_to_listen_listens_no_more(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, ends = Gate(), list[str]()

    def watch(self: FolderStream, ring: Any) -> Any:
        gate.wait()
        return lambda: ends.append("ended")

    monkeypatch.setattr(FolderStream, "watch", watch)
    with Flow("listens", stay_open=True) as flow:
        PythonOperator("never", len).action_on_event_received(START, "key")
    run = flow.run_async()
    gate.reached()
    run.cancel()
    gate.open.set()
    until(lambda: ends, "the watch to end")


# ---- other functions than before ----


def multiply(factor: int) -> Flow:
    async def times() -> int:
        return factor

    with Flow("factors") as flow:
        PythonOperator("times", times)
    return flow


def test_a_flow_that_succeeded_with_other_functions_is_kept_refused_or_begun_anew() -> None:
    assert multiply(2).run("f") == {"times": 2}
    assert multiply(2).run("f", on_change="error") == {"times": 2}
    kept = multiply(3).run_async("f")
    assert kept.result(20) == {"times": 2}
    with pytest.raises(WorkflowChangedError):
        multiply(3).run("f", on_change="error")
    with pytest.raises(WorkflowChangedError, match="'factors'"):
        multiply(3).run_async("f", on_change="error")
    assert multiply(3).run("f", on_change="rerun") == {"times": 3}
    assert multiply(3).run("f", on_change="error") == {"times": 3}


def test_a_task_that_nothing_says_what_it_runs_is_refused_before_the_run() -> None:
    with Flow("bare") as flow:
        Operator("clean")
    with pytest.raises(GraphError, match=r"'clean' runs: Operator.*PythonOperator\('clean', <function>\)"):
        flow.run("f")
    assert nf.list_all() == []
