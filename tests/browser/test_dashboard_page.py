"""The dashboard in a real browser, over runs that this process or another one owns."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from board_page import BoardPage, Wires, wires
from jupyter_pages import write_notebook
from jupyter_servers import running
from owners import owner
from playwright.sync_api import Browser, expect
from test_live_view import CONTRAST

import nbflow as nf
from nbflow.notebook.dashboard import Dashboard, dashboard

pytestmark = pytest.mark.browser

Show = Callable[..., BoardPage]
HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>\'"&'


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Give the folder of the storage that this process uses too."""
    nf.init(storage=tmp_path / "runs", durability="lazy")
    yield tmp_path / "runs"
    nf.shutdown()


@pytest.fixture
def wired(folder: Path) -> Iterator[Wires]:
    with wires() as found:
        yield found


@pytest.fixture
def show(browser: Browser, wired: Wires) -> Iterator[Show]:
    """Show a dashboard of the folder; at the end nothing may have gone wrong in the page."""
    opened: list[tuple[BoardPage, Dashboard]] = []

    def make(storage: Any = None, **options: Any) -> BoardPage:
        board = dashboard(storage)
        opened.append((BoardPage(browser, wired, board, **options), board))
        return opened[-1][0]

    yield make
    for page, board in opened:
        errors = page.errors()
        page.close()
        board.close()
        assert errors == []


@nf.task
def load(n: int) -> int:
    return n


@nf.task
def broken(n: int) -> int:
    raise ValueError(f"cannot take {n}")


@nf.task
def join(*parts: Any) -> str:
    return "-".join(map(str, parts))


def ask(title: str = "Go on?", **more: Any) -> Any:
    return nf.wait_for_event(nf.ButtonListener, title, options=["approve", "reject"], **more)


def start_question(workflow_id: str, title: str = "Go on?", **more: Any) -> nf.Run:
    """Start a run here and return when its question is open."""
    run = nf.run_async(join.bind(load.bind(1), ask(title, **more)), workflow_id=workflow_id)
    while not run.questions:
        time.sleep(0.01)
    return run


def row(page: BoardPage, workflow_id: str) -> Any:
    return page.find(".rrow:not([hidden])").filter(has=page.page.get_by_text(workflow_id, exact=True))


def card(page: BoardPage, subject: str) -> Any:
    return page.find(":scope > .asks .ask").filter(has_text=subject)


# ---- runs of others ----


def test_a_question_of_another_process_is_answered_here(folder: Path, show: Show) -> None:
    with owner(folder, "report-1") as other:
        page = show()
        page.until(lambda: card(page, "Publish the report?").count(), "the question")
        expect(card(page, "Publish the report?")).to_contain_text("report-1")
        assert card(page, "Publish the report?").locator(".shown pre").inner_text() == "20"
        card(page, "Publish the report?").get_by_text("Approve", exact=True).click()
        page.until(
            lambda: card(page, "Publish the report?").filter(has_text="Sent").count(), "the word that it is sent"
        )
        assert other.line() == "ended with 20 rows: approve"
        assert other.process.wait(20) == 0
    page.until(lambda: page.find(".ask.decided").filter(has_text="Approved").count(), "the decision")
    page.until(lambda: row(page, "report-1").filter(has_text="Done").count(), "the end of the run")
    expect(row(page, "report-1")).to_contain_text("3 of 3")
    assert page.find(".ask:not(.decided)").count() == 0


def test_an_opened_run_of_another_process_follows_its_journal(folder: Path, show: Show) -> None:
    with owner(folder, "report-2") as other:
        page = show()
        page.until(lambda: card(page, "Publish the report?").count(), "the question")
        row(page, "report-2").click()
        page.until(lambda: page.find(".opened .nd").count() == 3, "the graph")
        expect(page.find(".owner")).to_contain_text("another kernel")
        expect(card(page, "Publish the report?")).to_be_hidden()  # it stands below, once
        expect(page.find(".opened header .actions")).to_be_hidden()
        page.find(".opened").get_by_text("Reject", exact=True).click()
        page.until(lambda: page.find(".opened header .pill").filter(has_text="Done").count(), "the end below")
        assert other.line() == "ended with 20 rows: reject"


