"""Processes: one body in each, so that a death, a stop and a wrong place concern that body alone."""

from __future__ import annotations

import concurrent.futures
import contextvars
import os
import signal
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nbflow.errors import SystemFailure, TaskError
from nbflow.executors.process import ProcessExecutor
from nbflow.executors.worker import tell
from tests.executors import bodies
from tests.executors.programs import dies_within, is_alive

SECONDS = 20.0
crash = pytest.mark.crash


@pytest.fixture
def fifos(tmp_path: Path) -> Iterator[list[Path]]:
    """Give fifos: to read one waits for the body that writes it."""
    paths = [tmp_path / f"fifo{i}" for i in range(4)]
    for path in paths:
        os.mkfifo(path)
    yield paths


@pytest.fixture
def single() -> Iterator[ProcessExecutor]:
    """Give a single process that a test may spoil."""
    executor = ProcessExecutor(1)
    yield executor
    executor.close()
    assert executor._processes == 0
    assert not executor._running


def test_a_fork_that_comes_back_from_a_body_does_not_answer_for_it(single: ProcessExecutor) -> None:
    for body, code in ((bodies.split, 0), (bodies.split_and_fail, 1)):
        child = single.submit(body).result(SECONDS)
        assert child > 0
        assert single.submit(bodies.end_of, child).result(SECONDS) == code
        assert single.submit(bodies.add, 1, 2).result(SECONDS) == 3


def test_a_body_runs_in_another_process_which_serves_the_next_one_too(single: ProcessExecutor) -> None:
    pids = {single.submit(bodies.pid).result(SECONDS) for _ in range(5)}
    assert len(pids) == 1
    assert os.getpid() not in pids
    assert single.submit(bodies.add, 1, b=2).result(SECONDS) == 3


def test_functions_and_exceptions_of_a_notebook_keep_their_identity(pool: ProcessExecutor) -> None:
    class NoStock(Exception):
        pass

    def order(count: int) -> None:
        raise NoStock(f"only {count} left")

    error = pool.submit(order, 3).exception(SECONDS)
    assert type(error) is NoStock
    assert str(error) == "only 3 left"
    assert "in order" in str(error.__cause__)


def test_large_frames_travel_both_ways_and_stay_writable(pool: ProcessExecutor) -> None:
    array = np.arange(4_000_000, dtype="float64")
    there_and_back = pool.submit(lambda a: a + 1, array).result(SECONDS)
    assert there_and_back[-1] == 4_000_000
    there_and_back[0] = 7
    table = pd.DataFrame({"n": array[:1000], "name": [f"row {i}" for i in range(1000)]})
    pd.testing.assert_frame_equal(pool.submit(bodies.give, table).result(SECONDS), table)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_a_body_that_would_end_a_program_does_not_end_its_process(single: ProcessExecutor, error: Any) -> None:
    pid = single.submit(bodies.pid).result(SECONDS)
    assert isinstance(single.submit(bodies.raise_in_depth, error).exception(SECONDS), TaskError)
    assert single.submit(bodies.pid).result(SECONDS) == pid


def test_an_argument_that_cannot_travel_fails_its_body_alone(single: ProcessExecutor) -> None:
    error = single.submit(bodies.give, threading.Lock()).exception(SECONDS)
    assert isinstance(error, TaskError)
    assert 'executor="thread"' in str(error)
    assert single.submit(bodies.give, 1).result(SECONDS) == 1


@crash
@pytest.mark.parametrize(
    ("body", "how"),
    [
        (lambda: os._exit(0), "exited with code 0"),
        (lambda: os._exit(3), "exited with code 3"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "killed by SIGKILL"),
        (bodies.segfault, "killed by SIGSEGV"),
        (lambda: os.closerange(0, 1000), "killed by SIGKILL"),
    ],
)
def test_a_body_whose_process_dies_is_a_system_failure(single: ProcessExecutor, body: Any, how: str) -> None:
    error = single.submit(body).exception(SECONDS)
    assert isinstance(error, SystemFailure)
    assert how in str(error)
    assert single.submit(bodies.give, "next").result(SECONDS) == "next"


