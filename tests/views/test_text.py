"""Plain text: the same each time a run is run."""

from __future__ import annotations

import re

import pytest

from nbflow.core import records as r
from nbflow.views.snapshot import Snapshot
from nbflow.views.text import to_text

from .hostile import NASTY, hostile_snapshot
from .runs import ERROR, Play, churn, task, value


def shown(play: Play) -> str:
    return to_text(Snapshot.of(play.state, play.now))


def test_it_says_what_every_node_came_to_in_the_order_of_the_graph() -> None:
    play = churn()
    play.done("load_orders", "load_customers")
    play.fail("clean")
    assert shown(play).splitlines()[:5] == [
        "train_churn_model: failed; 2 done, 1 failed, 72 skipped, 1 pending",
        "✓ load_orders      Done",
        "✓ load_customers   Done",
        "✕ clean            Failed     ValueError: column 'plan' has 3 unknown levels",
        "○ validate_schema  Pending",
    ]


def test_there_is_no_time_duration_run_id_or_address_in_it() -> None:
    plays = []
    for took, run_id in ((0.25, "0x7f"), (123.0, "0x80")):
        play = Play(task("a"), task("b", 0), name="demo")
        play.state.workflow_id = f"run-{took}"
        play.done("a", took=took, value=f"<object at {run_id}3ab4c5d0>")
        error = ERROR | {"message": f"cannot read <file at {run_id}00112233>"}
        play.now += took
        play.take(r.TaskFailed(1, error, play.now, play.now + took))
        plays.append(shown(play))
    assert plays[0] == plays[1]
    assert not re.search(r"0x|run-|\d\d:\d\d|\d\.\d| s\b|17000", plays[0])


def test_questions_are_told_with_their_options_then_with_their_answer() -> None:
    play = Play(task("a"), task("ask", 0))
    play.done("a")
    play.ask("ask")
    assert "◆ Release churn model v12? [approve / reject]" in shown(play)
    play.answer("ask")
    assert "◆ Release churn model v12? approve" in shown(play)


def test_a_long_run_is_cut_and_what_matters_is_kept() -> None:
    play = Play(*[task(f"n{i}", code=f"f{i}") for i in range(100)], value("all", *range(100)))
    for i in range(90):
        play.done(i)
    play.fail(95)
    lines = shown(play).splitlines()
    assert len(lines) == 42
    assert lines[-1] == "… and 60 more"
    assert any("n95" in line for line in lines)


@pytest.mark.parametrize("text", NASTY)
def test_hostile_text_stays_on_its_line_and_leaves_the_terminal_alone(text: str) -> None:
    found = to_text(hostile_snapshot(text))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]", found)
    assert len(found.splitlines()) == 5
    found.encode()
