"""A run shows itself where somebody looks, stays as a picture where nobody does, and asks where one can only type."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from front_end import front_end as connected
from kernels import OWN_LINE, ROOT, Kernel
from nbclient import NotebookClient

import nbflow as nf
from nbflow import home
from nbflow.engine.host import Host
from nbflow.notebook import show
from nbflow.testing import MemoryStorage
from tests.engine.tools import until

BEGIN = """
import threading
import nbflow as nf
nf.init(storage="memory://")
gate = threading.Event()
work = nf.task(lambda: __import__("__main__").gate.wait(10), name="work")
"""


# ---- with a page ----


@pytest.fixture
def host() -> Iterator[Host]:
    nf.init(storage=MemoryStorage())
    yield home.default_host()
    nf.shutdown()


class Walk:
    """A task that says how far it is and prints, one step at a time."""

    def __init__(self) -> None:
        self.steps = threading.Semaphore(0)
        self.stepped = threading.Semaphore(0)

    def begin(self) -> nf.Run:
        @nf.task(checkpoint=False)
        def walk() -> None:
            for i in nf.track(range(4)):
                print("step", i)
                self.stepped.release()
                assert self.steps.acquire(timeout=10)

        run = nf.run_async(walk.bind())
        assert self.stepped.acquire(timeout=10)
        return run

    def step(self) -> None:
        self.steps.release()


def wait_for(browser: Any, true: Any) -> None:
    for _ in range(100):
        if true():
            return
        browser.came.wait(0.1)
        browser.came.clear()
    raise AssertionError(f"it did not come: {browser.state.get('st')} {browser.state.get('rows')}")


def test_a_task_moves_its_bar_in_a_live_view(host: Host) -> None:
    walk = Walk()
    run = walk.begin()
    with connected() as browser:
        show.live_view(run)
        wait_for(browser, lambda: browser.state["rows"]["0"][3:5] == [0, 4])
        walk.step()
        wait_for(browser, lambda: browser.state["rows"]["0"][3:5] == [1, 4])
        for _ in range(3):
            walk.step()
        run.result(10)
        wait_for(browser, lambda: browser.state["st"] == "s" and browser.state["rows"]["0"][3] is None)


def test_the_details_of_a_node_have_its_log_live_and_afterwards(host: Host) -> None:
    walk = Walk()
    run = walk.begin()
    with connected() as browser:
        view = show.live_view(run)
        browser.say(view, t="detail", i=0)
        wait_for(browser, lambda: browser.told("detail"))
        assert browser.told("detail")[-1]["d"]["log"] == "step 0\n"
        for _ in range(4):
            walk.step()
        run.result(10)
        until(lambda: run.workflow_id not in host.runners, "the end of the run")
        still = show.live_view(run)
        browser.say(still, t="detail", i=0)
        wait_for(browser, lambda: len(browser.told("detail")) == 2)
        assert browser.told("detail")[-1]["d"]["log"] == "step 0\nstep 1\nstep 2\nstep 3\n"


# ---- with a page and a real kernel ----


def test_a_print_of_a_task_lands_in_its_cell_and_in_its_log(kernel: Kernel) -> None:
    kernel.run(BEGIN + "import sys, asyncio, contextvars\n")
    cell = kernel.send(
        "@nf.task\n"
        "def speak():\n"
        "    print('from a thread'); print('oh', file=sys.stderr)\n"
        "@nf.task\n"
        "async def speak_async(_):\n"
        "    await asyncio.sleep(0); print('from a coroutine')\n"
        "run = nf.run_async(speak_async.bind(speak.bind())); run.result()"
    )
    assert kernel.reply(cell)["status"] == "ok"
    kernel.wait_printed(cell, "from a coroutine\n")
    kernel.wait_printed(cell, "oh\n")
    assert "from a thread\n" in kernel.printed(cell)
    assert kernel.run("print([run.logs('speak'), run.logs('speak_async')])") == (
        "['from a thread\\noh\\n', 'from a coroutine\\n']"
    )
    kernel.run("nf.shutdown()")


def test_freeze_puts_a_picture_in_the_place_of_the_live_view(kernel: Kernel) -> None:
    kernel.run(BEGIN)
    cell = kernel.send("run = nf.run_async(work.bind(), workflow_id='frozen')\nrun")
    kernel.reply(cell)
    (live,) = kernel.answers(cell, "display_data")
    assert "application/vnd.jupyter.widget-view+json" in live["data"]
    frozen = kernel.send("gate.set(); run.result(); run.freeze()")
    assert kernel.reply(frozen)["status"] == "ok"
    (still,) = kernel.answers(frozen, "update_display_data")
    assert still["transient"] == live["transient"]
    assert sorted(still["data"]) == ["text/html", "text/plain"]
    assert "Workflow" in still["data"]["text/plain"] or "work" in still["data"]["text/plain"]
    assert kernel.answers(frozen, "display_data") == []
    again = kernel.send("run.freeze()")
    kernel.reply(again)
    assert [sorted(shown["data"]) for shown in kernel.answers(again, "display_data")] == [["text/html", "text/plain"]]
    kernel.run("nf.shutdown()")


ASK = "nf.run(nf.wait_for_event(nf.ButtonListener, 'Publish?'))"


def test_a_console_asks_by_typing(kernel: Kernel) -> None:
    kernel.run(BEGIN)
    cell = kernel.send(f"print('said', {ASK})")
    kernel.wait_printed(cell, "1  approve")
    for said in ("perhaps", "approve"):
        request = kernel.client.get_stdin_msg(timeout=20)
        assert request["content"]["prompt"] == "Your answer: "
        kernel.client.input(said)
    assert kernel.reply(cell)["status"] == "ok"
    assert kernel.printed(cell).endswith("Saved: Approve.\nsaid approve\n")
    kernel.run("nf.shutdown()")


def test_a_page_that_names_its_cell_is_never_asked_by_typing(kernel: Kernel) -> None:
    kernel.run(BEGIN + "from nbflow.notebook import console, show\n")
    content = {"code": "print(console.in_console())", "silent": False, "store_history": True, "allow_stdin": True}
    message = kernel.client.session.msg("execute_request", content, metadata={"cellId": "c1"})
    kernel.client.shell_channel.send(message)
    cell = str(message["header"]["msg_id"])
    assert kernel.reply(cell)["status"] == "ok"
    assert kernel.printed(cell) == "False\n"
    assert (
        kernel.run("print(console.in_console(), console.in_console({'JPY_SESSION_NAME': 'n.ipynb'}))") == "True False"
    )
    kernel.run("nf.shutdown()")


# ---- without a page ----


def executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *cells: str) -> list[list[Any]]:
    """Run a notebook as nbconvert and papermill do; return the outputs of its cells."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in (BEGIN, *cells)])
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    return [cell.outputs for cell in notebook.cells[1:]]