@crash
def test_a_death_concerns_only_the_body_of_that_process(pool: ProcessExecutor, fifos: list[Path]) -> None:
    guilty, innocent = pool.submit(bodies.say_pid_and_stay, fifos[0]), pool.submit(bodies.meet, fifos[1], fifos[2])
    queued = pool.submit(bodies.give, "queued")
    victim, other = int(fifos[0].read_text()), int(fifos[1].read_text())
    os.kill(victim, signal.SIGKILL)
    error = guilty.exception(SECONDS)
    assert isinstance(error, SystemFailure)
    assert "'say_pid_and_stay'" in str(error)
    assert queued.result(SECONDS) == "queued"
    fifos[2].write_text("go")
    assert innocent.result(SECONDS) == "go"
    assert is_alive(other)


@crash
def test_a_process_killed_while_idle_is_replaced_and_nobody_is_blamed(single: ProcessExecutor) -> None:
    pid = single.submit(bodies.pid).result(SECONDS)
    os.kill(pid, signal.SIGKILL)
    assert dies_within(pid, SECONDS)
    assert single.submit(bodies.pid).result(SECONDS) != pid


@crash
def test_a_body_that_no_process_survives_to_start_is_given_up(single: ProcessExecutor) -> None:
    error = single.submit(bodies.give, bodies.DiesWhenLoaded()).exception(SECONDS)
    assert isinstance(error, SystemFailure)
    assert "exited with code 7" in str(error)
    assert "could not be started 3 times" in str(error)


@crash
def test_a_fork_that_holds_the_pipes_does_not_hide_the_death(single: ProcessExecutor, fifos: list[Path]) -> None:
    future = single.submit(bodies.fork_and_die, fifos[0])
    fork = int(fifos[0].read_text())
    assert isinstance(future.exception(SECONDS), SystemFailure)
    assert dies_within(fork, SECONDS)


@crash
def test_stop_kills_the_process_and_all_that_the_body_started(single: ProcessExecutor, fifos: list[Path]) -> None:
    future = single.submit(bodies.start_another_and_stay, fifos[0])
    program = int(fifos[0].read_text())
    assert single.stop(future)
    error = future.exception(SECONDS)
    assert isinstance(error, SystemFailure)
    assert "was stopped" in str(error)
    assert dies_within(program, SECONDS)
    assert single.stop(future)
    assert single.submit(bodies.give, "next").result(SECONDS) == "next"


def test_a_queued_body_that_is_stopped_never_runs(single: ProcessExecutor, fifos: list[Path], tmp_path: Path) -> None:
    running = single.submit(bodies.meet, fifos[0], fifos[1])
    queued = single.submit(Path.touch, tmp_path / "ran")
    fifos[0].read_text()
    assert single.stop(queued)
    assert queued.cancelled()
    fifos[1].write_text("go")
    assert running.result(SECONDS) == "go"
    assert not (tmp_path / "ran").exists()


@crash
def test_a_stop_at_any_moment_hits_no_other_body(single: ProcessExecutor) -> None:
    for _ in range(30):
        stopped, next_one = single.submit(bodies.give, 1), single.submit(bodies.give, 2)
        assert single.stop(stopped)
        assert next_one.result(SECONDS) == 2
        assert stopped.cancelled() or stopped.exception(SECONDS) is None or "stopped" in str(stopped.exception())


def test_a_stop_that_comes_after_the_body_spares_its_process(single: ProcessExecutor) -> None:
    pid = single.submit(bodies.pid).result(SECONDS)
    future = single.submit(bodies.make_one_that_waits)
    assert bodies.WaitsWhenLoaded.arrives.wait(SECONDS)
    assert single.stop(future)
    bodies.WaitsWhenLoaded.gate.set()
    assert future.result(SECONDS) == "arrived"
    assert single.submit(bodies.pid).result(SECONDS) == pid


