"""A task says how far it is, from wherever its body runs; nobody waits for it, and outside a task nothing happens."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

import nbflow as nf
from nbflow.engine import voice
from nbflow.engine.host import Host
from nbflow.engine.runner import Runner
from nbflow.engine.voice import Pace
from tests.engine.tools import Gate, until


class Watcher:
    """Drains what the tasks of a run say, as a view does, at each word that the engine passes on."""

    def __init__(self, host: Host, run: nf.Run) -> None:
        self.told: list[tuple[int, int]] = []
        self.runner = host.runners[run.workflow_id]
        self.runner.observers.append(self._look)

    def _look(self, runner: Runner) -> None:
        while runner.progress:
            self.told.append(runner.progress.popitem()[1])


@nf.task
def count(gate: Gate, n: int) -> int:
    """Count to n behind the gate."""
    gate.wait()
    return sum(1 for _ in nf.track(range(n)))


def held(gate: Gate) -> nf.Node:
    """Return the gate as a value that no storage has to keep."""
    return nf.task(lambda: gate, name="held", checkpoint=False).bind()


def test_a_thread_moves_its_bar(host: Host) -> None:
    gate = Gate()
    run = nf.run_async(count.bind(held(gate), 5000))
    gate.reached()
    watcher = Watcher(host, run)
    gate.open.set()
    assert run.result(10) == 5000
    assert watcher.told[0][1] == 5000
    assert watcher.told == sorted(watcher.told)


def test_a_coroutine_and_its_threads_move_its_bar(host: Host) -> None:
    @nf.task
    async def mixed() -> None:
        await ready.wait()
        nf.progress(1, 3)
        await asyncio.to_thread(nf.progress, 3, 3)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(contextvars.copy_context().run, nf.progress, 2, 3).result()
        await asyncio.sleep(0.05)

    ready = asyncio.Event()
    run = nf.run_async(mixed.bind())
    watcher = Watcher(host, run)
    host.engine.post(ready.set)
    run.result(10)
    assert watcher.told[-1] == (2, 3)


def test_a_process_moves_its_bar(host: Host) -> None:
    @nf.task(executor="process")
    def remote() -> int:
        return sum(nf.track([1, 2, 3]))

    run = nf.run_async(remote.bind())
    watcher = Watcher(host, run)
    assert run.result(10) == 6
    assert watcher.told and set(watcher.told) <= {(0, 3), (3, 3)}


def test_a_process_is_not_slowed_down_by_its_words(host: Host) -> None:
    @nf.task(executor="process")
    def remote() -> float:
        began = time.perf_counter()
        for _ in nf.track(range(20_000)):
            pass
        return time.perf_counter() - began

    run = nf.run_async(remote.bind())
    watcher = Watcher(host, run)
    seconds = run.result(10)
    assert len(watcher.told) <= 3 + seconds / voice.PAUSE


def test_the_first_and_the_last_word_count_and_some_between(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = 0.0
    monkeypatch.setattr(voice.time, "monotonic", lambda: moment)
    pace, heard = Pace(), []
    for done in range(101):
        moment += 0.013
        if pace.lets(done, 100):
            heard.append(done)
    assert heard[0] == 0 and heard[-1] == 100
    assert 10 <= len(heard) <= 16
    assert pace.lets(0, 100), "a second loop begins anew"
    assert pace.lets(1, 7), "another total is another loop"


def test_when_nobody_watches_the_engine_is_not_woken(host: Host) -> None:
    @nf.task
    def busy(gate: Gate) -> None:
        gate.wait()
        for _ in nf.track(range(1000)):
            pass

    gate = Gate()
    run = nf.run_async(busy.bind(held(gate)))
    gate.reached()
    calls: list[object] = []
    post = host.engine.post

    def counted(call: Callable[[], None]) -> None:
        calls.append(call)
        post(call)

    host.engine.post = counted  # type: ignore[method-assign]
    notify = host.runners[run.workflow_id].notify
    gate.open.set()
    until(run.done, "the run")  # and not result(), which sets somebody to watch how long a person is waited for
    assert notify not in calls


def test_what_a_task_said_is_forgotten_when_it_ends(host: Host) -> None:
    gate = Gate()

    @nf.task
    def speaks() -> None:
        nf.progress(1, 2)

    run = nf.run_async(nf.task(lambda g, _: g.wait(), name="last").bind(held(gate), speaks.bind()))
    gate.reached()
    assert host.runners[run.workflow_id].progress == {}
    gate.open.set()
    run.result(10)


def test_an_abandoned_body_does_not_move_the_bar_of_the_next_attempt(host: Host) -> None:
    first, second = Gate(), Gate()
    attempts: list[int] = []
    spoken = threading.Event()

    @nf.task(timeout=0.2, max_retries=1, retry_exceptions=True)
    def stuck() -> None:
        attempts.append(1)
        if len(attempts) == 1:
            first.wait()
            nf.progress(99, 100)
            spoken.set()
        else:
            nf.progress(1, 100)
            second.wait()

    run = nf.run_async(stuck.bind())
    second.reached()
    first.open.set()
    assert spoken.wait(5)
    assert [*host.runners[run.workflow_id].progress.values()] == [(1, 100)]
    second.open.set()
    run.result(10)


def test_outside_a_task_nothing_happens() -> None:
    assert nf.progress(1, 2) is None
    assert list(nf.track("abc")) == ["a", "b", "c"]
    assert list(nf.track(iter([1, 2]), total=2)) == [1, 2]
    assert list(nf.track(x for x in [1])) == [1]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ((0.25, 1), [(25, 100)]),
        ((1, 4), [(1, 4)]),
        ((7, 4), [(4, 4)]),
        ((-1, 4), [(0, 4)]),
        ((0, 0), []),
        ((1, -1), []),
        ((float("nan"), 1.0), []),
    ],
)
def test_odd_numbers_harm_nobody(host: Host, said: tuple[float, float], shown: list[tuple[int, int]]) -> None:
    gate = Gate()

    @nf.task
    def odd() -> None:
        nf.progress(*said)
        gate.wait()

    run = nf.run_async(odd.bind())
    gate.reached()
    assert [*host.runners[run.workflow_id].progress.values()] == shown
    gate.open.set()
    until(run.done, "the run")