@pytest.mark.slow
def test_a_picture_that_nobody_saw_move_shows_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown, waited, later = executed(
        tmp_path,
        monkeypatch,
        "run = nf.run_async(work.bind())\nrun",
        "gate.set(); print(run.result())",
        "other = nf.run_async(work.bind()); other.result(); other",
    )
    (picture,) = shown
    assert sorted(picture.data) == ["text/html", "text/plain"]
    assert "work: done" in picture.data["text/plain"] and "✓ Done" in picture.data["text/html"]
    assert [output.get("text") for output in waited] == ["True\n"]
    assert len(later) == 1 and "✓ Done" in later[0].data["text/html"]


@pytest.mark.slow
def test_each_picture_follows_its_own_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, _, _ = executed(
        tmp_path,
        monkeypatch,
        "one = nf.run_async(work.bind())\none",
        "two = nf.run_async(nf.wait_for_event('go'))\ntwo",
        "gate.set(); await one",
        "print('the second still waits')",
    )
    assert "✓ Done" in first[0].data["text/html"]
    assert "✓ Done" not in second[0].data["text/html"]


@pytest.mark.slow
def test_under_nbval_nothing_that_was_shown_is_updated(tmp_path: Path) -> None:
    running = Kernel(OWN_LINE, tmp_path, PYTEST_CURRENT_TEST="x")
    try:
        running.run(BEGIN, allow_stdin=False, store_history=False)
        cell = running.send("run = nf.run_async(work.bind())\nrun", allow_stdin=False, store_history=False)
        running.reply(cell)
        running.run("gate.set(); run.result()", allow_stdin=False, store_history=False)
        (shown,) = running.answers(cell, "display_data")
        assert not shown.get("transient")
        assert not [said for said in running.said if said["msg_type"] == "update_display_data"]
    finally:
        running.stop()
