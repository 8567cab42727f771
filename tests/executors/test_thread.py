"""Threads: capacity is never lost, what is cancelled never starts, and nothing hinders the interpreter's exit."""

from __future__ import annotations

import concurrent.futures
import contextvars
import queue
import random
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nbflow.errors import TaskError
from nbflow.executors.thread import ThreadExecutor
from tests.executors.programs import Start

SECONDS = 10.0
Make = Callable[..., ThreadExecutor]


class Gate:
    """A body that says when it runs, and stays until it is let go."""

    def __init__(self) -> None:
        self.runs = threading.Event()
        self.go = threading.Event()

    def __call__(self) -> str:
        self.runs.set()
        assert self.go.wait(SECONDS)
        return "went"


@pytest.fixture
def make() -> Iterator[Make]:
    """Make executors whose books are balanced when all their bodies are over."""
    made: list[ThreadExecutor] = []

    def make_one(*args: Any, **kwargs: Any) -> ThreadExecutor:
        made.append(ThreadExecutor(*args, **kwargs))
        return made[-1]

    yield make_one
    for executor in made:
        settles(lambda executor=executor: executor._load == 0 or executor._closed)
        assert not executor._running
        assert not executor._abandoned
        assert executor._threads <= executor.workers or executor._closed
        executor.close()


