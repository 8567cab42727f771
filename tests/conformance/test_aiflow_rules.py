"""What AIFlow's rules do with events, tasks and their states, row by row (R1 to R26), and what nbflow does instead."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.core.codec import decode
from nbflow.core.rules import RulesEvaluated
from nbflow.engine.host import Host
from nbflow.errors import GraphError, WorkflowExecutionError
from nbflow.rules import (
    Condition,
    Event,
    Flow,
    MeetAll,
    NotificationClient,
    PythonOperator,
    TaskAction,
    TaskStatus,
    ValueStateDescriptor,
    stopping,
)
from nbflow.views.flow import flow_view
from tests.engine.tools import LONG, Counter, Gate, kill_at, script, until

START, STOP, RESTART = TaskAction.START, TaskAction.STOP, TaskAction.RESTART


class Stage:
    """Bodies that say when they run and end when the test lets them."""

    def __init__(self) -> None:
        self.gates: dict[str, list[Gate]] = {}
        self.events: dict[str, list[Any]] = {}
        self.lock = threading.Lock()

    def body(self, name: str) -> Any:
        """Return a body that waits at a gate of its own each time it runs, until it is stopped."""

        def run(event: Any) -> int:
            gate = Gate()
            with self.lock:
                self.events.setdefault(name, []).append(event)
                gates = self.gates.setdefault(name, [])
                gates.append(gate)
                number = len(gates)
            while not gate.open.wait(0.005):
                if stopping():
                    break
            return number

        return run

    def runs(self, name: str) -> int:
        """How often the body has begun."""
        return len(self.gates.get(name, ()))

    def reached(self, name: str, times: int = 1) -> None:
        until(lambda: self.runs(name) >= times, f"{name} to run {times} times")

    def open(self, name: str, number: int = 1) -> None:
        """Let one execution end."""
        self.reached(name, number)
        self.gates[name][number - 1].open.set()

    def task(self, flow: Flow, name: str, **options: Any) -> PythonOperator:
        """Make a task of it."""
        return PythonOperator(name, self.body(name), flow=flow, executor="thread:16", **options)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def looks(run: nf.Run, source: str = "") -> list[RulesEvaluated]:
    """Return what the journal says that the rules have looked at."""
    wires = run._host.storage.read_run(run.workflow_id)
    found = [record for wire in wires if isinstance(record := decode(wire), RulesEvaluated)]
    return [record for record in found if not source or record.event["src"] == source]


def settled(run: nf.Run, count: int, source: str = "run") -> list[RulesEvaluated]:
    """Wait until the rules have looked at so many events."""
    return until(lambda: found if len(found := looks(run, source)) >= count else None, f"{count} looks")  # type: ignore[no-any-return]


def status(run: nf.Run, task: str) -> str:
    view = flow_view(run.state)
    assert view is not None
    return str(next(each["status"] for each in view["tasks"] if each["name"] == task))


def test_R1_a_task_without_a_start_rule_starts_with_the_flow_whatever_other_rules_it_has(stage: Stage) -> None:
    with Flow("r1") as flow:
        plain, ruled = stage.task(flow, "plain"), stage.task(flow, "ruled")
        waiting = stage.task(flow, "waiting")
    ruled.action_on_event_received(STOP, "halt")
    ruled.action_on_event_received(RESTART, "again")
    waiting.action_on_event_received(START, "go")
    run = flow.run_async("r1")
    stage.reached("plain"), stage.reached("ruled")
    assert stage.runs("waiting") == 0 and status(run, "waiting") == "INIT"
    run.send("go")
    stage.open("plain"), stage.open("ruled"), stage.open("waiting")
    assert run.result(LONG) == {"plain": 1, "ruled": 1, "waiting": 1}
    assert plain.starts_at_once and not waiting.starts_at_once


def test_R2_start_is_ignored_while_alive_and_begins_the_next_execution_after_it(stage: Stage) -> None:
    with Flow("r2", stay_open=True) as flow:
        stage.task(flow, "work").action_on_event_received(START, "go")
    run = flow.run_async("r2")
    run.send("go")
    stage.reached("work")
    run.send("go")
    ignored = settled(run, 2)[1]
    assert ignored.actions == [["ignore", "work", 1, "work#1 is under way"]], "the journal says so"
    stage.open("work")
    settled(run, 1, "status")
    run.send("go")
    stage.open("work", 2)
    settled(run, 2, "status")
    assert stage.runs("work") == 2 and {"work#1", "work#2"} <= set(run.state.index)
    run.cancel()


def test_R3_stop_is_idempotent(stage: Stage) -> None:
    with Flow("r3", stay_open=True) as flow:
        stage.task(flow, "work").action_on_event_received(STOP, "halt")
    run = flow.run_async("r3")
    stage.reached("work")
    for _ in range(3):
        run.send("halt")
    first, *others = settled(run, 3)
    assert first.actions == [["stop", "work", 1, "work/1"]]
    assert [each.actions[0][0] for each in others] == ["ignore", "ignore"]
    until(lambda: status(run, "work") == "STOPPED")
    stops = [wire for wire in run._host.storage.read_run("r3") if wire["t"] == "stopped"]
    assert len(stops) == 1
    run.cancel()


def test_R4_stop_of_a_task_that_never_ran_is_a_recorded_no_op(stage: Stage) -> None:
    with Flow("r4", stay_open=True) as flow:
        work = stage.task(flow, "work")
    work.action_on_event_received(START, "go")
    work.action_on_event_received(STOP, "halt")
    run = flow.run_async("r4")
    run.send("halt")
    assert settled(run, 1)[0].actions == [["ignore", "work", 0, "nothing of it is under way"]]
    run.send("go")
    stage.open("work")
    until(lambda: status(run, "work") == "SUCCESS")
    run.cancel()


def test_R5_restart_stops_and_starts_anew_or_just_starts(stage: Stage) -> None:
    with Flow("r5", stay_open=True) as flow:
        work = stage.task(flow, "work")
        idle = stage.task(flow, "idle")
    for task in (work, idle):
        task.action_on_event_received(RESTART, "again")
    idle.action_on_event_received(START, "never")
    run = flow.run_async("r5")
    stage.reached("work")
    run.send("again")
    stage.reached("work", 2), stage.reached("idle")
    assert settled(run, 1)[0].actions == [
        ["stop", "work", 1, "work/1"], ["start", "work", 2, "work/1"], ["start", "idle", 1, "idle/1"],
    ]  # fmt: skip
    until(lambda: run.state.nodes[run.state.index["work#1"]].status == "canceled")
    stage.open("work", 2)
    until(lambda: status(run, "work") == "SUCCESS")
    run.send("again")
    stage.reached("work", 3)
    run.cancel()


def test_R5_the_next_execution_starts_only_when_the_body_of_the_last_is_gone() -> None:
    log: list[str] = []

    async def serve() -> None:
        log.append("up")
        try:
            await until_never()
        finally:
            await short()
            log.append("down")

    with Flow("r5b", stay_open=True) as flow:
        PythonOperator("serve", serve).action_on_event_received(RESTART, "model")
    run = flow.run_async("r5b")
    until(lambda: log == ["up"])
    run.send("model")
    until(lambda: log == ["up", "down", "up"])
    run.cancel()


async def until_never() -> None:
    import asyncio

    await asyncio.Event().wait()


async def short() -> None:
    import asyncio

    for _ in range(20):
        await asyncio.sleep(0)


def test_R6_start_after_several_starts_when_the_latest_executions_of_all_succeeded(stage: Stage) -> None:
    with Flow("r6") as flow:
        a, b, join = (stage.task(flow, name) for name in ("a", "b", "join"))
        join.start_after([a, b])
    run = flow.run_async("r6")
    stage.open("a")
    settled(run, 1, "status")
    assert stage.runs("join") == 0
    stage.open("b")
    stage.open("join")
    assert run.result(LONG) == {"a": 1, "b": 1, "join": 1}
    assert stage.runs("join") == 1


def test_R7_a_failed_upstream_fails_the_run_which_goes_on_with_it_when_resumed(tmp_path: Path) -> None:
    counter = Counter(tmp_path / "tries")

    async def fragile() -> str:
        if counter.add() == 1:
            raise OSError("the disk is gone")
        return "fine"

    async def after() -> str:
        return "done"

    with Flow("r7") as flow:
        first = PythonOperator("first", fragile)
        second = PythonOperator("second", after)
        second.start_after(first)
    run = flow.run_async("r7")
    with pytest.raises(WorkflowExecutionError) as caught:
        run.result(LONG)
    assert isinstance(caught.value.__cause__, OSError)
    assert run.status == "FAILED" and status(run, "second") == "UPSTREAM_FAILED"
    assert run.why("second")[0] == "second has never started; a task that it waits for has failed"
    assert run.resume().result(LONG) == {"first": "fine", "second": "done"}
    assert counter.count() == 2


def test_R7_a_failure_that_a_rule_takes_care_of_fails_nothing() -> None:
    async def fragile() -> None:
        raise OSError("no")

    async def mend(event: Event) -> str:
        return f"{event.task} {event.value}"

    with Flow("r7b") as flow:
        PythonOperator("first", fragile)
        PythonOperator("mend", mend).action_on_task_status(START, {"first": TaskStatus.FAILED})
    assert flow.run() == {"mend": "first FAILED"}


def test_R8_all_is_armed_anew_when_it_was_met_and_sticky_stays_met(stage: Stage) -> None:
    with Flow("r8", stay_open=True) as flow:
        edge = stage.task(flow, "edge", overlap=True)
        edge.action_on_condition(START, MeetAll(["a", "b"]))
        level = stage.task(flow, "level", overlap=True)
        level.action_on_condition(START, MeetAll(["a", "b"], sticky=True))
    run = flow.run_async("r8")
    for key in ("a", "b", "a", "b"):
        run.send(key)
    started = [[name for word, name, *_ in each.actions if word == "start"] for each in settled(run, 4)]
    assert started == [[], ["edge", "level"], ["level"], ["edge", "level"]]
    run.cancel()


class EverySecond(Condition):
    """Met by every second event: it counts, and clears its count."""

    def is_met(self, event: Any, context: Any) -> bool:
        count = context.get_state(ValueStateDescriptor("count"))
        if count.value():
            count.clear()
            return True
        count.update(1)
        return False


def test_R9_a_cleared_state_is_gone(stage: Stage) -> None:
    with Flow("r9", stay_open=True) as flow:
        stage.task(flow, "work", overlap=True).action_on_condition(START, EverySecond(["tick"]))
    run = flow.run_async("r9")
    for _ in range(6):
        run.send("tick")
    assert [word for each in settled(run, 6) for _, word, _ in each.verdicts] == ["not met", "fired"] * 3
    run.cancel()


class Fussy(Condition):
    """Cannot bear a text."""

    def is_met(self, event: Any, context: Any) -> bool:
        return bool(event.value > 3)


class Mended(Fussy):
    """Can."""

    def is_met(self, event: Any, context: Any) -> bool:
        return int(event.value) > 3


def test_R10_a_rule_that_raises_is_shown_and_keeps_the_event_until_it_is_mended() -> None:
    def make(condition: Condition) -> Flow:
        async def work(event: Event) -> Any:
            return event.value

        with Flow("r10", stay_open=True) as flow:
            task = PythonOperator("work", work)
            task.action_on_condition(START, condition)
        flow.finish_on_event_received("halt")
        return flow

    run = make(Fussy(["size"])).run_async("r10")
    run.send("size", "7")
    assert settled(run, 1)[0].verdicts[0][:2] == ["work/1", "broken"]
    assert "it is broken and keeps 1 event" in run.why("work")[1]
    assert any("TypeError" in notice for notice in run._runner().notices)  # type: ignore[union-attr]
    run.send("other")
    settled(run, 2)
    run.detach()
    run = make(Mended(["size"])).run_async("r10")
    until(lambda: status(run, "work") == "SUCCESS")
    run.send("halt")
    assert run.result(LONG) == {"work": "7"}
    assert [each.event["key"] for each in looks(run, "held")] == ["size"]


def test_R11_the_first_rule_that_is_met_acts_and_the_others_are_recorded_as_passed_over(stage: Stage) -> None:
    with Flow("r11", stay_open=True) as flow:
        work = stage.task(flow, "work")
        work.action_on_condition(STOP, MeetAll(["never", "go"]))
        work.action_on_event_received(START, "go")
        work.action_on_event_received(RESTART, "go")
    run = flow.run_async("r11")
    run.send("go")
    look = settled(run, 1)[0]
    assert look.verdicts == [["work/1", "not met", "'never'"], ["work/2", "fired", ""],
                             ["work/3", "passed over", "work/2 acted"]]  # fmt: skip
    assert look.actions == [["start", "work", 1, "work/2"]]
    run.cancel()


def test_R12_an_event_counts_in_its_scope_and_no_other(stage: Stage) -> None:
    def make(name: str) -> Flow:
        async def tell() -> None:
            await NotificationClient().asend_event("key")

        with Flow(name, stay_open=True) as flow:
            PythonOperator("tell", tell).action_on_event_received(START, "tell")
            for scope in ("run", "flow", "namespace"):
                task = stage.task(flow, f"{name}-{scope}", overlap=True)
                task.action_on_event_received(START, "key", scope=scope)
        return flow

    a1, a2, b = make("a").run_async("a1"), make("a").run_async("a2"), make("b").run_async("b")
    a1.send("tell")
    for run, expected in (
        (a1, ["a-run", "a-flow", "a-namespace"]),
        (a2, ["a-flow", "a-namespace"]),
        (b, ["b-namespace"]),
    ):
        look = settled(run, 1, "stream")[0]
        assert [name for word, name, *_ in look.actions if word == "start"] == expected
    NotificationClient().send_event("key")
    for run in (a1, a2, b):
        look = settled(run, 2, "stream")[1]
        assert [name for word, name, *_ in look.actions] == [f"{run.state.name}-namespace"]
    a1.send("key")
    assert len(settled(a1, 2)[1].actions) == 3 and not looks(a2, "run")
    for run in (a1, a2, b):
        run.cancel()


def test_R13_a_flow_may_begin_with_events_that_came_before_it() -> None:
    client = NotificationClient()
    for value in (1, 2, 3):
        client.send_event("batch", value)

    def make(name: str, begin: Any) -> Flow:
        async def work(event: Event) -> Any:
            return event.value

        with Flow(name, begin=begin, stay_open=True) as flow:
            task = PythonOperator("work", work, overlap=True)
            task.action_on_event_received(START, "batch", scope="namespace")
        flow.finish_on_event_received("halt")
        return flow

    early, second, late = (make(f"from-{begin}", begin).run_async(f"r13-{begin}") for begin in ("earliest", 2, "now"))
    settled(early, 3, "stream"), settled(second, 2, "stream")
    client.send_event("batch", 4)
    for run, values in ((early, 4), (second, 3), (late, 1)):
        found = settled(run, values, "stream")
        assert len(found) == values and found[-1].event["off"] == 4
        until(lambda run=run: status(run, "work") == "SUCCESS")
        run.send("halt")
        assert run.result(LONG) == {"work": 4}


def test_R14_an_event_to_a_run_that_is_over_is_refused() -> None:
    async def work() -> int:
        return 1

    with Flow("r14") as flow:
        PythonOperator("work", work).action_on_event_received(RESTART, "go")
    run = flow.run_async("r14")
    run.result(LONG)
    until(lambda: "r14" not in run._host.runners)
    assert run.send("go").status == "closed"
    assert run.status == "SUCCESSFUL"


def test_R15_a_circle_keeps_the_run_going_until_its_rounds_are_over() -> None:
    rounds: list[str] = []

    def body(name: str) -> Any:
        async def run() -> None:
            rounds.append(name)

        return run

    with Flow("r15", max_rounds=5) as flow:
        ping, pong = PythonOperator("ping", body("ping")), PythonOperator("pong", body("pong"))
        pong.start_after(ping)
        ping.action_on_task_status(RESTART, {pong: TaskStatus.SUCCESS})
    run = flow.run_async("r15")
    run.result(LONG)
    assert rounds == ["ping", "pong"] * 5
    assert looks(run)[-1].actions == [["ignore", "ping", 5, "max_rounds=5 are over"]]


def test_R16_an_offset_that_comes_twice_counts_once() -> None:
    async def work() -> int:
        return 1

    with Flow("r16", stay_open=True) as flow:
        task = PythonOperator("work", work, overlap=True)
        task.action_on_event_received(START, "key", scope="namespace")
    run = flow.run_async("r16")
    client = NotificationClient()
    receipt = client.send_event("key", id="once")
    assert client.send_event("key", id="once") == receipt
    assert run.send("other", id="same").status == "queued"
    assert run.send("other", id="same").status == "duplicate"
    client.send_event("key")
    settled(run, 2, "stream")
    record = looks(run, "stream")[0]
    runner = run._host.runners["r16"]
    run._host.engine.call(runner.commit, record)
    assert len(flow_view(run.state)["tasks"][0]["executions"]) == 2  # type: ignore[index]
    run.cancel()


def test_R17_a_status_that_comes_late_is_ignored(stage: Stage) -> None:
    with Flow("r17", stay_open=True) as flow:
        work, after = stage.task(flow, "work"), stage.task(flow, "after")
        work.action_on_event_received(RESTART, "again")
        after.action_on_task_status(START, {work: TaskStatus.STOPPED})
    run = flow.run_async("r17")
    stage.reached("work")
    run.send("again")
    stage.reached("work", 2)
    stopped = settled(run, 1, "status")[0]
    assert (stopped.event["seq"], stopped.event["status"]) == (1, "STOPPED")
    assert stopped.verdicts == [] and stage.runs("after") == 0, "work runs: an older execution is no news of it"
    run.cancel()
    assert run.status == "CANCELED"


def test_R18_each_event_begins_a_run_of_its_own_or_one_for_each_key() -> None:
    async def work(event: Event) -> Any:
        return event.value

    with Flow("r18") as flow:
        PythonOperator("work", work)
    each = flow.trigger("order").run_async("each")
    per_key = flow.trigger("order", one_per=lambda event: event.value["customer"]).run_async("keyed")
    client = NotificationClient()
    for customer in ("ann", "bob"):
        client.send_event("order", {"customer": customer})
    runs = ["each-run-1", "each-run-2", "keyed-run-ann", "keyed-run-bob"]
    until(lambda: all(nf.get_status(name) == "SUCCESSFUL" for name in runs if name in dict(nf.list_all())) and
          set(runs) <= set(dict(nf.list_all())))  # fmt: skip
    assert nf.get_output("each-run-2") == nf.get_output("keyed-run-bob") == {"work": {"customer": "bob"}}
    for run in (each, per_key):
        run.cancel()


def test_R19_retries_are_real(tmp_path: Path) -> None:
    counter = Counter(tmp_path / "tries")

    async def fragile() -> int:
        if counter.add() < 3:
            raise OSError("not yet")
        return counter.count()

    with Flow("r19") as flow:
        PythonOperator("work", fragile, retries=2)
    run = flow.run_async("r19")
    assert run.result(LONG) == {"work": 3}
    assert run.state.nodes[run.state.index["work#1"]].attempt == 3


def test_R20_the_event_reaches_the_task() -> None:
    async def work(factor: int, event: Event) -> Any:
        return event.key, factor * event.value

    async def last(event: Event) -> Any:
        return event.key, event.value

    with Flow("r20") as flow:
        task = PythonOperator("work", work, op_args=[2])
        task.action_on_event_received(START, "size")
        PythonOperator("last", last).start_after("work")
    run = flow.run_async("r20")
    run.send("size", 21)
    assert run.result(LONG) == {"work": ("size", 42), "last": ("[task_status].work", "SUCCESS")}


def test_R21_two_tasks_of_one_name_are_refused_and_a_cell_that_runs_again_replaces_its_own() -> None:
    async def work() -> int:
        return 1

    flow = Flow("r21")
    with flow:
        PythonOperator("work", work).action_on_event_received(START, "go")
        with pytest.raises(GraphError, match="has a task 'work' already"):
            PythonOperator("work", work)
    with flow:
        PythonOperator("work", work)
    assert flow.rules() == [] and flow.notices == [
        "Task 'work' of flow 'r21' was replaced by the one that was defined now."
    ]
    run = flow.run_async("r21")
    assert run.result(LONG) == {"work": 1}
    with pytest.raises(GraphError, match="already"):
        PythonOperator("work", work, flow=flow)


def test_R22_an_operator_outside_of_a_flow_says_what_to_write() -> None:
    with pytest.raises(GraphError, match=r"PythonOperator 'work' stands outside of a flow: .*with Flow"):
        PythonOperator("work", print)


def test_R23_flows_may_be_nested_and_each_gets_its_own_tasks() -> None:
    with Flow("outer") as outer:
        PythonOperator("a", print)
        with Flow("inner") as inner:
            PythonOperator("b", print)
        PythonOperator("c", print)
    assert (list(outer.tasks), list(inner.tasks)) == (["a", "c"], ["b"])
    with pytest.raises(ZeroDivisionError), Flow("broken"):
        PythonOperator("d", print)
        raise ZeroDivisionError
    with pytest.raises(GraphError, match="outside"):
        PythonOperator("e", print)


def test_R23_two_threads_do_not_share_a_flow() -> None:
    found: dict[str, list[str]] = {}
    barrier = threading.Barrier(2)

    def define(name: str) -> None:
        with Flow(name) as flow:
            barrier.wait(LONG)
            PythonOperator(f"{name}-task", print)
            barrier.wait(LONG)
        found[name] = list(flow.tasks)

    threads = [threading.Thread(target=define, args=(name,)) for name in ("x", "y")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"x": ["x-task"], "y": ["y-task"]}


def test_R24_why_a_task_did_not_start_is_told_and_every_look_is_a_record(stage: Stage) -> None:
    with Flow("r24", stay_open=True) as flow:
        stage.task(flow, "join").action_on_condition(START, MeetAll(["left", "right"]))
    run = flow.run_async("r24")
    run.send("left", by="ann")
    run.send("unrelated")
    settled(run, 2)
    assert run.why("join") == [
        "join has never started",
        "rule join/1: START on all of 'left', 'right': has not acted; waits for 'right'",
        "the flow began: not started: it waits for a rule",
        "event 'left' from ann: join/1 not met: 'right'",
    ]
    run.send("right")
    stage.reached("join")
    assert run.why("join")[0] == "join was started once; join#1 was started by event 'right' and is RUNNING"
    run.cancel()
    assert run.why("join")[0].startswith("join was started once")
    with pytest.raises(ValueError, match="has no task 'nobody'; it has join"):
        run.why("nobody")


CRASHING = """
import os, sys, time
import nbflow as nf
from nbflow.rules import Flow, MeetAll, NotificationClient, PythonOperator, TaskAction
storage, effects = sys.argv[1:]
nf.init(storage=storage)

