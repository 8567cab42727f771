"""What a test does that needs a browser or a server where there is none: a person is told how, CI is told off."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MARKED_TESTS = """
import pytest

@pytest.mark.{mark}
@pytest.mark.parametrize("number", range(3))
def test_with_it(number):
    pass
"""


def report(folder: Path, mark: str = "browser", **settings: str) -> list[str]:
    """Run three tests of a mark, on a machine that has nothing in its PATH; return the lines that pytest prints."""
    (folder / "test_marked.py").write_text(MARKED_TESTS.format(mark=mark))
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
    kept = {name: text for name, text in os.environ.items() if name not in ("CI", "PATH", "NBFLOW_CHROMIUM")}
    answer = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**kept, "PATH": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **settings},
        capture_output=True,
        text=True,
    )
    return answer.stdout.splitlines()


def test_without_a_browser_its_tests_are_skipped_with_one_line_that_says_how_to_have_one(tmp_path: Path) -> None:
    lines = report(tmp_path)
    assert "3 skipped" in lines[-1]
    assert len([line for line in lines if "apt-get install chromium" in line]) == 1


def test_without_a_browser_ci_does_not_pass(tmp_path: Path) -> None:
    assert "3 errors" in report(tmp_path, CI="true")[-1]


def test_without_a_redis_server_its_tests_are_skipped_and_ci_does_not_pass(tmp_path: Path) -> None:
    lines = report(tmp_path, "redis")
    assert "3 skipped" in lines[-1] and len([line for line in lines if "apt-get install redis-server" in line]) == 1
    assert "3 errors" in report(tmp_path, "redis", CI="true")[-1]


def test_with_a_browser_its_tests_run(tmp_path: Path) -> None:
    assert "3 passed" in report(tmp_path, CI="true", NBFLOW_CHROMIUM=sys.executable)[-1]
