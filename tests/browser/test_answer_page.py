"""The page behind a link, in a real browser the size of a phone: one question for whoever has no notebook."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, expect
from test_live_view import CONTRAST

import nbflow as nf
from nbflow.handle import Run
from tests.engine.tools import finish, script, until

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>\'"&'
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def release(
    share: int, stage: Literal["staging", "canary"] = "canary", reason: str = "", notify: bool = True
) -> None: ...


class Table:
    """A value with a rich form."""

    def __init__(self, html: str) -> None:
        self.html = html

    def _repr_html_(self) -> str:
        return self.html


class Picture:
    """A value that is a picture."""

    def _repr_png_(self) -> bytes:
        return base64.b64decode(DOT)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    """Give the folder of the storage, and an endpoint on it."""
    nf.init(storage=tmp_path / "runs", durability="lazy")
    nf.serve()
    yield tmp_path / "runs"
    nf.shutdown()


@pytest.fixture
def open_link(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open links on a phone; at the end nothing may have gone wrong, and nobody else may have been asked."""
    contexts, wrong = [], []

    def noticed(message: ConsoleMessage) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            wrong.append(message.text)

    def foreign(route: Route) -> None:
        wrong.append(route.request.url)
        route.abort()

    def make(link: str, hostile: bool = False, **options: Any) -> Page:
        context = browser.new_context(**{**PHONE, **options})
        contexts.append(context)
        page = context.new_page()
        if not hostile:  # else the browser says what it has blocked
            page.on("console", noticed)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        own = nf.serve().url
        page.route(lambda url: not url.startswith(own), foreign)  # what the page's policy blocks does not come here
        page.goto(link)
        return page

    yield make
    for context in contexts:
        context.close()
    assert wrong == []


def asking(title: str = "Publish?", workflow_id: str = "churn", **options: Any) -> Run:
    run = nf.run_async(nf.wait_for_event(nf.ButtonListener, title, **options), workflow_id=workflow_id)
    until(lambda: run.questions)
    return run


def test_a_form_is_filled_in_and_the_decision_stands_there(open_link: Callable[..., Page]) -> None:
    table = Table("<table><tr><th>RMSE</th><td>1.97</td></tr></table>")
    form = nf.wait_for_event(
        nf.FormListener, "Release?", release, options=["approve", "reject"], message="It is **12 %** better.",
        show=table, assigned_to=["ana", "bo"],
    )  # fmt: skip
    run = nf.run_async(form, workflow_id="churn")
    until(lambda: run.questions)
    page = open_link(run.link("release"))
    expect(page).to_have_title("Release? · release")
    expect(page.get_by_role("heading", name="Release?")).to_have_attribute("aria-level", "1")
    expect(page.locator(".md strong")).to_have_text("12 %")
    expect(page.frame_locator("iframe").get_by_text("1.97")).to_be_visible()
    expect(page.get_by_text("For ana, bo")).to_be_visible()
    page.get_by_role("button", name="Approve").tap()
    expect(page.locator(".fld").filter(has_text="Share").locator(".err")).to_have_text("Needed")
    assert run.questions
    page.get_by_label("Share").fill("25")
    page.get_by_label("staging").check()
    page.get_by_label("Your name").fill("Ana")
    page.get_by_role("button", name="Approve").tap()
    expect(page.locator(".decided")).to_contain_text(re.compile(r"Approved by Ana · \d\d:\d\d"))
    expect(page.locator(".decided dd").first).to_have_text("25")
    decision = run.result(10)
    assert (decision, decision.by, decision["share"], decision["stage"]) == ("approve", "Ana", 25, "staging")
    page.reload()
    expect(page.locator(".decided")).to_contain_text("Approved by Ana")
    assert page.locator("button[data-option]").count() == 0


