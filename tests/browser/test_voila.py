"""nbflow behind Voila, which runs all cells before it shows a page: runs in the background, and the dashboard."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from jupyter_pages import Notebook, write_notebook
from jupyter_servers import ROOT, Server
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

Open = Callable[..., Notebook]
FRONT_END = "voila"


BACKGROUND = """
@nf.task
def publish(decision):
    return f"so be it: {decision}"

run = nf.run_async(publish.bind(nf.wait_for_event(nf.ButtonListener, "Publish?")), workflow_id="background")
run
"""


def test_a_background_run_is_answered_by_a_click(open_notebook: Open, server: Server) -> None:
    page = open_notebook(write_notebook(server.work / "background", "background", [BACKGROUND])).page
    view = page.locator(".nbf")
    view.get_by_role("button", name="Approve").click()
    expect(view.locator(".decided")).to_contain_text("Approved")
    expect(view.locator(".pill").first).to_have_text("Done")


BLOCKING = """
os.environ["NBFLOW_HUMAN_TIMEOUT"] = "0.5"
nf.run(nf.wait_for_event(nf.ButtonListener, "Publish?"), workflow_id="blocking")
"""


def test_a_blocking_run_does_not_keep_the_page_away_for_ever(open_notebook: Open, server: Server) -> None:
    page = open_notebook(write_notebook(server.work / "blocking", "blocking", [BLOCKING])).page
    expect(page.get_by_text("WaitingForHuman").last).to_be_visible()


ELSEWHERE = """
import nbflow as nf
nf.init(storage=".nbflow")
run = nf.run_async(nf.wait_for_event(nf.ButtonListener, "Publish?"), workflow_id="elsewhere")
print("asks", flush=True)
print("said", run.result(), flush=True)
"""


def test_the_dashboard_answers_a_run_that_another_process_owns(open_notebook: Open, server: Server) -> None:
    folder = server.work / "dashboard"
    notebook = write_notebook(folder, "dashboard", ["nf.dashboard()"])
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NBFLOW_HUMAN_TIMEOUT": "120"}
    command = [sys.executable, "-c", ELSEWHERE]
    owner = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    try:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "asks\n"
        board = open_notebook(notebook).page.locator(".nbf.board")
        expect(board.get_by_text("elsewhere").first).to_be_visible()
        board.get_by_role("button", name="Approve").click()
        assert owner.stdout.readline() == "said approve\n"
        assert owner.wait(20) == 0
        expect(board.locator("form.ask")).to_have_count(0)
    finally:
        owner.kill()
        owner.wait()
