"""What a task prints is kept for it, wherever its body runs, and goes on to where it would have gone anyway."""

from __future__ import annotations

import asyncio
import contextvars
import io
import logging
import os
import pickle
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from pathlib import Path

import cloudpickle
import pytest

import nbflow as nf
from nbflow.core.tail import LINES, SIZE
from nbflow.engine import logs, streams
from nbflow.engine.host import Host
from nbflow.storage.memory import MemoryStorage
from tests.engine.tools import Gate, finish, kill_at, script, until


@nf.task
def speak(words: str, times: int = 1) -> str:
    """Print some words."""
    for _ in range(times):
        print(words)
    return words


def test_a_thread_a_coroutine_and_a_process_are_each_heard(capsys: pytest.CaptureFixture[str]) -> None:
    @nf.task
    async def in_coroutine(before: object) -> None:
        print("in a coroutine")
        await asyncio.sleep(0)
        print("to stderr", file=sys.stderr)

    @nf.task(executor="process")
    def in_process(before: object) -> int:
        print("in a process")
        print("unfinished", end="")
        return os.getpid()

    run = nf.run_async(in_process.bind(in_coroutine.bind(speak.bind("in a thread"))))
    assert run.result(10) != os.getpid()
    assert run.logs("speak") == "in a thread\n"
    assert run.logs("in_coroutine") == "in a coroutine\nto stderr\n"
    assert run.logs("in_process") == "in a process\nunfinished\n"
    shown = capsys.readouterr()
    assert shown.out == "in a thread\nin a coroutine\nin a process\nunfinished"
    assert shown.err == "to stderr\n"


def test_two_tasks_that_print_at_once_do_not_tear_each_others_lines() -> None:
    start = threading.Barrier(2)

    @nf.task
    def chatter(letter: str) -> None:
        start.wait(5)
        for _ in range(100):
            sys.stdout.write(letter * 3)
            sys.stdout.write(letter * 3 + "\n")

    nodes = [chatter.options(task_id=letter).bind(letter) for letter in "ab"]
    run = nf.run_async(nf.task(lambda *_: None, name="join").bind(*nodes))
    run.result(10)
    assert run.logs("a") == "aaaaaa\n" * 100
    assert run.logs("b") == "bbbbbb\n" * 100


def test_threads_of_one_task_do_not_tear_each_others_lines() -> None:
    @nf.task
    def team() -> None:
        start = threading.Barrier(4)

        def member(letter: str) -> None:
            start.wait(5)
            for _ in range(40):
                print(letter, letter, letter)

        with ThreadPoolExecutor(4) as pool:
            for letter in "abcd":
                pool.submit(contextvars.copy_context().run, member, letter)

    run = nf.run_async(team.bind())
    run.result(10)
    assert sorted(run.logs("team").splitlines()) == sorted(f"{c} {c} {c}" for c in "abcd" for _ in range(40))


def test_what_is_printed_outside_of_a_task_is_nobodys() -> None:
    gate = Gate()

    @nf.task
    def quiet() -> None:
        gate.wait()

    run = nf.run_async(quiet.bind())
    gate.reached()
    print("from the cell")
    gate.open.set()
    run.result(10)
    assert run.logs("quiet") == ""


def test_a_log_is_there_while_the_task_still_runs() -> None:
    gate = Gate()

    @nf.task
    def slow() -> None:
        print("begun")
        print("half a li", end="")
        gate.wait()

    run = nf.run_async(slow.bind())
    gate.reached()
    assert run.logs("slow") == "begun\nhalf a li\n"
    gate.open.set()
    run.result(10)


def test_a_log_is_there_after_a_restart_and_goes_on(folder: Path) -> None:
    path = folder / "go"

    @nf.task
    def flaky() -> None:
        print("attempt", "two" if path.exists() else "one")
        if not path.exists():
            raise ValueError

    run = nf.run_async(flaky.bind(), workflow_id="w")
    with pytest.raises(nf.errors.WorkflowExecutionError):
        run.result(10)
    nf.shutdown()
    nf.init(storage=str(folder), durability="lazy")
    assert nf.get_run("w").logs("flaky") == "attempt one\n"
    path.touch()
    nf.resume("w")
    assert nf.get_run("w").logs("flaky") == "attempt one\nattempt two\n"


def test_what_was_stored_survives_kill_9(folder: Path) -> None:
    program = """
        import sys, time, nbflow as nf
        from nbflow.engine import logs
        @nf.task
        def work():
            print("before the end")
            while True:
                time.sleep(0.1)
                if "before" in nf.home.default_host().storage.read_log("w", "work"):
                    print("stored")
        nf.init(storage=sys.argv[1])
        nf.run(work.bind(), workflow_id="w")
    """
    kill_at(script(program, folder), "stored")
    assert "before the end\n" in nf.get_run("w").logs("work")


def test_only_the_last_lines_stay() -> None:
    run = nf.run_async(speak.bind("x" * 9, 10_000))
    run.result(10)
    assert run.logs("speak") == ("x" * 9 + "\n") * LINES

    run = nf.run_async(speak.bind("y" * 1000, 1000))
    run.result(10)
    assert SIZE - 1001 <= len(run.logs("speak")) <= SIZE


def test_a_line_without_an_end_costs_bounded_memory() -> None:
    @nf.task
    def endless() -> None:
        for _ in range(300):
            sys.stdout.write("z" * 1000)

    run = nf.run_async(endless.bind())
    run.result(10)
    assert SIZE - 1 <= run.logs("endless").count("z") <= SIZE


