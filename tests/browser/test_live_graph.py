"""The graph, the details and the table in a real browser: places, growth, following, and large runs."""

from __future__ import annotations

import json
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


def place_of(view: Harness, label: str) -> tuple[float, float]:
    box = view.page.locator(f'.nd[aria-label^="{label}:"]').bounding_box()
    assert box is not None
    return box["x"], box["y"]


def grown() -> Json:
    """Return the churn run after publish has grown by three nodes, one of them before all that was there."""
    nodes = [("prepare", "task", 1), *scenes.NODES, ("audit", "task", 1), ("archive", "task", 1)]
    edges = [(0, 1), *((a + 1, b + 1) for a, b in scenes.EDGES), (13, 14), (13, 15)]
    return scenes.topology(nodes, edges, "TB")


def test_growth_keeps_what_a_person_looks_at_where_it_is(page: Open) -> None:
    scene = scenes.running() | {"topo": scenes.topology(direction="TB")}
    view = page(scene, reduced_motion="reduce")
    view.find("[data-t=graph]").click()
    view.find(".nd").nth(7).click()
    before = place_of(view, "train_linear")
    view.push(topo=grown(), st="s" + scene["st"] + "pp", rows={})
    after = place_of(view, "train_linear")
    assert abs(after[0] - before[0]) < 1 and abs(after[1] - before[1]) < 1
    assert view.find(".nd").count() == 16
    expect(view.find(".drawer h3")).to_have_text("train_linear")
    assert str(view.find(".nd.sel").get_attribute("aria-label")).startswith("train_linear")
    view.push(topo=scenes.topology(scenes.NODES[:3], scenes.EDGES[:2]), st="sss", rows={})
    expect(view.find(".drawer")).to_be_hidden()


def test_a_view_that_was_not_touched_follows_what_runs(page: Open) -> None:
    nodes = [(f"step_{i}", "task", 1) for i in range(40)]
    scene = {
        "topo": scenes.topology(nodes, [(i, i + 1) for i in range(39)], "TB"),
        "st": "r" + "p" * 39,
        "rows": {},
        "run": {"name": "r", "id": "1", "state": "running", "t0": scenes.T0},
    }
    view = page(scene, reduced_motion="reduce")
    view.find("[data-t=graph]").click()
    seen = """label => {
      const node = document.querySelector(`.nd[aria-label^="${label}:"]`).getBoundingClientRect();
      const stage = document.querySelector(".stage").getBoundingClientRect();
      return node.top >= stage.top && node.bottom <= stage.bottom;
    }"""
    assert not view.page.evaluate(seen, "step_35")
    view.push(st="s" * 35 + "r" + "p" * 4)
    assert view.page.evaluate(seen, "step_35")
    view.find("[data-z=in]").click()
    view.push(st="s" * 2 + "r" + "p" * 37)
    assert not view.page.evaluate(seen, "step_2"), "a person who zoomed is not moved about"
    view.find("[data-z=follow]").click()
    assert view.page.evaluate(seen, "step_2")


def test_pan_zoom_and_fit(page: Open) -> None:
    view = page(scenes.running())
    stage = view.find(".stage").bounding_box()
    assert stage is not None
    x, y = stage["x"] + 40, stage["y"] + 200
    before = place_of(view, "split")
    view.page.mouse.move(x, y)
    view.page.mouse.down()
    view.page.mouse.move(x + 50, y + 30, steps=3)
    view.page.mouse.up()
    after = place_of(view, "split")
    assert abs(after[0] - before[0] - 50) < 2 and abs(after[1] - before[1] - 30) < 2
    width = view.find(".nd .card").first.bounding_box()["width"]  # type: ignore[index]
    view.page.keyboard.down("Control")
    view.page.mouse.wheel(0, -200)
    view.page.keyboard.up("Control")
    assert view.find(".nd .card").first.bounding_box()["width"] > width * 1.1  # type: ignore[index]
    view.find("[data-z=fit]").click()
    boxes = [view.find(".nd").nth(i).bounding_box() for i in range(13)]
    assert all(
        box and stage["y"] <= box["y"] and box["y"] + box["height"] <= stage["y"] + stage["height"] for box in boxes
    )
    view.page.mouse.wheel(0, 100)  # a plain wheel is the page's
    view.find("[data-z=turn]").click()
    assert view.sent("dir") == [{"t": "dir", "dir": "LR" if view.state["topo"]["rankdir"] == "TB" else "TB"}]


def test_a_node_opens_its_details_and_the_kernel_is_asked_once(page: Open) -> None:
    view = page(scenes.failed())
    view.find(".nd").nth(7).click()
    assert view.sent("detail") == [{"t": "detail", "i": 7}]
    trace = 'Traceback:\n  Cell In[4], line 12\n    raise ValueError("x")'
    view.message(
        t="detail",
        i=7,
        d={
            "error": {"type": "ValueError", "message": "3 levels", "traceback": trace},
            "log": "a\nb",
            "story": ["#3 failed"],
        },
    )
    drawer = view.find(".drawer")
    expect(drawer.locator(".tb")).to_have_text(trace)
    expect(drawer.locator(".errline")).to_have_text("ValueError: 3 levels")
    expect(drawer.locator(".log")).to_have_text("a\nb")
    drawer.locator(".close").click()
    expect(drawer).to_be_hidden()


