"""What the tests of executors share: a pool of processes, and programs of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from nbflow.executors.process import ProcessExecutor
from tests.executors.programs import Start

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def pool() -> Iterator[ProcessExecutor]:
    """Give two processes that all tests share, as an engine's runs would."""
    executor = ProcessExecutor(2)
    yield executor
    executor.close()


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Start]:
    """Start a Python script of its own, in its own process group; what is left of it is killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *args: object) -> subprocess.Popen[str]:
        file = tmp_path / f"script{len(started)}.py"
        file.write_text(textwrap.dedent(code))
        process = subprocess.Popen(
            [sys.executable, str(file), *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            process_group=0,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
