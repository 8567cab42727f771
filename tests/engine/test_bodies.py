"""How bodies run: where, side by side, for how long, and how they are stopped."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import functools
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow import api
from nbflow.core.codec import decode
from nbflow.core.records import TaskStarted
from nbflow.engine.host import Host
from nbflow.errors import SystemFailure, TaskTimeout, WorkflowCancellationError, WorkflowExecutionError
from nbflow.testing import MemoryStorage
from tests.engine.tools import Counter, Gate, kill_at, script, until


def test_a_plain_body_runs_in_a_thread_an_async_one_on_the_engines_loop(host: Host) -> None:
    async def async_where() -> str:
        return threading.current_thread().name

    plain = nf.task(lambda: threading.current_thread().name, name="plain")
    assert nf.run([plain.bind(), nf.task(async_where).bind(), plain.options(executor="inline").bind()]) == [
        "nbflow-thread", "nbflow-engine", "nbflow-engine",
    ]  # fmt: skip


def test_a_process_body_runs_elsewhere_and_may_grow() -> None:
    @nf.task(executor="process")
    def where(n: int) -> Any:
        return os.getpid() if n == 0 else nf.continuation(where.bind(n - 1))

    assert nf.run(where.bind(1)) != os.getpid()


def test_an_executor_of_the_user_may_be_the_default() -> None:
    nf.shutdown()
    with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="mine") as pool:
        nf.init(storage=MemoryStorage(), executor=pool)
        assert nf.run(nf.task(lambda: threading.current_thread().name, name="where").bind()).startswith("mine")
        nf.shutdown()


def test_bodies_of_several_runs_share_the_slots_and_none_is_forgotten(host: Host) -> None:
    gate = Gate()

    @nf.task
    def stay(i: int) -> int:
        gate.wait()
        return i

    total = nf.task(lambda xs: sum(xs), name="total")
    runs = [nf.run_async(total.bind(stay.map(range(20)))) for _ in range(3)]
    slots = host.lane(None).slots
    gate.reached(slots)
    assert not gate.arrived.acquire(timeout=0.05), "more bodies than slots"
    gate.open.set()
    assert [run.result(10) for run in runs] == [190] * 3
    until(lambda: host.lane(None).running == 0)


def test_a_body_that_was_abandoned_does_not_hold_its_slot(host: Host) -> None:
    gate = Gate()

    @nf.task(timeout=0.05)
    def hang() -> None:
        gate.wait()

    slots = host.lane(None).slots
    runs = [nf.run_async(hang.bind()) for _ in range(slots + 2)]
    for run in runs:
        with pytest.raises(WorkflowExecutionError, match="abandoned"):
            run.result(10)
    assert nf.run(nf.task(lambda: 1, name="quick").bind()) == 1
    gate.open.set()


def test_the_bodies_see_the_context_of_who_started_the_run() -> None:
    colour = contextvars.ContextVar("colour", default="none")
    colour.set("green")

    async def seen() -> str:
        return colour.get()

    assert nf.run([nf.task(lambda: colour.get(), name="plain").bind(), nf.task(seen).bind()]) == ["green"] * 2


def test_a_plain_function_around_a_coroutine_is_called_as_a_plain_function() -> None:
    async def inner(x: int) -> int:
        return x + 1

    @functools.wraps(inner)
    def outer(x: int) -> int:
        return asyncio.run(inner(x))

    assert nf.run(nf.task(outer).bind(1)) == 2
    assert nf.run(nf.task(lambda: inner(2), name="returns_it").bind()) == 3


@pytest.mark.parametrize("kind", ["async", "returned", "process", "thread"])
def test_a_body_that_runs_too_long_fails_with_a_timeout(kind: str) -> None:
    async def pause() -> None:
        await asyncio.sleep(60)

    body: Any = pause if kind == "async" else (lambda: pause()) if kind == "returned" else lambda: time.sleep(3)
    executor = "process" if kind == "process" else None
    slow = nf.task(body, name="slow", timeout=0.1, executor=executor, max_retries=0)
    with pytest.raises(WorkflowExecutionError, match=r"longer than 0.1 seconds") as failed:
        nf.run_async(slow.bind()).result(10)
    assert isinstance(failed.value.__cause__, TaskTimeout)


def test_a_timeout_can_be_retried(tmp_path: Path) -> None:
    calls = Counter(tmp_path / "calls")

    @nf.task(timeout=0.2, retry_exceptions=(TaskTimeout,))
    async def slow_once() -> int:
        if calls.add() == 1:
            await asyncio.sleep(60)
        return 5

    assert nf.run(slow_once.bind()) == 5


def test_the_time_that_a_body_waits_for_a_slot_does_not_count(host: Host) -> None:
    nap = nf.task(lambda i: time.sleep(0.25), name="nap", executor="process", timeout=2)
    nf.run(nap.map(range(2)))  # the processes are there
    assert nf.run(nap.map(range(20))) == [None] * 20


def test_cancel_starts_none_of_those_that_stand_in_line(host: Host) -> None:
    gate = Gate()
    begun: list[int] = []

    @nf.task
    def hold(i: int) -> None:
        begun.append(i)
        gate.wait()

    run = nf.run_async(hold.map(range(200)), workflow_id="w")
    lane = host.lane(None)
    gate.reached(lane.slots)
    run.cancel()
    with pytest.raises(WorkflowCancellationError):
        run.result(5)
    gate.open.set()
    until(lambda: lane.running == 0)
    assert nf.run(nf.task(lambda: 1, name="next").bind()) == 1, "whoever was handed over has begun by now"
    assert len(begun) == lane.slots < 200


def test_cancel_stops_async_bodies_and_abandons_threads_with_a_notice(host: Host) -> None:
    gate, stopped = Gate(), threading.Event()

    @nf.task
    async def patient() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    @nf.task
    def stubborn() -> None:
        gate.wait()

    run = nf.run_async([patient.bind(), stubborn.bind()], workflow_id="w")
    gate.reached()
    until(lambda: run.state.counts["running"] == 2)
    live = host.runners["w"]
    run.cancel()
    assert stopped.wait(5)
    with pytest.raises(WorkflowCancellationError):
        run.result(5)
    assert any("nobody can stop" in notice for notice in live.notices)
    gate.open.set()


def test_a_body_marked_to_start_once_does_not_start_again_after_a_crash_until_a_person_says_so(
    tmp_path: Path, folder: Path
) -> None:
    code = """
        import sys
        import nbflow as nf

        @nf.task(mark_start=True, max_retries=0)
        def pay(path):
            import os, time
            fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
            os.write(fd, b"x\\n")
            os.close(fd)
            if os.path.exists(path + ".go"):
                return "paid"
            print("pays", flush=True)
            time.sleep(600)

        nf.init(storage=sys.argv[1])
        nf.run(pay.bind(sys.argv[2]), workflow_id="w")
    """
    calls = Counter(tmp_path / "calls")
    kill_at(script(code, folder, calls.path), "pays")
    Path(calls.path + ".go").touch()
    with pytest.raises(WorkflowExecutionError) as failed:
        nf.resume("w")
    assert isinstance(failed.value.__cause__, SystemFailure)
    assert "nbflow.resume('w') starts it" in str(failed.value.__cause__)
    assert calls.count() == 1
    assert nf.resume("w") == "paid"
    assert calls.count() == 2


def test_a_body_marked_to_start_once_finds_its_start_on_the_disk() -> None:
    @nf.task(mark_start=True, executor="inline")
    def starts() -> int:
        records = [decode(wire) for wire in api.default_host().storage.read_run("w")]
        return sum(isinstance(record, TaskStarted) for record in records)

    assert nf.run(starts.bind(), workflow_id="w") == 1


def test_a_body_that_is_stopped_while_its_start_is_written_down_does_not_run(tmp_path: Path) -> None:
    calls = Counter(tmp_path / "calls")

    @nf.task(executor="inline")
    def quick() -> int:
        return 1

    @nf.task(mark_start=True)
    def pay() -> int:
        return calls.add()

    assert nf.run(nf.any_of(quick.bind(), pay.bind())).value == 1
    assert calls.count() == 0


def test_a_body_whose_arguments_do_not_fit_any_more_fails_and_does_not_hang() -> None:
    @nf.task
    async def body(x: int) -> int:
        return x

    node = body.bind(1)

    async def other() -> int:
        return 1

    body.function = other
    with pytest.raises(WorkflowExecutionError, match="positional argument"):
        nf.run_async(node).result(10)


def test_an_unknown_executor_is_refused_at_init_and_fails_its_task_by_name() -> None:
    with pytest.raises(WorkflowExecutionError, match=r"is not an executor.*nbflow.init\(executors=\{'"):
        nf.run(nf.task(lambda: 1, name="one", executor="nowhere").bind())
    nf.shutdown()
    with pytest.raises(ValueError, match="is not an executor"):
        nf.init(storage=MemoryStorage(), executor="nowhere")
    with pytest.raises(ValueError, match="durability"):
        nf.init(storage=MemoryStorage(), durability="often")


def test_a_task_of_the_notebooks_loop_runs_there() -> None:
    @nf.task(loop="notebook")
    async def pinned() -> int:
        return id(asyncio.get_running_loop())

    async def cell() -> tuple[int, int, int]:
        return id(asyncio.get_running_loop()), await nf.run_async(pinned.bind()), nf.run(pinned.bind())

    assert len(set(asyncio.run(cell()))) == 1
    with pytest.raises(WorkflowExecutionError, match="needs a notebook's loop"):
        nf.run(pinned.bind())
