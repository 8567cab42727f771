"""Scenes: links may go in circles, each is drawn with what it is taken on, and a feed tells only what changed."""

from __future__ import annotations

from graphlib import TopologicalSorter
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.core import records as r
from nbflow.core.graph import Code, NodeKind, NodeSpec
from nbflow.core.state import RunState
from nbflow.views import scene, topo
from nbflow.views.dot import to_dot
from nbflow.views.html import to_html
from nbflow.views.rows import NodeRow
from nbflow.views.scene import Link, Panel, PanelRow, Scene, Station, scene_of
from nbflow.views.scene_feed import SceneFeed, feed_of
from nbflow.views.snapshot import Snapshot
from nbflow.views.svg import to_svg
from nbflow.views.text import to_text

graphs = st.integers(1, 9).flatmap(
    lambda n: st.tuples(st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=20))
)


class Front:
    """What a driver keeps, in these tests: the scene that is drawn of it."""

    def __init__(self, drawn: Scene) -> None:
        self.scene = drawn


def draw(state: RunState) -> Scene:
    part: Front = state.parts[state.driver]
    return part.scene


@pytest.fixture(autouse=True)
def front(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(scene.SCENES, "Front", f"{__name__}:draw")


def run_with(drawn: Scene) -> RunState:
    """Return a run whose driver keeps a scene."""
    state = RunState()
    spec = NodeSpec("machine", NodeKind.DRIVER, (), "c")
    state.handle_all([
        r.RunCreated("run", "Order", 1.0), r.CodeAdded(Code("c", "Order")), r.NodesAdded((spec,)), r.GraphCommitted(0),
        r.RunStarted(2.0),
    ])  # fmt: skip
    state.parts[0] = Front(drawn)
    return state


def approval(at: str = "p", events: int = 1) -> Scene:
    """Return a loop of a wait and its handler, and a table of events."""
    rows = tuple(PanelRow(str(i), ("note", f'"<b>{i}</b>"')) for i in range(events))
    stations = (Station("wait", NodeRow("w"), "wait"), Station("approve", NodeRow(at), facts={"Event": "approve"}))
    links = (Link(0, 1, "approve & <sign>"), Link(1, 0, taken=True), Link(0, 0, "note", dashed=True))
    return Scene(stations, links, (Panel("inbox", "Events that wait", ("Event", "Payload"), rows, timed=1),))


@given(graphs)
def test_without_the_edges_that_lead_back_there_is_no_cycle_and_none_is_left_out_for_nothing(
    graph: tuple[int, list[tuple[int, int]]],
) -> None:
    count, edges = graph
    back = topo.backward(count, edges)
    kept = [edge for i, edge in enumerate(edges) if i not in back]
    order = list(TopologicalSorter({n: [a for a, b in kept if b == n] for n in range(count)}).static_order())
    assert len(order) == count
    for i in back:
        source, target = edges[i]
        assert source == target or _reaches(target, source, kept), "it closes a circle"


def _reaches(source: int, target: int, edges: list[tuple[int, int]]) -> bool:
    found, work = {source}, [source]
    for node in work:
        new = {b for a, b in edges if a == node} - found
        found |= new
        work += new
    return target in found


@given(graphs, st.sampled_from(["LR", "TB"]))
def test_every_scene_has_a_drawing_inside_its_box(graph: tuple[int, list[tuple[int, int]]], direction: str) -> None:
    count, edges = graph
    stations = tuple(Station(f"step {i}", NodeRow()) for i in range(count))
    picture = Scene(stations, tuple(Link(a, b, "on event") for a, b in edges)).picture
    placed = topo.place(picture, direction)
    assert [edge[:2] for edge in placed["edges"]] == [list(edge) for edge in edges]
    for _, _, points, (label, _, _, back) in placed["edges"]:
        assert label == "on event"
        assert len(points) == 4 if back else len(points) >= 2
        assert all(0 <= x <= placed["width"] + 40 and 0 <= y <= placed["height"] + 40 for x, y in points)
    assert placed == topo.place(picture, direction)


def test_a_still_picture_has_heads_labels_and_dashes_and_is_well_formed() -> None:
    svg = to_svg(Snapshot.of(run_with(approval()), 5.0))
    root = ElementTree.fromstring(svg)
    texts = ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "approve & <sign>" in texts and "note" in texts
    links = [path for path in root.iter("{http://www.w3.org/2000/svg}path") if "marker-end" in path.attrib]
    assert len(links) == 3
    assert [path.get("stroke-dasharray") for path in links] == [None, None, "5 4"]


def test_the_other_forms_show_the_same() -> None:
    snapshot = Snapshot.of(run_with(approval(events=2)), 5.0)
    assert "Events that wait: 2" in to_text(snapshot)
    html = to_html(snapshot)
    assert "Events that wait: 2" in html and "&lt;b&gt;0&lt;/b&gt;" in html and "<b>0" not in html
    assert "Payload" not in to_html(snapshot, clock=False), "its column of times is not the same each time"
    dot = to_dot(snapshot).source
    assert "n0 -> n0" in dot and "style=dashed" in dot
    assert snapshot.counts == {"w": 1, "p": 1}


def test_a_run_that_has_not_begun_is_one_station() -> None:
    state = run_with(approval())
    del state.parts[0]
    drawn = scene_of(state)
    assert drawn is not None and [station.label for station in drawn.stations] == ["machine"]


def test_a_feed_tells_what_changed_and_then_nothing() -> None:
    state = run_with(approval())
    feed = feed_of(state)
    assert isinstance(feed, SceneFeed)
    first = feed.delta(5.0)
    assert first is not None and first.topo is not None and first.panels is not None
    assert feed.delta(6.0) is None
    state.parts[0].scene = approval("s")
    second = feed.delta(7.0)
    assert second is not None
    assert (second.st, list(second.rows), second.topo, second.panels, second.run) == ("ws", ["1"], None, None, None)
    state.parts[0].scene = approval("s", events=3)
    third = feed.delta(8.0)
    assert third is not None and third.rows == {} and third.panels is not None
    assert len(third.panels[0]["rows"]) == 3
    assert feed.full().panels == third.panels and feed.full().topo == first.topo
    assert feed.detail(1) == {"facts": {"Event": "approve"}, "story": []}
    assert feed.detail(9) == {}


def test_links_that_go_to_and_fro_do_not_lie_on_each_other() -> None:
    placed = topo.place(approval().picture, "LR")
    forth, back = placed["edges"][0][2], placed["edges"][1][2]
    assert all(abs(y1 - y0) >= topo.BESIDE for (_, y0), (_, y1) in pairwise([forth[0], back[0]]))