def test_in_a_small_run_the_error_of_a_task_is_in_sight_when_its_details_open(page: Open) -> None:
    scene = {
        "topo": scenes.topology([("load", "task", 1), ("report", "task", 1)], [(0, 1)]),
        "st": "fk",
        "rows": {"0": [scenes.T0, scenes.T0 + 1, 1, None, None, "ValueError: 3 levels", None]},
        "run": {"name": "r", "id": "1", "state": "failed", "t0": scenes.T0},
    }
    view = page(scene, reduced_motion="reduce")
    view.find("[data-t=table]").click()
    view.find(".trow").first.click()
    view.message(t="detail", i=0, d={"error": {"type": "ValueError", "message": "3 levels", "traceback": "Traceback:"}})
    drawer, error = view.find(".drawer").bounding_box(), view.find(".drawer .errline").bounding_box()
    assert drawer is not None and error is not None
    assert error["y"] + error["height"] < drawer["y"] + drawer["height"]


def test_the_details_of_a_stack_show_its_members_and_first_failures(page: Open) -> None:
    view = page(scenes.running())
    view.find(".nd").nth(4).click()
    view.message(
        t="detail",
        i=4,
        d={
            "cells": "c" * 10 + "s" * 28 + "ffyrrrrrrr" + "p" * 16,
            "failures": [{"label": "build_features_38", "message": "ValueError: no"}],
        },
    )
    assert view.find(".cells i").count() == 64
    assert view.find(".cells .c-f").count() == 2
    expect(view.find("[data-part=failures]")).to_contain_text("build_features_38 ValueError: no")
    view.message(t="detail", i=4, d={"cells": "s" * 20000 + "f" + "p" * 9999})
    assert view.find(".cells i").count() <= 1200
    assert view.find(".cells .c-f").count() == 1


def test_a_graph_without_places_is_offered_and_drawn_on_demand(page: Open) -> None:
    scene = scenes.large(310)
    topo = scene["topo"]
    bare = topo | {
        "nodes": [{k: v for k, v in n.items() if k not in "xy"} for n in topo["nodes"]],
        "edges": [],
        "placed": False,
        "table_first": True,
    }
    view = page(scene | {"topo": bare})
    assert view.find("[data-t=table]").get_attribute("aria-selected") == "true"
    view.find("[data-t=graph]").click()
    view.find("text=Draw it anyway").click()
    assert view.sent("draw") == [{"t": "draw"}]
    view.push(topo=topo | {"table_first": False})
    expect(view.find(".offer")).to_be_hidden()
    assert 0 < view.find(".nd").count() < 310, "only what is in sight exists"


def test_only_the_rows_in_sight_exist(page: Open) -> None:
    view = page(scenes.large(2000))
    view.find("[data-t=table]").click()
    assert view.find(".trow").count() < 30
    view.find(".vp").evaluate("node => node.scrollTop = 30 * 1000")
    view.frame()
    expect(view.find(".trow").filter(has_text=re.compile(r"^task_1005(?!\d)"))).to_be_visible()
    view.find(".bar input").fill("task_1999")
    expect(view.find(".trow:visible")).to_have_count(1)


def test_where_not_all_fits_what_needs_attention_is_first(page: Open) -> None:
    scene = scenes.large(200)
    view = page(scene | {"st": "s" * 100 + "f" + "s" * 49 + "r" + "w" + "p" * 48})
    view.find("[data-t=table]").click()
    shown = [row.locator("span").first.inner_text() for row in view.find(".trow:visible").all()[:3]]
    assert shown == ["task_151", "task_100", "task_150"]
    view.find(".thead button").first.click()
    assert view.find("[aria-sort]").get_attribute("aria-sort") == "ascending"
    expect(view.find(".trow").first).to_contain_text("task_0")


CHANGES = """async ([nodes, changes, seconds, hz]) => {
  const st = model.get("st").split("");
  const codes = "qrs";
  let frames = 0, sent = 0, stop = false;
  const frame = () => { frames++; if (!stop) requestAnimationFrame(frame); };
  const begun = performance.now();
  requestAnimationFrame(frame);
  for (let k = 0; k < seconds * hz; k++) {
    const rows = {};
    for (let j = 0; j < changes / (seconds * hz); j++) {
      const i = sent++ % nodes;
      st[i] = codes[Math.min(2, codes.indexOf(st[i]) + 1)];
      const now = Date.now() / 1000;
      rows[i] = [now - 2, st[i] === "s" ? now : null, 1, null, null, "", null];
    }
    model.update({ st: st.join(""), rows });
    await new Promise((done) => setTimeout(done, begun + ((k + 1) * 1000) / hz - performance.now()));
  }
  stop = true;
  return frames / ((performance.now() - begun) / 1000);
}"""


@pytest.mark.parametrize(("count", "hz", "least"), [(500, 12, 50), (2000, 8, 50)])
def test_a_large_run_stays_fluid(page: Open, count: int, hz: int, least: float) -> None:
    scene = scenes.large(count)
    scene["run"]["t0"] = time.time()
    scene["topo"]["table_first"] = False
    view = page(scene)
    view.find("[data-t=graph]").click()
    best = 0.0
    for _ in range(4):  # the machine may be busy with something else; the view itself is as fast as its best turn
        best = max(best, view.page.evaluate(CHANGES, [count, 1000, 5 if not best else 2, hz]))
        if best > least:
            break
    assert best > least, json.dumps({"nodes": count, "frames a second": best})
