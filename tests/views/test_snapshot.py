"""A snapshot: the whole run as one value that nothing changes any more."""

from __future__ import annotations

import copy

from nbflow.core import records as r
from nbflow.core.state import RunState
from nbflow.views.snapshot import Snapshot

from .runs import Play, churn, event, task, value


def snapshot_of(play: Play) -> Snapshot:
    return Snapshot.of(play.state, play.now)


def test_what_happens_later_does_not_change_it() -> None:
    play = churn()
    play.done("load_orders")
    before = snapshot_of(play)
    kept = copy.deepcopy(before)
    play.done("load_customers")
    play.fail("clean")
    assert before == kept
    assert snapshot_of(play) != kept


def test_counts_are_of_tasks_not_of_what_is_drawn() -> None:
    play = churn()
    snapshot = snapshot_of(play)
    assert sum(snapshot.counts.values()) == len(snapshot.tasks) == 76
    assert len(snapshot.nodes) == len(snapshot.codes) == 13


def test_a_run_waits_for_a_person_only_while_it_runs() -> None:
    play = Play(event("ask"), task("after", 0))
    play.ask("ask")
    assert snapshot_of(play).run.look == ("waiting", "w", "Waiting for you")
    play.take(r.RunDetached(play.now))
    assert snapshot_of(play).run.look[0] == "resumable"


def test_the_header_names_the_failed_node_and_the_times() -> None:
    play = Play(task("a"), task("b", 0))
    play.done("a")
    play.fail("b")
    message = snapshot_of(play).run.to_message()
    assert (message["state"], message["failed"], message["id"]) == ("failed", "b", "run-7f3a")
    assert round(message["t1"] - message["t0"], 3) == 1.7


def test_a_run_that_was_only_created_can_be_shown() -> None:
    state = RunState()
    state.handle(r.RunCreated("run-1", "", 1.0))
    snapshot = Snapshot.of(state, 2.0)
    assert snapshot.summary == "Workflow: not started"
    assert snapshot.to_message()["run"]["state"] == "new"


def test_the_value_of_a_grown_node_is_that_of_its_continuation() -> None:
    play = Play(task("a"), task("b", 0))
    play.grow("a", task("inner"))
    play.done("inner", value=42)
    values = {row.node_id: row.value for row in snapshot_of(play).tasks}
    assert values == {"a": "42", "b": "", "inner": "42"}


def test_containers_are_no_tasks() -> None:
    play = Play(task("a"), value("list", 0))
    assert [row.node_id for row in snapshot_of(play).tasks] == ["a"]
