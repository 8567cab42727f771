"""The trait with the places: complete, and pure enough for any thread."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

from nbflow.views import topo
from nbflow.views.picture import Drawn, Picture

from .runs import Play, churn, task, value


def test_a_placed_topo_has_places_edges_and_the_size_of_the_whole() -> None:
    placed = topo.place(Picture.of(churn().state))
    assert placed["placed"] and placed["width"] > 0 and placed["rankdir"] == "TB"
    assert set(placed["nodes"][0]) == {"label", "short", "kind", "n", "x", "y", "w", "h"}
    assert len(placed["edges"]) == 16
    for parent, child, points in placed["edges"]:
        assert list(points[0]) == [placed["nodes"][parent][axis] for axis in "xy"]
        assert list(points[-1]) == [placed["nodes"][child][axis] for axis in "xy"]
    json.dumps(placed, allow_nan=False)


def test_it_may_be_laid_out_in_any_thread() -> None:
    picture = Picture.of(churn().state)
    with ThreadPoolExecutor(2) as pool:
        assert pool.submit(topo.place, picture).result() == topo.place(picture)


def test_both_directions_can_be_asked_for_and_auto_takes_the_one_that_fits() -> None:
    chain = Picture.of(Play(*[task(f"n{i}", *([i - 1] if i else [])) for i in range(4)]).state)
    assert topo.place(chain)["rankdir"] == "LR"
    long = Picture.of(Play(*[task(f"n{i}", *([i - 1] if i else [])) for i in range(9)]).state)
    assert topo.place(long, "LR")["rankdir"] == "LR"
    assert topo.place(long, "LR")["width"] > topo.place(long, "TB")["width"]


def test_a_long_name_is_cut_and_kept_whole_beside() -> None:
    name = "a_function_with_a_name_that_goes_on_and_on_and_on_1234"
    node = topo.bare(Picture((Drawn(name, "task", (0,)),)))["nodes"][0]
    assert node["label"] == name
    assert node["short"].endswith("…_on_1234") and node["w"] <= 260


def test_above_300_nodes_the_table_comes_first() -> None:
    few = Play(*[task(f"n{i}", code=f"f{i}") for i in range(301)], value("all", *range(301)))
    assert topo.bare(Picture.of(few.state))["table_first"]
    assert not topo.bare(Picture.of(churn().state))["table_first"]


def test_an_empty_picture_is_placed_at_once() -> None:
    assert topo.bare(Picture())["placed"]
    assert topo.place(Picture())["nodes"] == []
