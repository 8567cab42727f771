"""The picture: well formed whatever it is called, a shape and a word for each state, the same without a clock."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbflow.core import records as r
from nbflow.core.status import NodeStatus
from nbflow.views.layout import RIGHT
from nbflow.views.palette import LOOKS
from nbflow.views.snapshot import Snapshot
from nbflow.views.svg import to_svg

from .hostile import NASTY, hostile_snapshot
from .runs import Play, churn, event, task, value

SVG = "{http://www.w3.org/2000/svg}"


def read(svg: str) -> ElementTree.Element:
    """Parse a picture; a picture that is not XML fails the test."""
    return ElementTree.fromstring(svg)


def texts(svg: str) -> list[str]:
    return [text.text or "" for text in read(svg).iter(f"{SVG}text")]


def every_state() -> Play:
    """Return a run that has a node in each of the eleven states."""
    names = [status.value for status in NodeStatus if status is not NodeStatus.GROWN] + ["asks"]
    nodes = [
        event(name, listener="ButtonListener") if name in ("waiting", "asks", "committing") else task(name)
        for name in names
    ]
    play = Play(*nodes, value("all", *range(len(nodes))))
    play.done("restored")
    play.reopen()
    play.run("running", "retrying")
    play.retry("retrying")
    play.wait("waiting")
    play.ask("asks")
    token = play.wait("committing")
    play.take(r.ListenerFired(play.at("committing"), token, {"c": "json", "v": 1}, play.now))
    play.done("done")
    play.take(r.TaskFailed(play.at("failed"), {"type": "E", "message": ""}, play.now, play.now))
    for name, status in (
        ("pending", NodeStatus.PENDING),
        ("skipped", NodeStatus.SKIPPED),
        ("canceled", NodeStatus.CANCELED),
    ):
        play.state.set_status(play.at(name), status)
    return play


@pytest.mark.parametrize("text", NASTY)
def test_hostile_text_stays_text(text: str) -> None:
    root = read(to_svg(hostile_snapshot(text)))
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "title", "defs", "g", "rect", "path", "circle", "use", "text"}
    assert {name for element in root.iter() for name in element.attrib if name.startswith("on")} == set()


@given(st.text(min_size=1, max_size=40))
@settings(max_examples=100, deadline=None)
def test_any_name_gives_well_formed_xml(text: str) -> None:
    read(to_svg(hostile_snapshot(text)))


def test_every_node_is_drawn_once() -> None:
    play = churn()
    snapshot = Snapshot.of(play.state, play.now)
    titles = [title.text or "" for title in read(to_svg(snapshot)).iter(f"{SVG}title")][1:]
    assert [title.split(":")[0] for title in titles] == [node.label for node in snapshot.picture.nodes]


def test_every_state_has_its_own_shape_and_its_word() -> None:
    play = every_state()
    snapshot = Snapshot.of(play.state, play.now)
    assert set(snapshot.codes) == set(LOOKS)
    svg = to_svg(snapshot, clock=False)
    shapes = {code: re.sub(r"#\w{6}", "", found) for code, found in re.findall(r'<g id="nbflow-(.)">(.*?)</g>', svg)}
    assert len(set(shapes.values())) == len(LOOKS)
    assert {look.word.lower() for look in LOOKS.values()} <= set(texts(svg))


def test_a_stack_says_how_many_are_done_and_how_many_failed() -> None:
    play = Play(*[task(f"f_{i}", code="f", group="g") for i in range(5)], value("all", *range(5)))
    play.done(0, 1)
    play.fail(2)
    assert "2 of 5 · 1 failed" in texts(to_svg(Snapshot.of(play.state, play.now)))


def test_without_a_clock_the_picture_is_the_same_however_long_it_took() -> None:
    pictures = set()
    for took in (0.2, 7.5):
        play = churn()
        play.done("load_orders", took=took)
        play.run("load_customers")
        pictures.add(to_svg(Snapshot.of(play.state, play.now + took), clock=False))
    assert len(pictures) == 1


def test_a_direction_can_be_asked_for() -> None:
    play = churn()
    picture = read(to_svg(Snapshot.of(play.state, play.now), direction=RIGHT))
    assert float(picture.attrib["width"]) > float(picture.attrib["height"])


def test_an_empty_run_is_an_empty_picture() -> None:
    play = Play(value("nothing"))
    assert texts(to_svg(Snapshot.of(play.state, play.now))) == []
