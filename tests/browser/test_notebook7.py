"""nbflow in a real Notebook 7: the same story as in JupyterLab, and the same saved file."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from jupyter_pages import Notebook, write_notebook
from jupyter_servers import Server
from jupyter_stories import RELEASE, VIEWS, play_release, play_reopening
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

Open = Callable[..., Notebook]
FRONT_END = "notebook"


def test_a_blocking_run_asks_outlives_kill_9_and_asks_again(open_notebook: Open, server: Server) -> None:
    play_release(open_notebook(write_notebook(server.work / "release", "release", RELEASE)))


def test_a_saved_notebook_shows_the_last_state_without_its_kernel(open_notebook: Open, server: Server) -> None:
    book = open_notebook(write_notebook(server.work / "saved", "saved", VIEWS))
    book = play_reopening(book, open_notebook)
    expect(book.output(1).get_by_text("model not found")).to_be_hidden()
