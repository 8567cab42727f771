"""What the tests of the front end share: one browser, and pages that must end without an error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "notebook"))
from harness import FLAGS, Harness
from jupyter_pages import Notebook, notebooks
from jupyter_servers import Server, running


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    """Give a browser that is started once for a file of tests."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Callable[..., Harness]]:
    """Open views; at the end nothing may have gone wrong in any, and nothing may have been asked of a network."""
    opened: list[Harness] = []

    def make(state: dict[str, Any], **options: Any) -> Harness:
        opened.append(Harness(browser, state, **options))
        return opened[-1]

    yield make
    for harness in opened:
        errors = harness.errors()
        harness.close()
        assert errors == []


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a real Jupyter server of the kind that the module names as its ``FRONT_END``."""
    front_end = request.module.FRONT_END
    with running(front_end, tmp_path_factory.mktemp(front_end)) as started:
        yield started


@pytest.fixture
def open_notebook(
    browser: Browser, server: Server, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[..., Notebook]]:
    """Open notebooks in the server's own pages; what a failed test has seen is kept as a picture."""
    with notebooks(browser, server, lambda: request.session.testsfailed, tmp_path) as give:
        yield give
