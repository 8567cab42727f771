"""What is said of one node, and of a stack of them."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.core import records as r
from nbflow.core.node import Made
from nbflow.views.palette import ACTIVE, LOOKS, WORST_FIRST
from nbflow.views.rows import Row, blamed, preview, row_of, stack_code, stack_row
from nbflow.views.tally import Tally

from .runs import ERROR, Play, event, json_value, task, value

rows = st.builds(
    Row,
    st.sampled_from(sorted(LOOKS)),
    st.none() | st.floats(1, 9),
    st.none() | st.floats(1, 9),
    st.integers(0, 3),
    st.sampled_from(["", "ValueError"]),
)


def row(play: Play, node: str | int) -> Row:
    return row_of(play.state, play.at(node), blamed(play.state))


@given(st.text(alphabet=sorted(LOOKS), min_size=1))
def test_a_stack_is_in_the_worst_active_state_of_its_nodes(codes: str) -> None:
    found = stack_code(Counter(codes))
    active = [code for code in ACTIVE if code in codes]
    assert found == (active[0] if active else min(codes, key=WORST_FIRST.index))


@given(st.text(alphabet=sorted(LOOKS), min_size=1))
def test_a_stack_is_done_only_when_all_its_nodes_are(codes: str) -> None:
    assert (stack_code(Counter(codes)) in "sc") == (set(codes) <= {"s", "c"})


@given(st.lists(rows, min_size=1, max_size=8), st.lists(st.tuples(st.integers(0, 7), rows), max_size=20))
def test_a_tally_of_changes_equals_a_count_from_the_start(first: list[Row], changes: list[tuple[int, Row]]) -> None:
    tally, present = Tally(first), list(first)
    for slot, changed in changes:
        present[slot % len(present)] = changed
        tally.put(slot % len(present), changed)
    assert tally.row() == stack_row(present)


def test_a_wait_for_a_person_and_a_wait_for_something_else_look_different() -> None:
    play = Play(event("ask"), event("pay"), value("all", 0, 1))
    play.ask("ask")
    play.wait("pay", "order.paid")
    assert (row(play, "ask").code, row(play, "ask").note) == ("w", "for ml-leads")
    assert (row(play, "pay").code, row(play, "pay").note) == ("e", "for 'order.paid'")


def test_a_node_that_has_not_begun_has_no_times_and_one_under_way_no_end() -> None:
    play = Play(task("a"), task("b", 0))
    assert row(play, "b")[1:3] == (None, None)
    play.run("a")
    assert row(play, "a")[1:3] == (play.now, None)
    play.retry("a")
    assert row(play, "a").ended is None
    play.done("a")
    assert row(play, "a").ended is not None


def test_the_nodes_above_a_failure_are_failed_and_say_so() -> None:
    play = Play(task("a"))
    play.grow("a", task("b"))
    play.grow("b", task("c"))
    play.fail("c")
    assert [row(play, name).code for name in "abc"] == ["f", "f", "f"]
    assert [row(play, name).note for name in "ac"] == ["failed below", "ValueError: column 'plan' has 3 unknown levels"]


def test_a_caught_exception_and_a_changed_node_have_a_note() -> None:
    play = Play(task("a"), task("b", 0))
    play.take(r.TaskSucceeded(0, json_value(None), play.now, play.now, caught=True))
    assert row(play, "a").note == "its exception was caught"
    play.state.nodes[0].caught, play.state.nodes[0].made = False, Made(task("a"), {})
    assert row(play, "a").note == "changed since it ran"
    assert row(play, "a").changed and not row(play, "b").changed


def test_a_retry_says_why() -> None:
    play = Play(task("a"))
    play.run("a")
    play.retry("a")
    assert row(play, "a").note == f"ValueError: {ERROR['message']}; will try again"


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        (None, ""),
        ({"c": "json", "v": [1, "two"]}, "[1, 'two']"),
        ({"c": "p5", "v": "gAVLAS4=", "pv": "DataFrame 3 x 2", "ty": "DataFrame"}, "DataFrame 3 x 2"),
        ({"c": "p5", "v": "gAVLAS4=", "ty": "Model"}, "Model"),
    ],
)
def test_a_value_is_previewed_without_being_loaded(stored: dict[str, object] | None, said: str) -> None:
    assert preview(stored) == said


def test_the_preview_of_a_huge_value_is_short() -> None:
    assert len(preview(json_value({str(i): "x" * 10_000 for i in range(10_000)}))) < 1_000
