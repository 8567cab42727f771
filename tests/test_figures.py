"""The figures: a run that lost, doubled or leaked something fails, whatever its tests say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import figures

ROOT = Path(__file__).resolve().parent.parent
TEST = """
from tests import figures

def test_it():
    figures.count({name!r}, {n})
"""


def summary(folder: Path, name: str, n: int, **settings: str) -> tuple[int, str]:
    """Run one test that counts; return the exit code and what was printed."""
    (folder / "test_counting.py").write_text(TEST.format(name=name, n=n))
    command = [
        "-m",
        "pytest",
        "-p",
        "tests.conftest",
        "-c",
        "pyproject.toml",
        "-p",
        "no:cacheprovider",
        "-q",
        str(folder),
    ]
    answer = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "NBFLOW_FIGURES": "", **settings},
        capture_output=True,
        text=True,
    )
    return answer.returncode, answer.stdout


def test_what_was_tried_is_printed(tmp_path: Path) -> None:
    code, printed = summary(tmp_path, "crash points", 1234)
    assert code == 0 and "1 234" in printed and "| crash points |" in printed


@pytest.mark.parametrize("name", figures.NEVER)
def test_a_run_that_broke_a_promise_fails(tmp_path: Path, name: str) -> None:
    code, printed = summary(tmp_path, name, 1)
    assert code == 1 and f"The figures fail: 1 {name}." in printed


def test_the_figures_alone_fail_when_something_was_not_tried(tmp_path: Path) -> None:
    code, printed = summary(tmp_path, "events", 1, NBFLOW_FIGURES="print")
    assert code == 1 and "The figures fail: no crash points." in printed


def test_the_readme_has_a_place_for_them() -> None:
    text = (ROOT / "README.md").read_text()
    assert text.index(figures.BEGIN) < text.index(figures.END)


def test_each_suite_is_a_folder_of_tests() -> None:
    assert figures.folders() == [f"tests/{suite}" for suite in figures.SUITES]