def test_a_bar_that_redraws_itself_is_one_line() -> None:
    @nf.task
    def bar() -> None:
        for i in range(5):
            sys.stderr.write(f"\r{i} of 4")
        sys.stderr.write("\n")
        print("done\r\nnext")

    run = nf.run_async(bar.bind())
    run.result(10)
    assert run.logs("bar") == "4 of 4\ndone\nnext\n"


def test_logging_is_heard_though_its_handler_is_older(capsys: pytest.CaptureFixture[str]) -> None:
    nf.shutdown()
    logger, handler = logging.getLogger("test_logs"), logging.StreamHandler()
    logger.addHandler(handler)
    nf.init(storage=MemoryStorage())
    try:
        run = nf.run_async(nf.task(lambda: logger.warning("mind the gap"), name="warn").bind())
        run.result(10)
        assert run.logs("warn") == "mind the gap\n"
        nf.shutdown()
        assert handler.stream is sys.stderr and type(sys.stderr) is not streams.Tee
    finally:
        logger.removeHandler(handler)
    assert "mind the gap" in capsys.readouterr().err


def test_a_storage_that_fails_harms_no_task(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "PAUSE", 0.0)
    gate = Gate()

    @nf.task
    def hardy() -> str:
        print("one")
        gate.wait()
        print("two")
        return "fine"

    run = nf.run_async(hardy.bind())
    gate.reached()
    runner, tried = host.runners[run.workflow_id], threading.Event()

    def broken(entries: object) -> bool:
        tried.set()
        raise OSError("the disk is gone")

    runner.journal.write_log = broken  # type: ignore[method-assign]
    print("nothing is lost", file=io.StringIO())
    runner.logs.add("hardy", 1, "stdout", "three\n")
    assert tried.wait(5)
    assert run.logs("hardy") == "one\nthree\n"
    gate.open.set()
    assert run.result(10) == "fine"


def test_a_log_that_cannot_be_kept_at_all_harms_no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(logs.Logs, "add", broken)
    assert nf.run(speak.bind("anyway")) == "anyway"


def test_a_stream_that_somebody_puts_there_meanwhile_is_listened_to_too() -> None:
    with redirect_stdout(io.StringIO()) as elsewhere:
        run = nf.run_async(speak.bind("redirected"))
        run.result(10)
    assert elsewhere.getvalue() == "redirected\n"
    assert run.logs("speak") == "redirected\n"


def test_the_streams_are_put_back_at_the_end() -> None:
    nf.shutdown()
    before = sys.stdout, sys.stderr
    nf.init(storage=MemoryStorage())
    assert nf.run(speak.bind("x")) == "x"
    assert type(sys.stdout) is type(sys.stderr) is streams.Tee
    nf.shutdown()
    assert (sys.stdout, sys.stderr) == before


def test_a_stream_of_ours_is_the_stream_to_everybody_else(tmp_path: Path) -> None:
    with open(tmp_path / "out", "w+") as file:
        tee = streams.Tee("stdout", file)
        assert (tee.fileno(), tee.encoding, tee.isatty()) == (file.fileno(), file.encoding, False)
        tee.writelines(["a", "b"])
        print("c", file=tee, flush=True)
        assert (tmp_path / "out").read_text() == "abc\n"
    assert pickle.loads(cloudpickle.dumps(tee)) is sys.stdout


def test_a_function_that_holds_a_stream_goes_to_a_process() -> None:
    nf.run(speak.bind("now the streams are ours"))

    @nf.task(executor="process")
    def held(out: object = sys.stdout) -> None:
        print("held", file=out)  # type: ignore[call-overload]

    run = nf.run_async(held.bind())
    run.result(10)
    assert run.logs("held") == "held\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_forked_child_writes_no_log() -> None:
    program = """
        import os, sys, warnings, nbflow as nf
        warnings.simplefilter("ignore")  # of Python 3.12: it tells every fork of a process with threads
        from nbflow.testing import MemoryStorage
        nf.init(storage=MemoryStorage())
        @nf.task
        def forks():
            log = nf.home.default_host().runners["w"].logs
            with log._lock:  # as another thread may hold it at that moment
                pid = os.fork()
                if pid == 0:
                    print("child", flush=True)
                    os._exit(0)
            os.waitpid(pid, 0)
            print("parent")
        run = nf.run_async(forks.bind(), workflow_id="w")
        run.result(10)
        print([run.logs("forks")])
    """
    assert finish(script(program)).endswith("child\nparent\n['parent\\n']\n")


def test_an_abandoned_body_prints_into_nothing_that_grows(host: Host) -> None:
    gate = Gate()

    @nf.task(timeout=0.05)
    def stuck() -> None:
        gate.wait()
        speak("too late")
        late.set()

    late = threading.Event()
    run = nf.run_async(stuck.bind())
    runner = host.runners[run.workflow_id]
    with pytest.raises(nf.errors.WorkflowExecutionError):
        run.result(10)
    until(lambda: run.workflow_id not in host.runners, "the end of the run")
    gate.open.set()
    assert late.wait(5)
    assert run.logs("stuck") == ""
    assert not runner.logs._tasks


def test_an_unknown_node_is_an_error_that_says_so() -> None:
    run = nf.run_async(speak.bind("x"))
    run.result(10)
    with pytest.raises(ValueError, match="No such node 'nobody'"):
        run.logs("nobody")