def settles(condition: Callable[[], bool]) -> None:
    """Wait for what a thread does just after it has ended a future."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_bodies_run_in_order_on_other_daemon_threads(make: Make) -> None:
    executor, order = make(1), list[int]()
    futures = [executor.submit(order.append, i) for i in range(100)]
    concurrent.futures.wait(futures, SECONDS)
    assert order == list(range(100))
    thread = executor.submit(threading.current_thread).result(SECONDS)
    assert thread is not threading.current_thread()
    assert thread.daemon


def test_a_body_runs_in_the_context_that_it_is_given(make: Make) -> None:
    cell: contextvars.ContextVar[str] = contextvars.ContextVar("cell")
    cell.set("In [7]")
    assert make().submit(contextvars.copy_context().run, cell.get).result(SECONDS) == "In [7]"


def test_no_more_bodies_run_at_once_than_there_are_threads(make: Make) -> None:
    executor, gates = make(2), [Gate() for _ in range(4)]
    futures = [executor.submit(gate) for gate in gates]
    assert gates[0].runs.wait(SECONDS)
    assert gates[1].runs.wait(SECONDS)
    assert not gates[2].runs.is_set()
    for gate in gates:
        gate.go.set()
    assert [future.result(SECONDS) for future in futures] == ["went"] * 4


def test_a_queued_body_that_is_stopped_never_runs(make: Make) -> None:
    executor, gate, ran = make(1), Gate(), list[int]()
    first = executor.submit(gate)
    queued = executor.submit(ran.append, 1)
    assert executor.stop(queued)
    assert executor.stop(queued)
    gate.go.set()
    assert first.result(SECONDS) == "went"
    assert executor.submit(len, ran).result(SECONDS) == 0
    assert queued.cancelled()


def test_an_abandoned_body_costs_no_capacity(make: Make) -> None:
    executor, stuck, waiting = make(1), Gate(), threading.Event()
    abandoned = executor.submit(stuck)
    queued = executor.submit(waiting.set)
    assert stuck.runs.wait(SECONDS)
    assert not executor.stop(abandoned)
    queued.result(SECONDS)
    assert executor.submit(lambda: "on we go").result(SECONDS) == "on we go"
    assert not abandoned.done()
    stuck.go.set()
    assert abandoned.result(SECONDS) == "went"
    assert executor.stop(abandoned)


def test_abandoning_a_body_twice_gives_one_thread_more_and_only_until_it_ends(make: Make) -> None:
    executor, stuck, gates = make(1), Gate(), [Gate(), Gate()]
    abandoned = executor.submit(stuck)
    assert stuck.runs.wait(SECONDS)
    assert not executor.stop(abandoned)
    assert not executor.stop(abandoned)
    futures = [executor.submit(gate) for gate in gates]
    assert gates[0].runs.wait(SECONDS)
    assert not gates[1].runs.is_set()
    stuck.go.set()
    settles(lambda: executor._threads == 1)
    assert not gates[1].runs.is_set()
    for gate in gates:
        gate.go.set()
    assert [future.result(SECONDS) for future in futures] == ["went"] * 2


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), StopIteration()], ids=repr)
def test_a_body_that_would_end_a_program_does_not_end_its_thread(make: Make, error: BaseException) -> None:
    def body() -> None:
        raise error

    executor = make(1)
    ident = executor.submit(threading.get_ident).result(SECONDS)
    caught = executor.submit(body).exception(SECONDS)
    assert isinstance(caught, TaskError | RuntimeError)
    assert caught.__cause__ is error
    assert executor.submit(threading.get_ident).result(SECONDS) == ident


def test_closing_cancels_the_queue_and_abandons_what_runs(make: Make) -> None:
    executor, gate = make(1), Gate()
    running = executor.submit(gate)
    assert gate.runs.wait(SECONDS)
    queued = [executor.submit(print) for _ in range(5)]
    executor.close()
    executor.close()
    assert all(future.cancelled() for future in queued)
    with pytest.raises(RuntimeError, match="closed"):
        executor.submit(print)
    gate.go.set()
    assert running.result(SECONDS) == "went"


def test_idle_threads_leave_and_come_back(make: Make) -> None:
    left = threading.Event()
    executor = make(1, idle_seconds=0.01, on_leave=left.set)
    executor.submit(print).result(SECONDS)
    assert left.wait(SECONDS)
    assert executor.submit(lambda: "back").result(SECONDS) == "back"


def test_a_body_that_comes_as_the_last_thread_leaves_is_run(make: Make) -> None:
    executor, late = make(1), list[concurrent.futures.Future[str]]()

    class LateQueue(queue.SimpleQueue[Any]):
        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            if not late and self.empty():
                late.append(executor.submit(lambda: "ran"))
                raise queue.Empty
            return super().get(block, timeout)

    executor._queue = LateQueue()
    executor.submit(print).result(SECONDS)
    settles(lambda: bool(late))
    assert late[0].result(SECONDS) == "ran"


def test_an_idle_thread_keeps_nothing_of_its_last_body(make: Make) -> None:
    class Frame:
        pass

    executor, frame = make(1), Frame()
    watch = weakref.ref(frame)
    executor.submit(id, frame).result(SECONDS)
    del frame
    settles(lambda: watch() is None)


def test_no_future_is_left_open_by_any_mix_of_submit_stop_and_close(make: Make) -> None:
    for seed in range(20):
        chance = random.Random(seed)
        executor = make(3, idle_seconds=0.001)
        futures: list[concurrent.futures.Future[Any]] = []

        def use(
            dice: random.Random, executor: ThreadExecutor = executor, futures: list[Any] = futures, seed: int = seed
        ) -> None:
            try:
                for _ in range(50):
                    futures.append(executor.submit(time.sleep, dice.choice([0, 0, 0.001])))
                    if dice.random() < 0.4:
                        executor.stop(dice.choice(futures))
                    if seed % 2 and dice.random() < 0.01:
                        executor.close()
            except RuntimeError:
                assert executor._closed

        users = [threading.Thread(target=use, args=(random.Random(chance.random()),)) for _ in range(3)]
        for user in users:
            user.start()
        for user in users:
            user.join()
        assert not concurrent.futures.wait(futures, SECONDS).not_done


def test_who_asks_when_a_body_starts_is_told_whenever_it_asks_and_not_when_it_never_does(make: Make) -> None:
    executor, first, second = make(1), Gate(), Gate()
    running, queued, never = executor.submit(first), executor.submit(second), executor.submit(int)
    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    executor.when_started(queued, lambda: told.put("queued"))
    executor.when_started(never, lambda: told.put("never"))
    assert first.runs.wait(SECONDS)
    executor.when_started(running, lambda: told.put("running"))
    assert told.get(timeout=SECONDS) == "running" and told.empty()
    assert executor.stop(never)
    first.go.set()
    assert told.get(timeout=SECONDS) == "queued"
    second.go.set()
    assert queued.result(SECONDS) == "went"
    executor.when_started(queued, lambda: told.put("over"))
    assert told.get(timeout=SECONDS) == "over"
    settles(lambda: executor._load == 0)
    assert told.empty() and not executor._starts


def test_a_body_that_waits_for_others_makes_room_for_one_more_and_only_once(make: Make) -> None:
    executor, first, second = make(1), Gate(), Gate()
    waiting = executor.submit(first)
    assert first.runs.wait(SECONDS)
    queued, third = executor.submit(second), executor.submit(int)
    executor.spare(waiting)
    executor.spare(waiting)
    executor.spare(third)
    assert second.runs.wait(SECONDS)
    assert not third.done() and executor._threads == 2
    second.go.set()
    first.go.set()
    assert [each.result(SECONDS) for each in (waiting, queued, third)] == ["went", "went", 0]
    executor.spare(waiting)
    settles(lambda: executor._threads <= 1)


def test_a_body_that_was_not_taken_for_want_of_threads_never_runs(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    executor, ran = make(1), threading.Event()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_more)
        with pytest.raises(RuntimeError, match="new thread"):
            executor.submit(ran.set)
    assert executor.submit(int).result(SECONDS) == 0
    assert not ran.is_set()


def test_a_body_that_runs_for_ever_does_not_hinder_the_interpreters_exit(script: Start) -> None:
    process = script(
        """
        import threading
        from nbflow.executors.thread import ThreadExecutor

        runs = threading.Event()
        ThreadExecutor().submit(lambda: (runs.set(), threading.Event().wait()))
        runs.wait()
        print("bye")
        """
    )
    assert process.communicate(timeout=SECONDS)[0] == "bye\n"
    assert process.returncode == 0
