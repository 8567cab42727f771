"""A shell command as a body: what it prints, what it returns, and that nothing of it is left."""

from __future__ import annotations

import io
import pickle
import sys
import time
from pathlib import Path

import pytest

from nbflow.errors import CommandFailed
from nbflow.executors.process import ProcessExecutor
from nbflow.executors.shell import LINGER, run_command
from tests.executors.programs import Start, dies_within, is_alive


def test_the_last_line_is_the_value_and_all_lines_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("echo one; echo $WORD; echo oops >&2", {"WORD": "zwei ü"}) == "zwei ü"
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("one\nzwei ü\n", "oops\n")
    assert run_command("true", {}) == ""


def test_another_exit_code_than_0_is_an_error_with_the_last_lines() -> None:
    with pytest.raises(CommandFailed, match=r"exit code 3:\nlast words") as caught:
        run_command("echo last words >&2; exit 3", {})
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.exit_code, str(again)) == (3, str(caught.value))


def test_a_command_gets_no_input_and_a_folder_of_its_own(tmp_path: Path) -> None:
    assert run_command("cat; pwd", {}, str(tmp_path)) == str(tmp_path)


def test_a_program_left_behind_does_not_hold_the_value_up() -> None:
    assert run_command("sleep 5 & echo done", {}) == "done"


def test_the_last_line_is_the_value_also_when_who_listens_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(io.StringIO):
        def write(self, text: str) -> int:
            if text == "1\n":
                time.sleep(3 * LINGER)  # longer than a command is given that is silent
            return super().write(text)

    monkeypatch.setattr(sys, "stdout", Slow())
    assert run_command("seq 1000", {}) == "1000"


@pytest.mark.crash
def test_when_the_engine_dies_all_that_a_command_has_started_dies_with_it(script: Start, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    engine = script(
        f"""
        from nbflow.executors.process import ProcessExecutor
        from nbflow.executors.shell import run_command
        future = ProcessExecutor(1).submit(run_command, "sleep 100 & echo $! $$ > {pids}; wait", {{}})
        import time, os
        while not (os.path.exists({str(pids)!r}) and len(open({str(pids)!r}).read().split()) == 2):
            time.sleep(0.01)
        print("on", flush=True)
        time.sleep(100)
        """
    )
    assert engine.stdout is not None and engine.stdout.readline() == "on\n"
    found = [int(pid) for pid in pids.read_text().split()]
    assert all(map(is_alive, found))
    engine.kill()
    assert all(dies_within(pid, 10) for pid in found)


def test_a_stop_kills_the_command(tmp_path: Path) -> None:
    pids, executor = tmp_path / "pids", ProcessExecutor(1)
    future = executor.submit(run_command, f"echo $$ > {pids}; sleep 100 & echo $! >> {pids}; wait", {})
    while not pids.exists() or len(pids.read_text().split()) < 2:
        assert not future.done()
    assert executor.stop(future)
    assert all(dies_within(int(pid), 10) for pid in pids.read_text().split())
    executor.close()