def effect(event):
    with open(effects, "a") as file:
        file.write(f"{event.value}\\n")

async def note(event):
    effect(event)

with Flow("crashing", begin="earliest", stay_open=True) as flow:
    PythonOperator("note", note, overlap=True).action_on_event_received(TaskAction.START, "n", scope="namespace")
flow.finish_on_event_received("halt")
run = flow.run_async("crashing")
print("on", flush=True)
if "halt" in os.environ:
    run.send("halt")
    print(run.result(30))
while True:
    print("alive", flush=True)
    time.sleep(0.01)
"""


@pytest.mark.crash
def test_R25_over_kills_no_rule_fires_twice_for_an_offset_and_none_is_missed(tmp_path: Path, host: Host) -> None:
    storage, effects = tmp_path / "runs", tmp_path / "effects"
    client = NotificationClient(storage=str(storage))
    number = 0
    for _ in range(6):
        process = script(CRASHING, storage, effects)
        assert process.stdout is not None and "on" in process.stdout.readline() + process.stdout.readline()
        for _ in range(20):
            number += 1
            client.send_event("n", number)
        kill_at(process, "alive")
    process = script(CRASHING, storage, effects)
    until(lambda: effects.exists() and len(set(effects.read_text().split())) == number, "all events")
    process.kill(), process.communicate()
    state = _stored(storage)
    fired = [each.event["off"] for each in state if any(word == "fired" for _, word, _ in each.verdicts)]
    assert fired == list(range(1, number + 1)), "each offset once, in order"
    starts = [action[2] for each in state for action in each.actions if action[0] == "start"]
    assert starts == list(range(1, number + 1))
    client.close()


def _stored(storage: Path) -> list[RulesEvaluated]:
    from nbflow.storage.folder import FolderStorage

    wires = FolderStorage(storage).read_run("crashing")
    return [record for wire in wires if isinstance(record := decode(wire), RulesEvaluated)]


def test_R26_an_event_reaches_its_dependent_task_in_milliseconds() -> None:
    arrived: list[float] = []

    async def work() -> None:
        arrived.append(time.perf_counter())

    with Flow("r26", stay_open=True) as flow:
        task = PythonOperator("work", work, overlap=True)
        task.action_on_event_received(START, "run")
        task.action_on_event_received(START, "stream", scope="namespace")
    run, client = flow.run_async("r26"), NotificationClient()
    taken: dict[str, list[float]] = {"run": [], "stream": []}
    for key, send in (("run", run.send), ("stream", client.send_event)):
        for _ in range(20):
            began, count = time.perf_counter(), len(arrived)
            send(key)  # type: ignore[operator]
            until(lambda count=count: len(arrived) > count)
            taken[key].append(arrived[-1] - began)
    for key, seconds in taken.items():
        assert sorted(seconds)[len(seconds) // 2] < 0.25, f"{key}: AIFlow needs 2.5 s"
    run.cancel()