def test_a_run_whose_owner_was_killed_keeps_the_answer_and_goes_on_here(folder: Path, show: Show) -> None:
    with owner(folder, "report-3") as other:
        page = show()
        page.until(lambda: card(page, "Publish the report?").count(), "the question")
        other.kill()
    page.until(lambda: row(page, "report-3").filter(has_text="Stopped").count(), "the death of the owner")
    page.until(lambda: card(page, "Publish the report?").filter(has_text="Nobody runs this run").count(), "the hint")
    card(page, "Publish the report?").get_by_text("Approve", exact=True).click()
    page.until(lambda: card(page, "Publish the report?").filter(has_text="goes on with it").count(), "the receipt")
    row(page, "report-3").get_by_text("Resume here").click()
    page.until(lambda: row(page, "report-3").filter(has_text="Done").count(), "the end of the run")
    assert nf.get_output("report-3") == "20 rows: approve"


# ---- runs of this kernel ----


def test_a_stopped_run_is_canceled_by_two_clicks(show: Show) -> None:
    start_question("stopped-1").detach()
    page = show()
    row(page, "stopped-1").get_by_text("Cancel", exact=True).click()
    page.pump()
    assert nf.get_status("stopped-1") == "RESUMABLE"
    row(page, "stopped-1").get_by_text("Really?").click()
    page.until(lambda: row(page, "stopped-1").filter(has_text="Canceled").count(), "the end of the run")
    page.until(lambda: not page.find(".ask:not(.decided)").count(), "the end of its question")


def test_the_live_view_of_a_run_here_opens_moves_and_closes(show: Show) -> None:
    run = start_question("live-1")
    page = show()
    page.pump()
    before = page.page.evaluate("Object.keys(models).length")
    row(page, "live-1").click()
    page.until(lambda: page.find(".opened .nd").count() == 3, "the graph")
    expect(page.find(".owner")).to_have_text("Runs in this kernel.")
    assert run.answer("Go on?", "approve")
    page.until(lambda: page.find(".opened .nd[data-s=s]").count() == 3, "the end in the graph")
    page.until(lambda: row(page, "live-1").filter(has_text="Done").count(), "the end in the list")
    page.find(".obar").get_by_text("Close").click()
    page.until(lambda: not page.find(".opened .nbf").count(), "the end of the view")
    assert page.page.evaluate("Object.keys(models).length") == before


def test_a_form_with_a_wrong_field_is_refused_at_the_field_and_then_taken(show: Show) -> None:
    def rollout(share: int, owner: str = "ana") -> None: ...

    question = nf.wait_for_event(nf.FormListener, "How much?", fields=rollout)
    run = nf.run_async(join.bind(question), workflow_id="form-1")
    page = show()
    page.until(lambda: card(page, "How much?").count(), "the form")
    card(page, "How much?").locator("button").filter(has_text="Submit").click()
    expect(card(page, "How much?").locator(".err").first).not_to_be_empty()
    card(page, "How much?").locator("input").first.fill("15")
    card(page, "How much?").locator("button").filter(has_text="Submit").click()
    page.until(run.done, "the end of the run")
    page.until(lambda: page.find(".ask.decided").filter(has_text="How much?").count(), "the decision")


def test_a_second_page_sees_what_the_first_one_sent(show: Show) -> None:
    start_question("two-1").detach()
    page = show()
    page.open()
    card(page, "Go on?").get_by_text("Approve", exact=True).click()
    second = page.page.locator(".nbf.board").nth(1)
    page.until(lambda: second.locator(".ask .note").filter(has_text="Sent").count(), "the word in the second page")
    expect(second.locator(".ask .btn.pri")).to_be_disabled()


