"""What is drawn, as one stack or alone, and what stands between."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbflow.core import records as r
from nbflow.core.graph import FORGOTTEN, NodeKind
from nbflow.views.layers import Layers
from nbflow.views.picture import Picture

from .moves import Story
from .runs import Play, churn, event, task, value


def edges_of(picture: Picture) -> set[tuple[str, str]]:
    """Return the edges by label."""
    labels = [node.label for node in picture.nodes]
    return {(labels[a], labels[b]) for a, b in picture.edges}


def labels_of(picture: Picture) -> list[str]:
    return [node.label for node in picture.nodes]


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_every_node_is_drawn_once_and_nothing_else_is(data: st.DataObject) -> None:
    story = Story(data.draw)
    for _ in range(data.draw(st.integers(0, 30))):
        story.step()
    nodes = story.play.state.nodes
    picture = Picture.of(story.play.state)
    drawn = Counter(i for node in picture.nodes for i in node.members)
    assert drawn == Counter(
        i for i, node in enumerate(nodes) if node.owner != FORGOTTEN and node.spec.kind is not NodeKind.VALUE
    )
    assert len(set(labels_of(picture))) == len(picture.nodes)
    assert len(set(picture.edges)) == len(picture.edges)
    Layers(len(picture.nodes), picture.edges)  # raises when there is a cycle


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_what_a_node_needs_is_above_it(data: st.DataObject) -> None:
    story = Story(data.draw)
    for _ in range(data.draw(st.integers(0, 20))):
        story.step()
    state = story.play.state
    picture = Picture.of(state)
    place = {i: at for at, node in enumerate(picture.nodes) for i in node.members}
    rank = Layers(len(picture.nodes), picture.edges).rank
    for i, at in place.items():
        for dep in state.nodes[i].spec.deps:
            if dep in place and place[dep] != at:
                assert rank[place[dep]] < rank[at]


def test_containers_are_not_drawn_and_edges_go_through_them() -> None:
    play = Play(task("a"), task("b"), value("pair", 0, 1), value("more", 2), task("sum", 3))
    picture = Picture.of(play.state)
    assert labels_of(picture) == ["a", "b", "sum"]
    assert edges_of(picture) == {("a", "sum"), ("b", "sum")}


def test_mapped_nodes_are_one_stack() -> None:
    picture = Picture.of(churn().state)
    stack = next(node for node in picture.nodes if node.label == "build_features")
    assert len(stack.members) == 64
    assert ("clean", "build_features") in edges_of(picture)
    assert ("build_features", "split") in edges_of(picture)


def test_two_maps_of_one_function_are_two_stacks() -> None:
    first = [task(f"f_{i}", code="f", group="f-1") for i in range(3)]
    second = [task(f"f_{i + 3}", i, code="f", group="f-2") for i in range(3)]
    picture = Picture.of(Play(*first, *second, value("all", *range(6))).state)
    assert labels_of(picture) == ["f", "f (2)"]
    assert edges_of(picture) == {("f", "f (2)")}


@pytest.mark.parametrize(("count", "drawn"), [(7, 9), (8, 3)])
def test_eight_siblings_with_the_same_function_parents_and_children_are_folded(count: int, drawn: int) -> None:
    siblings = [task(f"part_{i}", 0, code="part") for i in range(count)]
    play = Play(task("load"), *siblings, task("join", *range(1, count + 1)))
    assert len(Picture.of(play.state).nodes) == drawn


def test_siblings_of_other_functions_or_with_other_children_are_not_folded() -> None:
    other = [task(f"part_{i}", 0, code=f"f{i}") for i in range(9)]
    assert len(Picture.of(Play(task("load"), *other, value("all", *range(10))).state).nodes) == 10
    lone = [task(f"part_{i}", 0, code="part") for i in range(8)]
    play = Play(task("load"), *lone, task("only_the_first", 1), value("all", *range(10)))
    assert len(Picture.of(play.state).nodes) == 10


def test_questions_to_people_are_never_folded() -> None:
    asks = [event(f"ask_{i}", listener="ButtonListener") for i in range(9)]
    picture = Picture.of(Play(*asks, value("all", *range(9))).state)
    assert [node.kind for node in picture.nodes] == ["human"] * 9


def test_what_a_task_grew_stands_between_it_and_those_who_wait_for_it() -> None:
    play = Play(task("plan"), task("after", 0))
    play.grow("plan", task("left"), task("right"), task("join", 0, 1))
    assert edges_of(Picture.of(play.state)) == {
        ("plan", "left"),
        ("plan", "right"),
        ("left", "join"),
        ("right", "join"),
        ("join", "after"),
    }


def test_a_continuation_that_is_only_a_value_leaves_the_edge_where_it_was() -> None:
    play = Play(task("plan"), task("after", 0))
    play.grow("plan", value("constant"))
    assert edges_of(Picture.of(play.state)) == {("plan", "after")}


def test_what_mapped_tasks_grew_is_stacked_by_its_place() -> None:
    mapped = [task(f"crawl_{i}" if i else "crawl", code="crawl", group="crawl-1") for i in range(3)]
    play = Play(*mapped, value("all", 0, 1, 2))
    for i in range(3):
        play.grow(i, task("fetch"), task("parse", 0))
    picture = Picture.of(play.state)
    assert [(node.label, len(node.members)) for node in picture.nodes] == [("crawl", 3), ("fetch", 3), ("parse", 3)]
    assert edges_of(picture) == {("crawl", "fetch"), ("fetch", "parse")}


def test_a_task_that_grows_itself_again_and_again_is_one_stack() -> None:
    play = Play(task("loop"), task("after", 0))
    for turn in range(9):
        play.grow("loop" if not turn else f"loop_{turn}", task("loop"))
    picture = Picture.of(play.state)
    assert [(node.label, len(node.members)) for node in picture.nodes] == [("loop", 10), ("after", 1)]
    assert edges_of(picture) == {("loop", "after")}


def test_a_very_deep_recursion_is_drawn_without_recursion() -> None:
    play = Play(task("loop"))
    for turn in range(3_000):
        play.grow(turn, task("loop"))
    assert len(Picture.of(play.state).nodes) == 1


def test_a_stack_whose_nodes_depend_on_each_other_is_split() -> None:
    play = Play(task("a", group="g"), task("between", 0), task("b", 1, group="g"))
    assert edges_of(Picture.of(play.state)) == {("a", "between"), ("between", "b")}


def test_a_picture_does_not_depend_on_states() -> None:
    play = churn()
    before = Picture.of(play.state)
    play.done("load_orders", "load_customers")
    play.fail("clean")
    assert Picture.of(play.state) == before


def test_nodes_that_were_forgotten_are_left_out() -> None:
    play = Play(task("plan"), task("after", 0))
    play.grow("plan", task("inner"))
    play.take(r.RunOpened(play.now))
    play.bind((task("plan"), task("other", 0)))
    assert "after" not in labels_of(Picture.of(play.state))


def test_a_question_is_a_hexagon_before_it_is_asked_and_a_timer_is_not() -> None:
    play = Play(event("ask", listener="FormListener"), event("nap", listener="SleepListener"), value("all", 0, 1))
    assert [node.kind for node in Picture.of(play.state).nodes] == ["human", "wait"]
