"""A thousand questions, a hundred watchers, a day of timers and schedules, and run after run: nothing piles up."""

from __future__ import annotations

import gc
import os
import threading
import tracemalloc
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.engine.host import Host
from nbflow.notebook.watch import Watch
from nbflow.rules import Flow, PythonOperator
from nbflow.testing import virtual_clock
from nbflow.views.feed import Delta
from tests import figures
from tests.engine.tools import until

pytestmark = pytest.mark.slow
QUESTIONS, WATCHERS, HOURS = 1_000, 100, 24
SLACK = 8
"""Threads and files that may come late: a pool grows when all of it is busy. A leak would be one for each run."""


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_thousand_open_questions_are_all_answered_once(host: Host) -> None:
    def ask(number: int) -> Any:
        return nf.wait_for_event(nf.ButtonListener, f"Question {number}?", options=["yes", "no"]).options(
            task_id=f"q{number}"
        )

    @nf.task
    def tally(*decisions: Any) -> dict[str, int]:
        chosen = [decision.option for decision in decisions]
        return {option: chosen.count(option) for option in ("yes", "no")}

    run = nf.run_async(tally.bind(*map(ask, range(QUESTIONS))), workflow_id="many")
    until(lambda: run.state.counts["waiting"] == QUESTIONS)
    before = open_files()
    assert len(run.questions) == QUESTIONS and len(run.to_dataframe()) == QUESTIONS + 1
    (row,) = nf.list_runs()
    assert len(row.questions) == QUESTIONS

    def answer(who: int) -> None:
        for number in range(who, QUESTIONS, 4):
            receipts = [run.answer(f"q{number}", option) for option in ("no" if number % 10 == 0 else "yes", "no")]
            assert receipts[0].status == "delivered", receipts

    people = [threading.Thread(target=answer, args=(who,)) for who in range(4)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert run.result(60) == {"yes": QUESTIONS * 9 // 10, "no": QUESTIONS // 10}
    figures.count("events", 2 * QUESTIONS)
    until(lambda: open_files() <= before + SLACK, "the files to be closed")


class Screen:
    """A view that keeps what a page would show."""

    def __init__(self) -> None:
        self.st, self.rows, self.run, self.messages = "", dict[str, Any](), dict[str, Any](), 0

    def apply(self, delta: Delta) -> None:
        self.messages += 1
        self.st = delta.st
        self.rows |= delta.rows
        self.run |= delta.run or {}


def test_a_hundred_watchers_see_the_same_and_do_not_hold_the_run_up(host: Host) -> None:
    @nf.task
    async def add(x: int, y: Any) -> int:
        return x + 1

    last: Any = 0
    for number in range(300):
        last = add.options(task_id=f"add {number}").bind(last, nf.wait_for_event("go") if number == 0 else 0)
    run = nf.run_async(last, workflow_id="watched")
    runner = until(lambda: host.runners.get("watched"))
    screens = [Screen() for _ in range(WATCHERS)]

    async def watch() -> Watch:
        found = Watch.of(runner)
        for screen in screens:
            found.add(screen)
        return found

    watch_ = host.engine.call(watch)
    looked, stop = [], threading.Event()

    def look() -> None:
        while not stop.is_set():
            looked.append(len(nf.get_run("watched").to_dataframe()))

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for looker in lookers:
        looker.start()
    run.send("go")
    assert run.result(60) == 300
    until(lambda: all(screen.st == screens[0].st and len({*screen.st}) <= 2 for screen in screens), "the last picture")
    stop.set()
    for looker in lookers:
        looker.join()
    assert all(screen.rows == screens[0].rows and screen.run == screens[0].run for screen in screens)
    assert {*looked} == {301} and watch_.views
    figures.count("histories", WATCHERS)


def test_a_day_of_timers_and_schedules_leaves_no_file_and_no_thread_behind(host: Host, soak: bool) -> None:
    ticks = nf.Workflow("ticks")

    @ticks.start()
    async def start(ctx: Any) -> Any:
        ctx.store.put("n", 0)
        return ctx.next.sleep(timedelta(minutes=15), tick)

    @ticks.step()
    async def tick(ctx: Any) -> Any:
        ctx.store.put("n", await ctx.store.get("n") + 1)
        return ctx.next.sleep(timedelta(minutes=15), tick)

    rounds: list[float] = []

    async def work(event: Any = None) -> int:
        rounds.append(event.time if hasattr(event, "time") else 0.0)
        return len(rounds)

    def sleeper(minutes: int) -> Any:
        return nf.sleep(60.0 * minutes).options(task_id=f"sleep {minutes}")

    days = 7 if soak else 1
    files, seen = [], []
    with virtual_clock() as clock:
        machine = nf.start_workflow(ticks, workflow_id="ticks")
        with Flow("hourly", stay_open=True) as flow:
            PythonOperator("work", python_callable=work, every=1200)
        schedule = flow.run_async("hourly")
        sleeps = nf.run_async(
            nf.task(len, name="count").bind([sleeper(m) for m in range(1, 24 * 60, 14)]), workflow_id="sleeps"
        )
        tracemalloc.start()
        for _ in range(HOURS * days):
            clock.advance(timedelta(hours=1))
            gc.collect()
            files.append((open_files(), threading.active_count()))
            seen.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        assert sleeps.result(60) == len(range(1, 24 * 60, 14))
        assert machine.describe().stored == ("n",)
        machine.cancel()
        schedule.cancel()
    print("rounds", len(rounds), "files", files[2], files[-1], "memory", [m // 1024 for m in seen])
    assert abs(len(rounds) - 3 * HOURS * days) <= 2
    assert files[-1][0] <= files[2][0] + SLACK and files[-1][1] <= files[2][1] + SLACK, files
    assert seen[-1] < 2 * max(seen[3:8]), "memory grows with the hours"
    figures.count("histories", HOURS * days)


def one_round(number: int) -> None:
    """Run a graph with an event, a question and a timer, and forget it."""
    join = nf.task(lambda *parts: len(parts), name="join")
    waits = nf.wait_for_event("go"), nf.wait_for_event(nf.ButtonListener, "Close?", options=["yes"]), nf.sleep(0.01)
    run = nf.run_async(join.bind(*waits), workflow_id=f"round-{number}")
    until(lambda: run.questions)
    assert run.send("go", number, "e") and run.answer("Close?", "yes")
    assert run.result(60) == 3
    run._repr_mimebundle_(), run.to_dataframe()
    nf.delete(f"round-{number}")


def test_run_after_run_memory_files_and_threads_stay_as_they_were(host: Host, folder: Path, soak: bool) -> None:
    def measured() -> tuple[int, int, int]:
        gc.collect()
        return tracemalloc.get_traced_memory()[0], open_files(), threading.active_count()

    for number in range(20):
        one_round(number)
    tracemalloc.start()
    for number in range(20, 40):
        one_round(number)
    before = measured()
    count = 2_000 if soak else 60
    for number in range(40, 40 + count):
        one_round(number)
    after = measured()
    tracemalloc.stop()
    print("before", before, "after", after)
    more = [max(after[n] - before[n] - SLACK, 0) for n in (1, 2)]
    figures.count("leaked", sum(more))
    assert not any(more), (before, after)
    assert after[0] - before[0] < 1024 * count, f"{(after[0] - before[0]) / count:.0f} bytes stay of each run"
    assert not [*(folder / "runs").iterdir()]