# ---- the list ----


@pytest.fixture
def thousand(folder: Path) -> Path:
    """Give a storage of a thousand runs, copies of three."""
    nf.run(join.bind(load.bind(1)), workflow_id="done")
    with pytest.raises(nf.errors.WorkflowExecutionError):  # type: ignore[attr-defined]
        nf.run(broken.bind(load.bind(1)), workflow_id="failed")
    start_question("asks").detach()
    for i in range(997):
        name = f"copy-{i:04d}"
        kind = ("done", "done", "done", "failed", "asks")[i % 5]
        shutil.copytree(folder / "runs" / kind, folder / "runs" / name)
        status = json.loads((folder / "runs" / name / "status.json").read_text())
        status["workflow_id"] = status["status"]["workflow_id"] = name
        status["status"]["created"] -= 60 * i
        (folder / "runs" / name / "status.json").write_text(json.dumps(status))
        os.utime(folder / "runs" / name / "status.json", (time.time() - 60 * i - 9,) * 2)
    return folder


def test_a_thousand_runs_are_a_few_rows_and_a_few_bytes(thousand: Path, show: Show, wired: Wires) -> None:
    page = show()
    assert page.find(".rrow").count() < 20
    expect(page.find(".total")).to_have_text("1\u2009000 runs")
    expect(page.find(".asksmore")).to_contain_text("open questions; here are 20, those of the oldest runs")
    page.until(lambda: page.board.presence.anybody, "a word from the page")
    page.board.refresh()
    before, cpu = len(wired.pushed), time.thread_time()
    page.board.refresh()
    assert len(wired.pushed) == before, "nothing changed, nothing is said"
    nf.cancel("asks")
    page.until(lambda: page.find(".chip").filter(has_text="1 canceled").count(), "the change")
    assert sum(wired.pushed[before:]) < 5_000
    page.find(".rgrid").evaluate("grid => { grid.scrollTop = 48 * 990 }")
    page.frame()
    assert page.find(".rrow").count() < 25
    assert time.thread_time() - cpu < 5


def test_chips_and_words_filter_the_list(thousand: Path, show: Show) -> None:
    page = show()
    page.find(".chip").filter(has_text="failed").click()
    expect(page.find(".rgrid")).to_have_attribute("aria-rowcount", "201")
    assert set(page.find(".rrow:visible .pill").all_inner_texts()) == {"Failed"}
    page.find("header input").fill("copy-0003")
    expect(page.find(".rrow:visible")).to_have_count(1)
    page.find("header input").fill("nothing like that")
    expect(page.find(".rempty")).to_contain_text("No run is like that")
    page.find(".rempty").get_by_text("Show all").click()
    expect(page.find(".rgrid")).to_have_attribute("aria-rowcount", "1001")
    page.find(".rhead").get_by_text("Run").click()
    expect(page.find("[role=columnheader]").first).to_have_attribute("aria-sort", "ascending")


def test_the_list_is_walked_and_opened_by_keyboard(show: Show) -> None:
    for i in range(4):
        nf.run(join.bind(load.bind(i)), workflow_id=f"run-{i}")
    page = show()
    page.page.evaluate("addEventListener('keydown', (event) => (window.heard ||= []).push(event.key))")
    page.find(".rrow").first.focus()
    page.page.keyboard.press("End")
    page.page.keyboard.press("ArrowUp")
    chosen = page.page.evaluate("document.activeElement.querySelector('.rid').textContent")
    assert page.find(".rrow .rid").all_inner_texts()[2] == chosen
    page.page.keyboard.press("Enter")
    page.until(lambda: page.find(".opened .nd").count(), "the graph")
    expect(page.find(".opened .rid")).to_have_text(chosen)
    page.page.keyboard.press("Escape")
    page.until(lambda: not page.find(".opened .nbf").count(), "the end of the view")
    assert page.page.evaluate("document.activeElement.querySelector('.rid').textContent") == chosen
    page.page.keyboard.press("x")
    assert page.page.evaluate("window.heard") is None