def test_saved_is_said_only_when_the_answer_is_in_the_journal(
    open_link: Callable[..., Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = asking()
    page = open_link(run.link("publish"))
    expect(page.get_by_role("button", name="Approve")).to_be_visible()
    journal, gate = run._runner().journal, threading.Event()
    append, calls = journal.append, []

    def slowly(records: Any) -> None:
        calls.append(records)
        assert gate.wait(20)
        append(records)

    monkeypatch.setattr(journal, "append", slowly)
    page.get_by_role("button", name="Approve").tap()
    until(lambda: calls)
    expect(page.locator(".note")).to_have_text("Saving…")
    assert page.locator(".decided").count() == 0
    gate.set()
    expect(page.locator(".decided")).to_contain_text("Approved")


def test_a_decision_of_somebody_else_appears_by_itself(open_link: Callable[..., Page]) -> None:
    run = asking()
    page = open_link(run.link("publish"))
    expect(page.get_by_role("button", name="Reject")).to_be_visible()
    run.answer("publish", "reject", by="bo", comment="not yet")
    expect(page.locator(".decided")).to_contain_text("Rejected by bo")
    expect(page.locator(".decided")).to_contain_text("not yet")


def test_of_two_phones_the_second_is_told_who_was_first(open_link: Callable[..., Page]) -> None:
    run = asking()
    first, second = (open_link(run.link("publish", by=name)) for name in ("ana", "bo"))
    expect(second.get_by_text("You answer as bo")).to_be_visible()
    second.evaluate("window.setInterval = () => 0")
    first.get_by_role("button", name="Approve").tap()
    expect(first.locator(".decided")).to_contain_text("Approved by ana")
    second.get_by_role("button", name="Reject").or_(second.locator(".decided")).first.click()
    expect(second.locator(".decided")).to_contain_text("Approved by ana")


def test_what_the_run_refuses_stands_at_its_field(open_link: Callable[..., Page]) -> None:
    def fields(share: int = 10) -> None: ...

    run = nf.run_async(nf.wait_for_event(nf.FormListener, "Release?", fields), workflow_id="churn")
    until(lambda: run.questions)
    page = open_link(run.link("release"))
    page.route(
        "**/answer", lambda route: route.fulfill(status=422, json={"error": "no", "errors": {"share": "Too much"}})
    )
    page.get_by_role("button", name="Submit").tap()
    expect(page.locator(".fld .err").first).to_have_text("Too much")
    page.unroute("**/answer")
    page.get_by_role("button", name="Submit").tap()
    expect(page.locator(".decided")).to_be_visible()
    assert run.result(10)["share"] == 10


def test_without_a_connection_nothing_is_called_saved(open_link: Callable[..., Page]) -> None:
    run = asking()
    page = open_link(run.link("publish"))
    page.get_by_role("button", name="Approve").wait_for()
    page.context.set_offline(True)
    page.get_by_role("button", name="Approve").tap()
    expect(page.locator(".note")).to_contain_text("No connection")
    page.context.set_offline(False)
    page.get_by_role("button", name="Approve").tap()
    expect(page.locator(".decided")).to_contain_text("Approved")
    assert run.result(10) == "approve"


@pytest.mark.parametrize("form", ["html", "svg", "markdown", "text"])
def test_hostile_text_does_nothing(form: str, open_link: Callable[..., Page]) -> None:
    shown: Any = {
        "html": Table("<img src=x onerror='top.hacked=1'><b>shown</b><a href='javascript:top.hacked=1'>a</a>"
                      "<meta http-equiv=refresh content='0;url=https://evil.example'>"
                      "<link rel=stylesheet href='https://evil.example/x.css'>"
                      "<style>body{background:url(https://evil.example/x)}</style>"
                      "<form action='https://evil.example'><button>b</button></form>"),
        "svg": type("Svg", (), {"_repr_svg_": lambda _: f"<svg xmlns='http://www.w3.org/2000/svg'>{HOSTILE}</svg>"})(),
        "markdown": type("Md", (), {"_repr_markdown_": lambda _: f"[x](javascript:window.hacked=1) {HOSTILE}"})(),
        "text": HOSTILE,
    }[form]  # fmt: skip
    run = asking(
        f"Publish {HOSTILE}?", f"run {HOSTILE}", message=f"[x](javascript:hacked=1) {HOSTILE}", show=shown,
        options=["approve", HOSTILE], assigned_to=HOSTILE,
    )  # fmt: skip
    page = open_link(nf.serve().link(run, run.questions[0], by=HOSTILE), hostile=True)
    expect(page.get_by_role("heading")).to_contain_text("<img src=x")
    expect(page.get_by_text("You answer as <img")).to_be_visible()
    if form == "html":
        frame = page.frame_locator("iframe")
        expect(frame.get_by_text("shown")).to_be_visible()
        frame.locator("a").click()
        frame.locator("button").click()
    page.locator("button[data-option]").nth(1).tap()
    expect(page.locator(".decided")).to_contain_text("<img src=x")
    assert page.evaluate("[window.hacked, document.scripts.length]") == [None, 1]
    assert run.result(10) == HOSTILE


def test_a_picture_is_shown(open_link: Callable[..., Page]) -> None:
    run = asking(show=Picture())
    page = open_link(run.link("publish"))
    page.locator("img.pic").wait_for()
    assert page.evaluate("document.querySelector('img.pic').naturalWidth") == 1


def test_a_run_that_nobody_runs_keeps_the_answer(open_link: Callable[..., Page]) -> None:
    run = asking()
    link = run.link("publish")
    run.detach()
    page = open_link(link)
    expect(page.get_by_text("Nobody runs this workflow now")).to_be_visible()
    page.get_by_role("button", name="Approve").tap()
    expect(page.locator(".note")).to_contain_text("Stored: it counts when somebody goes on")
    assert page.locator(".decided").count() == 0
    assert nf.resume("churn") == "approve"
    expect(page.locator(".decided")).to_contain_text("Approved")


def test_a_question_of_another_process_is_answered(open_link: Callable[..., Page], folder: Path) -> None:
    owner = script("""
        import sys, time
        import nbflow as nf
        nf.init(storage=sys.argv[1])
        run = nf.run_async(nf.wait_for_event(nf.ButtonListener, "Publish?"), workflow_id="theirs")
        while not run.questions:
            time.sleep(0.01)
        print("up", flush=True)
        print(run.result(), flush=True)
        nf.shutdown()
    """, folder)  # fmt: skip
    assert owner.stdout is not None and owner.stdout.readline() == "up\n"
    page = open_link(nf.serve().link("theirs", "publish", by="ana"))
    page.get_by_role("button", name="Approve").tap()
    expect(page.locator(".decided")).to_contain_text("Approved by ana")
    assert "approve" in finish(owner)


@pytest.mark.parametrize("bad", ["changed", "expired", "gone"])
def test_a_link_that_does_not_work_says_why(bad: str, open_link: Callable[..., Page]) -> None:
    run = asking()
    link = nf.serve().link(run, "publish", expires=-1 if bad == "expired" else None)
    if bad == "changed":
        link = link[:-4]
    if bad == "gone":
        run.cancel()
        until(lambda: run.state.status == "CANCELED" and "churn" not in run._host.runners)
        nf.delete("churn")
    said = {"changed": "not valid", "expired": "expired", "gone": "not asked any more"}[bad]
    expect(open_link(link).get_by_role("heading", level=1)).to_contain_text(said)


def test_a_reload_keeps_what_was_filled_in(open_link: Callable[..., Page]) -> None:
    def fields(reason: str) -> None: ...

    run = nf.run_async(nf.wait_for_event(nf.FormListener, "Release?", fields), workflow_id="churn")
    until(lambda: run.questions)
    page = open_link(run.link("release"))
    page.get_by_label("Reason").fill("half a sen")
    page.reload()
    expect(page.get_by_label("Reason")).to_have_value("half a sen")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_readable_in_both_themes_and_every_control_has_a_name(
    scheme: str, open_link: Callable[..., Page]
) -> None:
    question = nf.wait_for_event(
        nf.FormListener, "Release?", release, options=["approve", "reject"], message="Read **this**.", timeout=900,
        show="text", assigned_to="ana",
    )  # fmt: skip
    run = nf.run_async(question, workflow_id="churn")
    until(lambda: run.questions)
    page = open_link(run.link("release"), color_scheme=scheme)
    expect(page.locator(".nbf")).to_have_attribute("data-theme", scheme)
    page.locator(".due:not(:empty)").wait_for()
    page.wait_for_timeout(300)  # the card fades in
    assert page.evaluate(CONTRAST) == []
    names = page.locator("button:visible, input, select, textarea:visible")
    for control in names.all():
        name = control.evaluate("n => n.labels?.[0]?.textContent || n.getAttribute('aria-label') || n.textContent")
        assert name.strip()
    for button in page.locator("button[data-option]").all():
        box = button.bounding_box()
        assert box is not None and box["height"] >= 44
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1], "a phone must not scroll sideways"
