"""The static bundle: survives sanitisers, says all, and is the same each time without a clock."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

import pytest

from nbflow.core import records as r
from nbflow.views.html import to_bundle, to_html
from nbflow.views.snapshot import Snapshot

from .hostile import NASTY, hostile_snapshot
from .runs import ERROR, Play, churn, task, value

ALLOWED = set("p b code ul li img details summary table thead tbody tr th td pre".split())  # noqa: SIM905


class Reader(HTMLParser):
    """Collects tags and attributes, and checks that what is opened is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def snapshot_of(play: Play) -> Snapshot:
    return Snapshot.of(play.state, play.now)


def picture_in(html: str) -> str:
    found = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', html)
    assert found is not None
    return base64.b64decode(found[1]).decode()


def test_there_is_nothing_in_it_that_a_sanitiser_takes_away() -> None:
    play = churn()
    play.done("load_orders")
    play.fail("load_customers")
    page = Reader(to_html(snapshot_of(play)))
    assert page.tags <= ALLOWED
    assert page.attributes <= {"style", "src", "alt", "cellpadding"}


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("clock", [True, False])
def test_hostile_text_stays_text(text: str, clock: bool) -> None:
    html = to_html(hostile_snapshot(text), clock)
    page = Reader(html)
    assert page.tags <= ALLOWED
    assert page.attributes <= {"style", "src", "alt", "cellpadding"}
    assert "<script" not in picture_in(html)
    html.encode()


def test_the_bundle_has_html_and_plain_text_only() -> None:
    bundle = to_bundle(snapshot_of(churn()))
    assert set(bundle) == {"text/plain", "text/html"}
    assert picture_in(bundle["text/html"]).startswith("<svg")


def test_without_a_clock_it_is_the_same_however_long_it_took_and_whatever_the_run_is_called() -> None:
    pages = set()
    for took in (0.3, 88.0):
        play = Play(task("a"), task("b", 0), task("ask", 0))
        play.state.workflow_id = f"run-{took}"
        play.done("a", took=took)
        play.ask("ask")
        play.answer("ask")
        play.fail("b", took=took)
        pages.add(to_bundle(snapshot_of(play), clock=False)["text/html"])
    assert len(pages) == 1


def test_a_failed_run_shows_the_traceback_and_the_failed_rows_before_those_that_are_done() -> None:
    play = Play(task("a"), task("b", 0))
    play.done("a")
    play.fail("b")
    play.state.nodes[1].error = {"type": "ValueError", "message": "no", "traceback": "Traceback\n  cell 3"}
    html = to_html(snapshot_of(play))
    assert "<pre>Traceback\n  cell 3</pre>" in html
    table = html[html.index("<tbody>") :]
    assert table.index("✕ Failed") < table.index("✓ Done")


def test_a_stack_has_one_row_and_the_first_of_its_failures_below() -> None:
    play = Play(*[task(f"f_{i}", code="f", group="g") for i in range(20)], value("all", *range(20)))
    for i in range(9):
        play.take(r.TaskFailed(i, ERROR, play.now, play.now))
    table = to_html(snapshot_of(play))
    assert "f × 20" in table
    assert table.count("↳") == 5


def test_above_300_nodes_there_is_a_table_and_no_picture() -> None:
    play = Play(*[task(f"n{i}", code=f"f{i}") for i in range(301)], value("all", *range(301)))
    html = to_html(snapshot_of(play))
    assert "<img" not in html
    assert "… and 241 more" in html


def test_an_answered_question_says_who_and_when() -> None:
    play = Play(task("ask"))
    play.ask("ask")
    assert "<b>Open</b>: Approve / Reject" in to_html(snapshot_of(play))
    play.answer("ask", by="ana")
    assert "<b>Approve</b> by ana · 2023-11-14 22:13 UTC" in to_html(snapshot_of(play))
