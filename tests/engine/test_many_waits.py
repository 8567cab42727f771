"""Ten thousand waits at once hold no thread and no task of their own, and a sender does not feel them."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any, ClassVar

import nbflow as nf
from nbflow import api
from nbflow.dag.event import Wait
from nbflow.engine.clock import SystemClock
from nbflow.engine.waits import AT_ONCE
from nbflow.listeners import FileListener
from tests.engine.tools import Gate, until

MANY = 10_000


async def tasks() -> int:
    return len(asyncio.all_tasks())


def opened(dag: Any, count: int) -> nf.Run:
    run = nf.run_async(dag, workflow_id="w")
    began = time.monotonic()
    while run.state.counts["waiting"] < count:
        assert time.monotonic() - began < 50, f"only {run.state.counts['waiting']} of {count} are open"
        time.sleep(0.05)
    return run


def test_ten_thousand_waits_hold_no_thread_and_no_task_and_one_timer(host: Any) -> None:
    engine, keys = api.default_host().engine, MANY // 2
    threads, before = threading.active_count(), engine.call(tasks)
    dag = [nf.wait_for_event(f"k{i}") for i in range(keys)] + [nf.sleep(3600 + i) for i in range(keys)]
    run = opened(dag, MANY)
    until(lambda: engine.call(tasks) <= before + 2, "the tasks that opened them")
    assert threading.active_count() <= threads + 40, "threads of a pool, however many waits there are"
    assert isinstance(host.clock, SystemClock)
    timers = [handle for handle in engine.loop._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
    assert len(timers) <= 10
    for number in range(0, keys, 100):
        assert run.send(f"k{number}", number).node == f"wait_for_k{number}"
    assert run.state.counts["waiting"] == MANY - keys // 100
    run.cancel()
    assert run.status == "CANCELED"


class Slow(nf.ButtonListener):
    """A question that takes until the gate opens to be put."""

    gate: ClassVar[Gate]

    def wait(self, node_id: str, now: float, title: str, **rest: Any) -> Wait:
        """Return the question."""
        self.gate.wait()
        return super().wait(node_id, now, title, **rest)


def test_of_a_thousand_questions_only_some_are_being_put_at_once(host: Any) -> None:
    engine, Slow.gate = api.default_host().engine, Gate()
    before = engine.call(tasks)
    run = nf.run_async([nf.wait_for_event(Slow, f"Question {i}?") for i in range(1000)], workflow_id="w")
    Slow.gate.reached()
    assert engine.call(tasks) - before <= AT_ONCE + 5, "each takes room in memory while it waits for a thread"
    Slow.gate.open.set()
    until(lambda: run.state.counts["waiting"] == 1000)
    run.cancel()


def test_a_thousand_who_look_for_files_share_one_look(host: Any) -> None:
    run = opened([nf.wait_for_event(FileListener, f"/nowhere/{i}", polling=0.05) for i in range(1000)], 1000)
    threads = threading.active_count()
    time.sleep(0.3)  # some rounds go by
    assert threading.active_count() <= threads + 2
    run.cancel()
