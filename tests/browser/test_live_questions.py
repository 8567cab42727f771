"""Questions in a real browser: forms, decisions, time limits, drafts, and what is shown beside them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
import scenes
from harness import Harness
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

Json = dict[str, Any]
Open = Callable[..., Harness]


def test_an_answer_is_the_whole_form_and_saved_only_when_the_kernel_says_so(page: Open) -> None:
    view = page(scenes.waiting())
    view.find("textarea").first.fill("good numbers")
    view.find("[data-option=approve]").dblclick()
    (answer,) = view.sent("answer")
    assert answer["option"] == "approve"
    assert answer["values"] == {
        "stage": "canary",
        "traffic": 10,
        "checks": ["latency"],
        "owner": "bo",
        "reason": "good numbers",
        "notify": True,
    }
    expect(view.find(".acts .note")).to_have_text("Saving…")
    expect(view.find("[data-option=approve]")).to_be_disabled()
    view.message(t="receipt", id="1", view=answer["view"], status="delivered", reason="", errors={})
    expect(view.find(".acts .note")).to_have_text("Saved")
    view.push(asks=[scenes.decided(at=time.time(), values={"stage": "canary"}, comment="fine")])
    line = view.find(".decided")
    assert re.search(r"Release churn model v12\?.*Approved by ana · \d\d:\d\d", line.inner_text(), re.DOTALL)
    assert view.find("form").count() == 0


def test_what_is_missing_is_said_at_the_field_and_nothing_is_sent(page: Open) -> None:
    view = page(scenes.waiting())
    view.find("[data-option=approve]").click()
    assert view.sent("answer") == []
    field = view.find(".fld").filter(has_text="Reason")
    expect(field.locator(".err")).to_have_text("Needed")
    expect(field.locator("textarea")).to_be_focused()
    assert field.locator("textarea").get_attribute("aria-invalid") == "true"


def test_nobody_has_to_fill_in_a_form_to_say_no(page: Open) -> None:
    view = page(scenes.waiting())
    view.find("[data-option=reject]").click()
    assert view.sent("answer")[0]["option"] == "reject"


def test_a_refusal_of_the_kernel_stands_at_its_field(page: Open) -> None:
    view = page(scenes.waiting())
    view.find("textarea").first.fill("no")
    view.find("[data-option=approve]").click()
    view.message(
        t="receipt",
        id="1",
        view=view.sent("answer")[0]["view"],
        status="rejected",
        reason="",
        errors={"reason": "At least 5 characters"},
    )
    expect(view.find(".fld").filter(has_text="Reason").locator(".err")).to_have_text("At least 5 characters")
    expect(view.find("[data-option=approve]")).to_be_enabled()
    assert view.find("textarea").first.input_value() == "no"


def test_a_required_comment_is_required_and_another_one_is_offered(page: Open) -> None:
    view = page(scenes.waiting(schema=None, require_comment=True))
    view.find("[data-option=reject]").click()
    assert view.sent("answer") == []
    view.find("textarea").fill("too risky")
    view.find("[data-option=reject]").click()
    assert view.sent("answer")[0]["comment"] == "too risky"
    other = page(scenes.waiting(schema=None))
    expect(other.find("textarea")).to_be_hidden()
    other.find("text=Add a comment").click()
    expect(other.find("textarea")).to_be_focused()


def test_time_counts_down_to_what_it_is_named_and_the_buttons_end_with_it(page: Open) -> None:
    view = page(scenes.waiting(due=time.time() + 2.2, fallback="Reject"))
    expect(view.find(".due")).to_have_text(re.compile(r"Reject in 0:0[123]"))
    expect(view.find(".due")).to_have_text("Time is up: Reject", timeout=8000)
    expect(view.find("[data-option=approve]")).to_be_disabled()
    view.push(asks=[scenes.decided(answer="reject", by="", source="timeout", positive=False, at=time.time())])
    expect(view.find(".decided")).to_contain_text("Time ran out: rejected")


def test_a_draft_survives_changes_of_the_run_and_a_reload_of_the_page(page: Open) -> None:
    view = page(scenes.waiting())
    view.find("textarea").first.fill("half a sen")
    view.find("text=production").click()
    view.push(asks=[scenes.ask(), scenes.ask("2", subject="Another?")], st="sscssssss" + "wsrp")
    assert view.find("textarea").first.input_value() == "half a sen"
    view.page.reload()
    view.page.wait_for_function("window.ready")
    view.open()
    assert view.find("textarea").first.input_value() == "half a sen"
    assert view.find("input[type=radio]").nth(2).is_checked()


def test_many_questions_stand_together_and_later_ones_fold(page: Open) -> None:
    asks = [scenes.ask(str(i), subject=f"Question {i}", schema=None) for i in range(4)]
    view = page(scenes.scene("sscssssss" + "wprp", "waiting", asks=asks))
    assert view.find("form.ask").count() == 4
    assert view.find("form.ask .in:visible").count() == 2
    view.find("form.ask").nth(3).locator("text=Answer").click()
    view.find("form.ask").nth(3).locator("[data-option=approve]").click()
    assert view.sent("answer")[0]["id"] == "3"
    view.push(asks=[*asks[:3], *(scenes.decided(str(i), subject=f"Old {i}") for i in range(3, 9))])
    assert view.find("form.ask").count() == 3
    expect(view.find(".older summary")).to_have_text("3 earlier decisions")
    assert view.find(".decided:visible").count() == 3


def test_a_decision_that_came_too_late_says_so(page: Open) -> None:
    view = page(scenes.waiting(schema=None))
    view.find("[data-option=approve]").click()
    sender = view.sent("answer")[0]["view"]
    view.push(asks=[scenes.decided(answer="reject", by="bo", positive=False, at=time.time())])
    view.message(
        t="receipt",
        id="1",
        view=sender,
        status="closed",
        reason="Your answer came too late: it was decided already by bo.",
    )
    expect(view.find(".decided")).to_contain_text("Rejected by bo")
    expect(view.find(".decided .late")).to_contain_text("too late")


def test_a_dead_kernel_does_not_keep_a_person_waiting(page: Open) -> None:
    view = page(scenes.waiting(schema=None))
    view.page.evaluate("model.deaf = true")
    view.find("[data-option=approve]").click()
    expect(view.find(".acts .note")).to_contain_text("No kernel is connected")
    expect(view.find("[data-option=approve]")).to_be_enabled()


def test_a_silent_kernel_is_told_of(page: Open) -> None:
    view = page(scenes.waiting(schema=None))
    view.find("[data-option=approve]").click()
    expect(view.find(".acts .note")).to_contain_text("No word from the kernel", timeout=9000)
    expect(view.find("[data-option=approve]")).to_be_enabled()


def test_enter_presses_the_default_option_and_nothing_when_there_is_none(page: Open) -> None:
    schema = {"type": "object", "required": [], "properties": {"name": {"type": "string"}}}
    for default, answers in (("approve", 1), (None, 0)):
        view = page(scenes.waiting(schema=schema, default=default))
        view.find("form input[type=text]").press("Enter")
        assert len(view.sent("answer")) == answers


def test_every_control_says_what_was_chosen(page: Open) -> None:
    properties = {
        "flag": {"type": "boolean", "nullable": True},
        "pick": {"enum": [1, 2, 3, 4, 5], "default": 3},
        "date": {"type": "string", "format": "date"},
        "count": {"type": "integer"},
        "words": {"type": "array", "items": {"type": "string"}},
        "map": {"type": "object"},
        "share": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5},
    }
    view = page(scenes.waiting(schema={"type": "object", "properties": properties, "required": []}))

    def field(name: str) -> Any:
        named = view.find(".fld").filter(has=view.page.get_by_text(name, exact=True))
        return named.first.locator("input,select,textarea").first

    field("flag").select_option(label="No")
    field("pick").select_option(label="5")
    field("date").fill("2026-11-30")
    field("count").fill("12")
    field("words").fill("a, b")
    field("map").fill('{"a": 1}')
    view.find("[data-option=approve]").click()
    assert view.sent("answer")[0]["values"] == {
        "flag": False, "pick": 5, "date": "2026-11-30", "count": 12, "words": ["a", "b"], "map": '{"a": 1}',
        "share": 0.5,
    }  # fmt: skip


@pytest.mark.parametrize("dark", [False, True])
def test_a_table_is_shown_in_a_frame_in_the_colours_of_the_page(page: Open, dark: bool) -> None:
    view = page(scenes.waiting(show={"text/html": scenes.TABLE, "text/plain": "x"}), dark=dark)
    frame = view.find("iframe")
    assert frame.get_attribute("sandbox") == "allow-same-origin"
    inside = frame.content_frame
    expect(inside.locator("td").first).to_have_text("0.871")
    ground = inside.locator("html").evaluate("node => getComputedStyle(node).backgroundColor")
    assert ground == ("rgb(21, 25, 31)" if dark else "rgb(255, 255, 255)")
    high = inside.locator("body").evaluate("node => node.scrollHeight")
    view.page.wait_for_function("high => Math.abs(document.querySelector('iframe').clientHeight - high) <= 4", arg=high)


def test_pictures_and_text_are_shown(page: Open) -> None:
    view = page(scenes.waiting(show={"image/png": scenes.picture(), "text/plain": "<Figure>"}))
    assert view.find(".shown img").evaluate("async (node) => { await node.decode(); return node.naturalWidth }") == 360
    other = page(scenes.waiting(show={"text/plain": "AUC 0.87"}))
    expect(other.find(".shown pre")).to_have_text("AUC 0.87")
    drawn = page(
        scenes.waiting(show={"text/html": "<script>draw()</script><div></div>", "image/png": scenes.picture()})
    )
    assert drawn.find(".shown img").count() == 1


HOSTILE = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script><svg onload='window.hacked=1'>"


def test_no_script_of_hostile_text_runs(page: Open) -> None:
    schema = {
        "type": "object",
        "required": [HOSTILE],
        "properties": {HOSTILE: {"title": HOSTILE, "description": HOSTILE, "enum": [HOSTILE, "b"], "default": HOSTILE}},
    }
    traps = '<a id="a" href="javascript:parent.hacked=1">x</a><form action="/x"><button>y</button></form>'
    traps += '<meta http-equiv="refresh" content="0;url=http://evil.test/">'
    scene = scenes.waiting(
        subject=HOSTILE,
        body=f"{HOSTILE} [x](javascript:window.hacked=1) **{HOSTILE}**\n- {HOSTILE}",
        schema=schema,
        assigned=[HOSTILE],
        fallback=HOSTILE,
        due=time.time() + 99,
        show={"text/html": traps + HOSTILE},
    )
    scene["run"] |= {"name": HOSTILE, "id": HOSTILE}
    scene["topo"]["nodes"][0] |= {"label": HOSTILE, "short": HOSTILE}
    scene["rows"]["0"][5] = HOSTILE
    scene["asks"].append(
        scenes.decided("2", subject=HOSTILE, by=HOSTILE, answer=HOSTILE, comment=HOSTILE, values={HOSTILE: HOSTILE})
    )
    view = page(scene)
    view.find(".nd").first.click()
    detail = {
        "error": {"type": HOSTILE, "message": HOSTILE, "traceback": HOSTILE},
        "value": HOSTILE,
        "log": HOSTILE,
        "story": [HOSTILE, {"at": 1, "text": HOSTILE}],
        "facts": {HOSTILE: HOSTILE},
        "failures": [{"label": HOSTILE, "message": HOSTILE}],
        "attempts": [{"error": HOSTILE}, {"error": HOSTILE}],
    }
    view.message(t="detail", i=0, d=detail)
    view.message(t="note", text=HOSTILE)
    view.find("iframe").content_frame.locator("#a").click()
    view.find("iframe").content_frame.locator("button").click()
    view.page.wait_for_timeout(300)
    assert view.page.evaluate("window.hacked") is None
    assert view.find("script").count() == 0
    assert view.find("img").count() == 0


def test_markdown_is_a_small_safe_subset(page: Open) -> None:
    body = "# Head\nplain *it* and **bold `code`** [docs](https://example.org/a)\nsecond line\n\n"
    body += "- one\n- two\n\n1. x\n\n```\n<b>\n```\nsnake_case_name"
    view = page(scenes.waiting(body=body))
    shown = view.find(".md").inner_html()
    assert shown == (
        "<p><strong>Head</strong></p><p>plain <em>it</em> and <strong>bold <code>code</code></strong> "
        '<a href="https://example.org/a" target="_blank" rel="noopener noreferrer">docs</a><br>second line</p>'
        "<ul><li>one</li><li>two</li></ul><ol><li>x</li></ol><pre>&lt;b&gt;</pre><p>snake_case_name</p>"
    )