def test_what_a_body_prints_arrives_in_the_callers_context_and_before_its_end() -> None:
    run: contextvars.ContextVar[str] = contextvars.ContextVar("run")
    heard: list[tuple[str, str, str]] = []
    executor = ProcessExecutor(1, on_message=lambda kind, text: heard.append((run.get(), kind, text)))

    def body(name: str) -> None:
        print("first of", name)
        print("halfway", end="", flush=True)
        print("warning", file=sys.stderr)
        print("no newline", end="")

    for name in ("one", "two"):
        context = contextvars.copy_context()
        context.run(run.set, name)
        context.run(executor.submit, body, name).result(SECONDS)
        assert heard == [
            (name, "stdout", f"first of {name}\n"),
            (name, "stdout", "halfway"),
            (name, "stderr", "warning\n"),
            (name, "stdout", "no newline"),
        ]
        heard.clear()
    executor.close()


def test_prints_are_shown_here_by_default(pool: ProcessExecutor, capsys: pytest.CaptureFixture[str]) -> None:
    pool.submit(print, "hello from there").result(SECONDS)
    assert capsys.readouterr().out == "hello from there\n"


def test_prints_of_a_fork_do_not_damage_the_result(pool: ProcessExecutor) -> None:
    assert pool.submit(bodies.print_from_a_fork).result(SECONDS) == b"x" * 100_000_000


def test_a_listener_that_fails_does_not_fail_the_body(caplog: pytest.LogCaptureFixture) -> None:
    def fail(kind: str, value: Any) -> None:
        raise OSError("no screen")

    executor = ProcessExecutor(1, on_message=fail)
    assert executor.submit(lambda: print("x") or 42).result(SECONDS) == 42
    assert "could not be shown" in caplog.text
    executor.close()


def test_a_body_can_tell_the_engine_more_than_text() -> None:
    heard: list[tuple[str, Any]] = []
    executor = ProcessExecutor(1, on_message=lambda kind, value: heard.append((kind, value)))
    assert executor.submit(tell, "progress", (3, 10)).result(SECONDS)
    assert heard == [("progress", (3, 10))]
    assert not tell("progress", (3, 10))
    executor.close()


def test_a_body_sees_the_folder_path_and_environment_of_now(
    single: ProcessExecutor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "fresh_module.py").write_text("answer = 42")

    def look() -> tuple[str, str | None, int | None]:
        try:
            import fresh_module
        except ImportError:
            return os.getcwd(), os.environ.get("FRESH"), None
        return os.getcwd(), os.environ.get("FRESH"), fresh_module.answer

    assert single.submit(look).result(SECONDS) == (os.getcwd(), None, None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FRESH", "yes")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert single.submit(look).result(SECONDS) == (str(tmp_path), "yes", 42)


def test_a_body_may_close_or_replace_its_streams(single: ProcessExecutor) -> None:
    def body() -> int:
        print("x", end="")
        sys.stdout.close()
        sys.stderr = None
        return 42

    assert single.submit(body).result(SECONDS) == 42
    assert single.submit(bodies.give, 1).result(SECONDS) == 1


def test_an_ended_future_keeps_nothing_of_its_body(single: ProcessExecutor) -> None:
    for body in (bodies.give, bodies.fail_with):
        value = bodies.Value()
        watch = weakref.ref(value)
        future = single.submit(body, value)
        concurrent.futures.wait([future], SECONDS)
        single.submit(bodies.give, 1).result(SECONDS)
        del value
        assert watch() is None
        del future


def test_idle_processes_leave() -> None:
    executor = ProcessExecutor(1, idle_seconds=0.05)
    pid = executor.submit(bodies.pid).result(SECONDS)
    assert dies_within(pid, SECONDS)
    assert executor.submit(bodies.pid).result(SECONDS) != pid
    executor.close()


@crash
def test_closing_leaves_no_process_and_no_open_future(fifos: list[Path]) -> None:
    executor = ProcessExecutor(2)
    idle = executor.submit(bodies.pid).result(SECONDS)
    running = executor.submit(bodies.say_pid_and_stay, fifos[0])
    busy = int(fifos[0].read_text())
    futures = [running, *(executor.submit(bodies.say_pid_and_stay, fifos[1]) for _ in range(5))]
    executor.close()
    executor.close()
    assert not concurrent.futures.wait(futures, SECONDS).not_done
    assert isinstance(running.exception(), SystemFailure)
    assert not is_alive(idle)
    assert not is_alive(busy)
    with pytest.raises(RuntimeError, match="closed"):
        executor.submit(bodies.pid)
