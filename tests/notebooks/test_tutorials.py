"""Every tutorial shows what its saved outputs say, and says nothing of who saved it or where."""

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
TUTORIALS = sorted(path.name for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
QUICKSTART, FROM_RAY = TUTORIALS[0], "08-moving-from-ray-workflows.ipynb"
ROUNDS = {FROM_RAY: 2}
"""Where what the first round left must not matter to a second one; the usual number is one."""


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Give a copy of the tutorials' folder, so that nothing is left in the one that people use."""
    ignored = shutil.ignore_patterns(".*", "scratch*", "report", "__pycache__", "images")
    return Path(shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks", ignore=ignored))


def cells(tutorial: str, kind: str = "code") -> list[dict[str, Any]]:
    """Return the cells of a tutorial as they are saved."""
    notebook = json.loads((ROOT / "notebooks" / tutorial).read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of this Python as in a terminal with nobody at it."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.mark.parametrize("tutorial", TUTORIALS)
def test_every_code_cell_was_executed_once_in_order_before_it_was_saved(tutorial: str) -> None:
    saved = cells(tutorial)
    assert [cell["execution_count"] for cell in saved] == list(range(1, len(saved) + 1))


@pytest.mark.parametrize("tutorial", TUTORIALS)
def test_the_saved_outputs_hold_no_error_no_address_and_no_folder_of_ours(tutorial: str) -> None:
    outputs = json.dumps([cell["outputs"] for cell in cells(tutorial)])
    for unwanted in ('"output_type": "error"', " at 0x", str(Path.home()), str(ROOT), "/tmp/", "/notebooks/"):
        assert unwanted not in outputs


@pytest.mark.slow
@pytest.mark.parametrize("tutorial", TUTORIALS)
def test_it_shows_what_its_saved_outputs_say(tutorial: str, copied: Path) -> None:
    """nbval runs every cell in a new kernel and compares."""
    options = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=300", "-q", "-p", "no:cacheprovider"]
    for _ in range(ROUNDS.get(tutorial, 1)):
        answer = run("-m", "pytest", *options, copied / tutorial, cwd=copied.parent)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        assert f"{len(cells(tutorial))} passed" in answer.stdout


@pytest.mark.slow
def test_a_second_call_takes_the_finished_tasks_from_their_checkpoints(copied: Path) -> None:
    first = run(copied / "_execute.py", copied / QUICKSTART, cwd=copied)
    assert first.returncode == 0, first.stdout + first.stderr
    report = copied / "report" / "late-flights.html"
    written = report.stat().st_mtime_ns
    second = run(copied / "_execute.py", copied / QUICKSTART, cwd=copied)
    assert second.returncode == 0, second.stdout + second.stderr
    for answer in (first, second):
        assert "boosted trees" in answer.stdout
        assert str(copied / ".nbflow-unattended") in answer.stdout
    assert report.stat().st_mtime_ns == written, "the task that writes the report ran again"


def test_who_comes_from_ray_finds_each_page_of_its_documentation_and_what_differs() -> None:
    lines = [line for cell in cells(FROM_RAY, "markdown") for line in "".join(cell["source"]).splitlines()]
    pages = ["Getting started", "Key concepts", "Management", "Metadata", "Events", "Advanced", "Comparisons"]
    assert [line for line in lines if line[:3] == "## "] == [
        f"## {page}" for page in [*pages, "What differs", "Moving a code base"]
    ]
