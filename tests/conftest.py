"""What all tests share: a known environment, the browser where there is one, and how long to search."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

SETTINGS = ("STORAGE", "EXECUTOR", "LOOP", "DURABILITY", "ANSWERS", "HUMAN_TIMEOUT", "FRONTEND")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HOW_TO_HAVE_ONE = "no browser found; `sudo apt-get install chromium` (or NBFLOW_CHROMIUM=<path>) lets these tests run"


def pytest_configure(config: pytest.Config) -> None:
    """Leave out a person's own settings of nbflow, which would change what the tests see."""
    for name in SETTINGS:
        os.environ.pop(f"NBFLOW_{name}", None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a browser test where there is no browser; under CI that is a failure instead."""
    if item.get_closest_marker("browser") is None or find_browser() is not None:
        return
    if os.environ.get("CI", "").lower() in ("", "0", "false"):
        pytest.skip(HOW_TO_HAVE_ONE)
    pytest.fail(HOW_TO_HAVE_ONE, pytrace=False)


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
