"""A machine in the live view: states with links that lead back, events in tables, and what a person does to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import scenes
from harness import Harness
from playwright.sync_api import expect

from nbflow.views import topo
from nbflow.views.rows import NodeRow
from nbflow.views.scene import Act, Link, Panel, PanelRow, Scene, Station

pytestmark = pytest.mark.browser

Open = Callable[..., Harness]
HOSTILE = "<img src=x onerror=alert(1)>"


def order() -> Scene:
    """Return an order that waits for its approval, after its quantity was changed once."""
    done, waits, idle = (NodeRow(code, scenes.T0, scenes.T0 + 1, 1) for code in "swp")
    stations = (
        Station("start", done), Station("wait", waits, "wait"), Station("change_quantity", done),
        Station("approve", idle), Station("auto_approve", idle), Station("fulfill", idle),
    )  # fmt: skip
    links = (
        Link(0, 1, taken=True), Link(1, 2, "change_quantity", taken=True), Link(2, 1, "wait", taken=True),
        Link(1, 3, "approve"), Link(1, 4, "after 24 h", dashed=True), Link(3, 5), Link(4, 5), Link(1, 1, "note"),
    )  # fmt: skip
    inbox = PanelRow("e7", ("note", '{"text": "call first"}', "ann"))
    bad = PanelRow(
        "e3", ("change_quantity", '{"quantity": 0}', f"ValueError: {HOSTILE}"),
        (Act("retry", "Retry"), Act("edit", "Edit and send again", '{"quantity": 0}'), Act("discard", "Discard")),
    )  # fmt: skip
    return Scene(
        stations,
        links,
        (
            Panel("inbox", "Events that wait", ("Event", "Payload", "By"), (inbox,)),
            Panel("aside", "Set aside", ("Event", "Payload", "Why"), (bad,)),
            Panel("undelivered", "Undelivered", ("Event",)),
        ),
    )


def state(scene: Scene, direction: str = "auto") -> dict[str, Any]:
    return {
        "topo": topo.place(scene.picture, direction),
        "st": "".join(station.row.code for station in scene.stations),
        "rows": {str(i): station.row.to_message() for i, station in enumerate(scene.stations)},
        "run": {"name": "ProcessOrder", "id": "order-abc", "state": "running", "t0": scenes.T0},
        "panels": [panel.to_message() for panel in scene.panels],
    }


@pytest.mark.parametrize("direction", ["LR", "TB"])
def test_links_lead_back_and_say_what_they_are_taken_on(page: Open, direction: str) -> None:
    view = page(state(order(), direction))
    assert view.find(".ed.lk").count() == 8
    assert view.find(".ed.lk.on").count() == 3
    assert view.find(".ed.lk.rule").count() == 1
    expect(view.find(".lkl").filter(has_text="after 24 h")).to_be_visible()
    box = view.find("svg.g").bounding_box()
    assert box is not None
    for label in view.find(".lkl").all():
        at = label.bounding_box()
        assert at is not None and box["x"] <= at["x"] and at["x"] + at["width"] <= box["x"] + box["width"]


def test_events_stand_in_tables_and_an_empty_table_is_not_shown(page: Open) -> None:
    view = page(state(order()))
    expect(view.find(".panel summary")).to_have_text(["Events that wait1", "Set aside1"])
    expect(view.find(".panel td").filter(has_text=HOSTILE)).to_be_visible()
    view.push(panels=[])
    expect(view.find(".panels")).to_be_hidden()


def test_an_act_is_sent_once_and_a_mistake_is_said_beside_its_button(page: Open) -> None:
    view = page(state(order()))
    retry = view.find(".panel button", 0).filter(has_text="Retry")
    retry.click()
    expect(retry).to_be_disabled()
    [sent] = view.sent("act")
    assert (sent["panel"], sent["row"], sent["act"], sent["text"]) == ("aside", "e3", "retry", None)
    view.message(t="acted", id=sent["id"], text="quantity must be above 0", wrong=True)
    expect(view.find(".said.wrong")).to_have_text("quantity must be above 0")
    expect(retry).to_be_enabled()


def test_a_payload_is_edited_and_sent_and_nobody_takes_the_words_away_meanwhile(page: Open) -> None:
    view = page(state(order()))
    view.find(".panel button").filter(has_text="Edit").click()
    area = view.find(".editor textarea")
    expect(area).to_be_focused()
    expect(area).to_have_value('{"quantity": 0}')
    area.fill('{"quantity": 3}')
    panels = state(order())["panels"]
    panels[1]["rows"].append(["e9", ["approve", "{}", "KeyError"], []])
    view.push(panels=panels)
    expect(area).to_have_value('{"quantity": 3}')
    view.find(".editor .btn.pri").click()
    [sent] = view.sent("act")
    assert (sent["act"], sent["text"]) == ("edit", '{"quantity": 3}')
    view.message(t="acted", id=sent["id"], text="")
    expect(area).to_have_count(0)
    expect(view.find(".panel td").filter(has_text="KeyError")).to_be_visible()


def test_a_scene_is_not_so_and_so_far(page: Open) -> None:
    view = page(state(order()))
    expect(view.find("[role=progressbar]")).to_be_hidden()
    assert "tasks" not in view.find(".panel, .nbf > div").first.inner_text()
