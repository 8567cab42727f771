"""After a kill -9 of the engine nothing is left: not the bodies, not what they started, not the guard itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nbflow.executors.guard import Guard
from tests.executors.programs import Start, dies_within, is_alive

SECONDS = 60.0


@pytest.mark.crash
def test_a_program_that_a_body_started_dies_with_the_engine(script: Start, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    engine = script(
        """
        import sys
        from pathlib import Path
        from nbflow.executors.guard import guard
        from nbflow.executors.process import ProcessExecutor
        from tests.executors import bodies

        executor = ProcessExecutor(1)
        executor.submit(bodies.pid).result()
        print(guard.pid, flush=True)
        executor.submit(bodies.start_another_and_stay, Path(sys.argv[1])).result()
        """,
        fifo,
    )
    assert engine.stdout is not None
    guard = int(engine.stdout.readline())
    program = int(fifo.read_text())
    assert is_alive(program)
    engine.kill()
    assert dies_within(program, SECONDS)
    assert dies_within(guard, SECONDS)


def test_only_what_is_watched_is_killed() -> None:
    guard = Guard()
    watched, left = (
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, process_group=0) for _ in range(2)
    )
    try:
        for each in (watched, left):
            guard.watch(each.pid)
        guard.forget(left.pid)
        guard.forget(left.pid)
        guard.close()
        guard.close()
        assert watched.wait(SECONDS) == -9
        assert left.poll() is None
    finally:
        for each in (watched, left):
            each.kill()
            each.communicate()


def test_a_guard_that_somebody_killed_harms_nobody() -> None:
    guard = Guard()
    guard.watch(2**22 + 1)
    assert guard.pid is not None
    subprocess.run(["kill", "-9", str(guard.pid)], check=True)
    assert dies_within(guard.pid, SECONDS)
    for group in range(2**22 + 2, 2**22 + 5):
        guard.watch(group)
    for group in range(2**22 + 1, 2**22 + 5):
        guard.forget(group)
    guard.close()
