"""The live view in a real browser: every state, the keyboard, screen readers, several views at once."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import scenes
from front_end import FrontEnd, front_end
from harness import Harness
from playwright.sync_api import expect

from nbflow.notebook.live import LiveView
from nbflow.views.palette import LOOKS

pytestmark = pytest.mark.browser

Json = dict[str, Any]
Open = Callable[..., Harness]


@pytest.mark.parametrize("dark", [False, True])
def test_every_state_has_its_word_and_its_icon_in_graph_and_table(page: Open, dark: bool) -> None:
    view = page(scenes.every_state(), dark=dark)
    assert view.find("xpath=.").get_attribute("data-theme") == ("dark" if dark else "light")
    view.find("[data-t=table]").click()
    icons = set()
    for look in LOOKS.values():
        row = view.find(".trow").filter(has_text=look.word).first
        icons.add(row.locator("svg").inner_html())
        node = view.page.locator(f'.nd[data-s="{look.code}"]')
        assert f": {look.word}" in str(node.get_attribute("aria-label"))
        assert view.page.locator(f'[id="{str(node.locator("use").get_attribute("href"))[1:]}"]').count() == 1
    assert len(icons) == len(LOOKS)


@pytest.mark.parametrize("dark", [False, True])
def test_words_can_be_read(page: Open, dark: bool) -> None:
    view = page(scenes.every_state() | {"asks": [scenes.ask()]}, dark=dark, reduced_motion="reduce")
    poor = view.page.evaluate(CONTRAST)
    assert poor == []


CONTRAST = """() => {
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (text) => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = text;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  };
  const linear = (v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const colour = rgb(getComputedStyle(node).backgroundColor);
      if (colour[3] > 250) return colour;
    }
    return [255, 255, 255, 255];
  };
  const poor = [];
  for (const node of document.querySelectorAll(".nbf *")) {
    const says = [...node.childNodes].some((kid) => kid.nodeType === 3 && kid.textContent.trim());
    if (!says || !node.getClientRects().length || node.closest("[hidden], title, option")) continue;
    const card = node.closest(".nd")?.querySelector(".card");
    const ink = rgb(card ? getComputedStyle(node).fill : getComputedStyle(node).color);
    const ground = card ? rgb(getComputedStyle(card).fill) : behind(node);
    const [bright, dim] = [light(ink), light(ground)].sort((x, y) => y - x);
    const ratio = (bright + 0.05) / (dim + 0.05);
    if (ratio < 4.5) poor.push(`${node.textContent.trim().slice(0, 20)} ${ratio.toFixed(2)}`);
  }
  return poor;
}"""


def test_a_change_of_state_is_seen_everywhere(page: Open) -> None:
    view = page(scenes.running())
    view.push(
        st="sscyfqppppppp", rows={"4": [scenes.T0, scenes.T0 + 4, 1, 60, 64, "ValueError: no", {"s": 60, "f": 4}]}
    )
    assert view.find(".nd").nth(4).get_attribute("data-s") == "f"
    expect(view.find(".nd .sb").nth(4)).to_have_text("60 of 64 · 4 failed")
    expect(view.find(".trow").filter(has_text="build_features")).to_contain_text("Failed")
    expect(view.find(".chips")).to_contain_text("4 failed")
    expect(view.find("[aria-live=polite]").last).to_contain_text("build_features: Failed")


def test_stacks_count_for_all_their_members(page: Open) -> None:
    view = page(scenes.running())
    expect(view.find(".total")).to_have_text("43 of 76 tasks")
    assert view.find(".prog").get_attribute("aria-valuenow") == "57"
    assert view.find(".nd .seg rect").count() == 6


def test_durations_tick_in_the_browser_and_stop_with_the_run(page: Open) -> None:
    scene = scenes.running()
    scene["run"]["t0"] = time.time() - 5
    view = page(scene)
    before = view.find(".elapsed").inner_text()
    view.page.wait_for_function("old => document.querySelector('.elapsed').textContent !== old", arg=before)
    view.push(run={**scene["run"], "state": "done", "t1": scene["run"]["t0"] + 7})
    expect(view.find(".elapsed")).to_have_text("7.0 s")
    expect(view.find(".pill").first).to_have_text("Done")


def test_a_chip_filters_graph_and_table(page: Open) -> None:
    view = page(scenes.failed())
    view.find(".chip", 0).filter(has_text="failed").click()
    expect(view.find(".trow:visible")).to_have_count(1)
    assert view.find(".nd.dim").count() == 12
    view.find(".chip").filter(has_text="failed").click()
    assert view.find(".nd.dim").count() == 0


def test_the_whole_view_can_be_walked_by_keyboard(page: Open) -> None:
    view = page(
        scenes.scene("ssrpppppppppp", "running") | {"topo": scenes.topology(direction="TB")}, reduced_motion="reduce"
    )
    focused = "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"
    view.find("[data-t=both]").focus()
    view.page.keyboard.press("ArrowRight")
    assert view.find("[data-t=graph]").get_attribute("aria-selected") == "true"
    view.page.keyboard.press("Tab")
    assert str(view.page.evaluate(focused)).startswith("load_orders: Done")
    view.page.keyboard.press("ArrowRight")
    assert str(view.page.evaluate(focused)).startswith("load_customers")
    view.page.keyboard.press("ArrowDown")
    view.page.keyboard.press("ArrowDown")
    assert re.match("split|build_features", str(view.page.evaluate(focused)))
    name = str(view.page.evaluate(focused)).split(":")[0]
    view.page.keyboard.press("Enter")
    assert view.page.evaluate(focused) == name
    view.page.keyboard.press("Escape")
    expect(view.find(".drawer")).to_be_hidden()
    assert str(view.page.evaluate(focused)).startswith(name)
    view.find("[data-t=table]").focus()
    view.page.keyboard.press("Enter")
    view.find(".trow").first.focus()
    view.page.keyboard.press("End")
    assert "notify" in str(view.page.evaluate(focused))
    view.page.keyboard.press("Enter")
    expect(view.find(".drawer h3")).to_have_text("notify")
    view.page.keyboard.press("Escape")
    assert "notify" in str(view.page.evaluate(focused))


def test_names_and_roles_are_there_for_a_screen_reader(page: Open) -> None:
    view = page(scenes.waiting())
    nameless = view.page.evaluate("""() => {
      const kinds = "button, input, select, textarea, iframe, [role=button], [role=grid], [role=progressbar]";
      const written = (node) => node.textContent.trim() || node.title || node.labels?.length;
      const named = (node) => node.getAttribute("aria-label") || written(node);
      const all = [...document.querySelectorAll(`.nbf :is(${kinds})`)];
      return all.filter((node) => node.getClientRects().length && !named(node)).map((node) => node.outerHTML);
    }""")
    assert nameless == []
    assert view.find("form").get_attribute("aria-labelledby")
    assert view.find("[role=tab][aria-selected=true]").count() == 1
    assert view.find("[role=grid]").get_attribute("aria-rowcount") == "14"
    twice = view.page.evaluate("""() => {
      const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
      return ids.filter((id, i) => ids.indexOf(id) !== i);
    }""")
    assert twice == []


def test_nothing_moves_for_those_who_do_not_want_it(page: Open) -> None:
    view = page(scenes.waiting(), reduced_motion="reduce")
    moving = """() => [...document.querySelectorAll(".nbf *")].filter((node) => {
      const style = getComputedStyle(node);
      return style.animationName !== "none" || style.transitionDuration.split(",").some((time) => parseFloat(time));
    }).length"""
    assert view.page.evaluate(moving) == 0
    lively = page(scenes.waiting())
    assert lively.page.evaluate(moving) > 0


def test_a_run_is_canceled_by_two_clicks_not_by_one(page: Open) -> None:
    view = page(scenes.running())
    button = view.find("header .btn").filter(has_text="cancel run")
    view.find("header").get_by_text("Cancel run").click()
    assert view.sent("cancel") == [] and button.count() == 0
    view.find("header").get_by_text("Really cancel?").click()
    assert len(view.sent("cancel")) == 1


def test_a_view_that_is_closed_does_nothing_more(page: Open) -> None:
    view = page(scenes.running())
    view.open()
    view.page.evaluate("views[1]()")
    assert len(view.sent("bye")) == 1
    view.push(st="s" * 13)
    assert view.find(".nd[data-s=s]", 0).count() == 13
    assert view.find(".nd[data-s=s]", 1).count() == 2


def test_a_view_out_of_sight_draws_when_it_comes_into_sight(page: Open) -> None:
    view = page(scenes.running())
    view.page.evaluate("document.querySelector('#host').style.marginTop = '4000px'")
    view.page.wait_for_timeout(100)
    view.push(st="s" * 13)
    assert view.find(".nd[data-s=s]").count() == 2
    view.page.evaluate("scrollTo(0, 4000)")
    expect(view.find(".nd[data-s=s]")).to_have_count(13)


def test_kernel_and_browser_together(page: Open) -> None:
    """The real kernel side and the real front end: an answer in one view, the decision in both."""
    with front_end() as wire:
        answers = []
        kernel = LiveView(
            scenes.waiting(), on_answer=lambda *a: answers.append(a) or SimpleNamespace(status="delivered")
        )
        view = page({name: wire.state[name] for name in ("topo", "st", "rows", "run", "asks")})
        view.open()

        def exchange() -> None:
            for message in view.page.evaluate("model.sent.splice(0)"):
                FrontEnd.say(kernel, **message)
            while wire.customs:
                view.message(**wire.customs.pop(0))

        exchange()
        assert kernel.presence.anybody
        view.find("textarea", 1).first.fill("good numbers")
        view.find("[data-option=approve]", 1).click()
        exchange()
        assert answers[0][1] == "approve" and answers[0][2]["reason"] == "good numbers"
        expect(view.find(".acts .note", 1)).to_have_text("Saved")
        expect(view.find(".acts .note", 0)).to_have_text("")
        kernel.apply({"asks": [scenes.decided(at=time.time())]})
        kernel.flush()
        view.push(asks=wire.state["asks"])
        for which in (0, 1):
            expect(view.find(".decided", which)).to_contain_text("Approved by ana")


def test_plain_keys_stay_in_the_view_and_shortcuts_of_the_page_pass(page: Open) -> None:
    """In Jupyter a plain X cuts the cell, wherever the focus is."""
    view = page(scenes.running())
    view.page.evaluate("addEventListener('keydown', (event) => (window.heard ||= []).push(event.key))")
    for selector in (".nd", ".trow", "header .btn:visible", "[data-t=table]"):
        view.find(selector).first.focus()
        for key in ("x", "d", "Escape", "ArrowDown"):
            view.page.keyboard.press(key)
    assert view.page.evaluate("window.heard") is None
    view.page.keyboard.press("Control+b")
    assert view.page.evaluate("window.heard").pop() == "b"
