"""What all tests share: a known environment, the browser and the servers that there are, and how long to search."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests import figures

SETTINGS = ("STORAGE", "EXECUTOR", "LOOP", "DURABILITY", "ANSWERS", "HUMAN_TIMEOUT", "FRONTEND",
            "SIGN", "SIGNING_KEY")  # fmt: skip
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HOW_TO_HAVE_ONE = "no browser found; `sudo apt-get install chromium` (or NBFLOW_CHROMIUM=<path>) lets these tests run"
HOW_TO_HAVE_STRACE = "no strace found; `sudo apt-get install strace` lets these tests run"
HOW_TO_HAVE_REDIS = "no redis-server found; `sudo apt-get install redis-server` lets these tests run"


def pytest_configure(config: pytest.Config) -> None:
    """Leave out a person's own settings of nbflow, which would change what the tests see."""
    for name in SETTINGS:
        os.environ.pop(f"NBFLOW_{name}", None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that lacks a browser, a Redis server or strace, with how to have it; under CI that is a failure."""
    lacks = []
    if item.get_closest_marker("browser") is not None and find_browser() is None:
        lacks.append(HOW_TO_HAVE_ONE)
    if item.get_closest_marker("redis") is not None and shutil.which("redis-server") is None:
        lacks.append(HOW_TO_HAVE_REDIS)
    if item.get_closest_marker("strace") is not None and shutil.which("strace") is None:
        lacks.append(HOW_TO_HAVE_STRACE)
    if not lacks:
        return
    if os.environ.get("CI", "").lower() in ("", "0", "false"):
        pytest.skip(lacks[0])
    pytest.fail(lacks[0], pytrace=False)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run when something was lost, doubled or leaked, even if no test noticed."""
    if session.exitstatus == pytest.ExitCode.OK and figures.broken():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was tried to break nbflow, when anything was."""
    lines = figures.table()
    if not lines:
        return
    terminalreporter.section("what was tried to break it")
    for line in lines:
        terminalreporter.write_line(line)
    for word in figures.broken():
        terminalreporter.write_line(f"The figures fail: {word}.", red=True)
    passed = not (figures.broken() or terminalreporter.stats.keys() & {"failed", "error"})
    if passed and os.environ.get("NBFLOW_FIGURES") == "readme":
        figures.write_readme()


def find_browser() -> Path | None:
    """Return the browser that ``NBFLOW_CHROMIUM`` names, else the first that is installed, else None."""
    for name in (os.environ.get("NBFLOW_CHROMIUM"), *BROWSERS):
        if name and (found := shutil.which(name)):
            return Path(found)
    return None


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Give the path of a Chromium; for tests with the mark ``browser``, which need one."""
    found = find_browser()
    assert found is not None, "a test that asks for chromium has the mark `browser`"
    return found


@pytest.fixture(scope="session")
def soak() -> bool:
    """Tell whether to search for long (``python3 tests --soak``) and not for seconds."""
    return os.environ.get("NBFLOW_SOAK", "") not in ("", "0")
