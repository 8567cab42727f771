"""The process of a body lives no longer than the engine's, whatever ends that."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from tests.executors.programs import Start, dies_within, is_alive

SECONDS = 10.0
crash = pytest.mark.crash

# A script without a main guard, as notebooks and short scripts are; its bodies are defined in it.
ENGINE = """
import os, signal, subprocess, sys, threading, time
from nbflow.executors.process import ProcessExecutor

def where():
    return os.getpid()

def beat():
    print(os.getpid(), flush=True)
    time.sleep(600)

def hold_the_interpreter_lock():
    print(os.getpid(), flush=True)
    sum(range(10**12))

def leave_a_thread_behind():
    threading.Thread(target=time.sleep, args=(600,)).start()
    return os.getpid()

def start_a_program():
    program = subprocess.Popen(["sleep", "600"])
    print(os.getpid(), program.pid, sep="\\n", flush=True)
    program.wait()

signal.signal(signal.SIGINT, lambda *_: print("interrupted", flush=True))
executor = ProcessExecutor(2)
print(executor.submit(where).result(), flush=True)
"""


def busy_with(body: str, then: str = "time.sleep(600)") -> str:
    """Return the script of an engine that has an idle process and one that runs a body."""
    return f"{ENGINE}\nfuture = executor.submit({body})\n{then}\n"


@crash
@pytest.mark.parametrize("body", ["beat", "hold_the_interpreter_lock"])
def test_processes_die_with_an_engine_that_is_killed(script: Start, body: str) -> None:
    engine = script(busy_with(body))
    assert engine.stdout
    idle, busy = int(engine.stdout.readline()), int(engine.stdout.readline())
    assert is_alive(busy)
    os.kill(engine.pid, signal.SIGKILL)
    assert dies_within(busy, 5.0)
    assert dies_within(idle, 5.0)


@crash
def test_the_end_of_the_pipe_is_enough_where_the_system_does_not_kill(script: Start) -> None:
    without = "import nbflow.executors.worker as w; w._die_with = lambda parent: None\n"
    patch = f"import nbflow.executors.child as c; c._BOOTSTRAP = {without!r} + c._BOOTSTRAP\n"
    engine = script(patch + busy_with("beat"))
    assert engine.stdout
    idle, busy = int(engine.stdout.readline()), int(engine.stdout.readline())
    os.kill(engine.pid, signal.SIGKILL)
    assert dies_within(busy, 5.0)
    assert dies_within(idle, 5.0)


def test_an_engine_that_ends_leaves_nothing_and_does_not_wait_for_bodies(script: Start) -> None:
    engine = script(busy_with("start_a_program", then="sys.stdin.readline()"))
    assert engine.stdout
    assert engine.stdin
    idle, busy, program = (int(engine.stdout.readline()) for _ in range(3))
    engine.stdin.write("end\n")
    engine.stdin.flush()
    assert engine.wait(SECONDS) == 0
    assert not is_alive(idle)
    assert not is_alive(busy)
    assert dies_within(program, 5.0)


def test_the_exit_of_a_fork_of_the_engine_leaves_its_processes_alone(script: Start) -> None:
    fork = "sys.stdin.readline(); pid = os.fork()\nif pid: os.waitpid(pid, 0); print('forked', flush=True)"
    engine = script(busy_with("beat", then=f"{fork}; time.sleep(600)"))
    assert engine.stdout
    assert engine.stdin
    _, busy = int(engine.stdout.readline()), int(engine.stdout.readline())
    engine.stdin.write("fork\n")
    engine.stdin.flush()
    assert engine.stdout.readline() == "forked\n"
    assert is_alive(busy)


@crash
def test_the_interrupt_of_a_cell_does_not_reach_the_bodies(script: Start) -> None:
    engine = script(busy_with("beat"))
    assert engine.stdout
    _, busy = int(engine.stdout.readline()), int(engine.stdout.readline())
    os.killpg(engine.pid, signal.SIGINT)
    assert engine.stdout.readline() == "interrupted\n"
    assert is_alive(busy)


def test_a_thread_that_a_body_left_behind_does_not_keep_its_process(script: Start) -> None:
    engine = script(f"{ENGINE}\nprint(executor.submit(leave_a_thread_behind).result(), flush=True)\n")
    assert engine.stdout
    engine.stdout.readline()
    left = int(engine.stdout.readline())
    assert engine.wait(SECONDS) == 0
    assert not is_alive(left)


def test_bodies_run_on_the_main_thread_where_signals_and_forks_work(script: Start) -> None:
    engine = script(
        f"{ENGINE}\nprint(executor.submit(lambda: threading.current_thread() is threading.main_thread()).result())\n"
    )
    assert engine.communicate(timeout=SECONDS)[0].endswith("True\n")
    assert threading.current_thread() is threading.main_thread()
