"""The first tutorial: it shows what its saved outputs say, and both of its ways in work."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
TUTORIAL = "01-quickstart.ipynb"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Give a copy of the tutorials' folder, so that nothing is left in the one that people use."""
    ignored = shutil.ignore_patterns(".*", "scratch", "report", "__pycache__")
    return Path(shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks", ignore=ignored))


def cells() -> list[dict[str, Any]]:
    """Return the code cells of the tutorial as they are saved."""
    notebook = json.loads((ROOT / "notebooks" / TUTORIAL).read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def run(*command: str | Path, cwd: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command of this Python as in a terminal with nobody at it."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_every_code_cell_was_executed_once_in_order_before_it_was_saved() -> None:
    assert [cell["execution_count"] for cell in cells()] == list(range(1, len(cells()) + 1))


def test_the_saved_outputs_hold_no_error_no_address_and_no_folder_of_ours() -> None:
    saved = json.dumps([cell["outputs"] for cell in cells()])
    assert '"output_type": "error"' not in saved
    assert " at 0x" not in saved
    assert str(Path.home()) not in saved
    assert "/tmp/" not in saved


@pytest.mark.slow
def test_it_shows_what_its_saved_outputs_say(copied: Path) -> None:
    """nbval runs every cell in a new kernel and compares."""
    options = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=300", "-q", "-p", "no:cacheprovider"]
    answer = run("-m", "pytest", *options, copied / TUTORIAL, cwd=copied.parent)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert f"{len(cells())} passed" in answer.stdout


@pytest.mark.slow
def test_a_second_call_takes_the_finished_tasks_from_their_checkpoints(copied: Path) -> None:
    first = run(copied / "_execute.py", copied / TUTORIAL, cwd=copied)
    assert first.returncode == 0, first.stdout + first.stderr
    report = copied / "report" / "late-flights.html"
    written = report.stat().st_mtime_ns
    second = run(copied / "_execute.py", copied / TUTORIAL, cwd=copied)
    assert second.returncode == 0, second.stdout + second.stderr
    for answer in (first, second):
        assert "boosted trees" in answer.stdout
        assert str(copied / ".nbflow-unattended") in answer.stdout
    assert report.stat().st_mtime_ns == written, "the task that writes the report ran again"