@pytest.mark.parametrize(("dark", "width"), [(False, 1000), (True, 1000), (False, 500)])
def test_everything_has_a_name_and_can_be_read(show: Show, dark: bool, width: int) -> None:
    nf.run(join.bind(load.bind(1)), workflow_id="done")
    start_question("asks-1")
    start_question("stopped-1", title="Stopped?").detach()
    page = show(dark=dark, width=width, reduced_motion="reduce")
    assert page.find("xpath=.").get_attribute("data-theme") == ("dark" if dark else "light")
    assert page.page.evaluate(CONTRAST) == []
    nameless = page.page.evaluate("""() => {
      const written = (node) => node.textContent.trim() || node.title || node.labels?.length;
      const all = [...document.querySelectorAll(".nbf :is(button, input, select, [role=grid])")];
      const seen = all.filter((node) => node.getClientRects().length);
      return seen.filter((node) => !node.getAttribute("aria-label") && !written(node)).map((node) => node.outerHTML);
    }""")
    assert nameless == []
    assert page.page.evaluate(
        "document.querySelector('.nbf').scrollWidth <= document.querySelector('.nbf').clientWidth"
    )


def test_a_storage_without_runs_says_how_to_begin(folder: Path, show: Show) -> None:
    page = show()
    expect(page.find(".rempty")).to_contain_text("No runs yet")
    nf.run(join.bind(load.bind(1)), workflow_id="first")
    page.until(lambda: row(page, "first").filter(has_text="Done").count(), "the first run")
    expect(page.find(".rempty")).to_be_hidden()


def test_hostile_text_stays_text(show: Show) -> None:
    run = nf.run_async(join.options(name=HOSTILE).bind(ask(HOSTILE, message=HOSTILE)), workflow_id=HOSTILE)
    while not run.questions:
        time.sleep(0.01)
    page = show()
    page.until(lambda: page.find(".ask").count(), "the question")
    page.find(".rrow").first.click()
    page.until(lambda: page.find(".opened .nd").count(), "the graph")
    assert page.page.evaluate("window.hacked") is None
    assert page.find("script").count() == 0


def test_the_thread_sleeps_when_the_page_is_gone(show: Show) -> None:
    page = show()
    page.until(lambda: page.board.presence.anybody, "a word from the page")
    page.page.evaluate("views[0]()")
    page.until(lambda: not page.board.presence.anybody, "the goodbye")
    assert page.board._worker.left() is None
    assert [thread.name for thread in threading.enumerate()].count("nbflow-dashboard") == 1


# ---- in Voila ----


@pytest.mark.slow
def test_a_page_of_voila_is_a_dashboard_of_its_own(browser: Browser, folder: Path, tmp_path: Path) -> None:
    """A notebook of one line; its kernel owns nothing, and the answer reaches the run in another process."""
    with running("voila", tmp_path / "voila") as server, owner(folder, "report-9") as other:
        write_notebook(server.work, "board", [f"nf.dashboard({str(folder)!r})"])
        context = browser.new_context(viewport={"width": 1100, "height": 900})
        page = context.new_page()
        page.goto(f"{server.url}/voila/render/board.ipynb")
        question = page.locator(".nbf.board .ask").filter(has_text="Publish the report?")
        expect(question).to_be_visible(timeout=60_000)
        page.locator(".rrow").filter(has_text="report-9").click()
        expect(page.locator(".opened .nd")).to_have_count(3, timeout=20_000)
        page.locator(".opened").get_by_text("Approve", exact=True).click()
        assert other.line() == "ended with 20 rows: approve"
        expect(page.locator(".rrow .pill")).to_have_text("Done", timeout=20_000)
        expect(page.locator(".opened header .pill").first).to_have_text("Done", timeout=20_000)
        context.close()
