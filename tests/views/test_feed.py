"""The laws of the feed: what a browser has after all deltas is what a fresh look would give it."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbflow.core import records as r
from nbflow.views import topo
from nbflow.views.detail import detail_of
from nbflow.views.feed import Delta, Feed
from nbflow.views.snapshot import NOTHING, Snapshot

from .hostile import NASTY, hostile_run
from .moves import Story
from .runs import T0, Play, churn, task, value

EXAMPLES = 2_000 if os.environ.get("NBFLOW_SOAK", "") not in ("", "0") else 80


class Screen:
    """What a front end keeps: it puts deltas on top of what it has."""

    def __init__(self) -> None:
        self.topo: Any = None
        self.rows: dict[str, list[Any]] = {}
        self.st = ""
        self.run: Any = None
        self.asks: Any = None

    def apply(self, delta: Delta | None) -> None:
        if delta is None:
            return
        if delta.topo is not None:
            self.topo, self.rows = delta.topo, {}
        self.st = delta.st
        self.rows |= delta.rows
        self.run = delta.run or self.run
        self.asks = self.asks if delta.asks is None else delta.asks

    def shows(self) -> dict[str, Any]:
        rows = {place: row for place, row in self.rows.items() if row != NOTHING}
        return {"st": self.st, "rows": rows, "run": self.run, "asks": self.asks}


@given(st.data())
@settings(max_examples=EXAMPLES, deadline=None)
def test_deltas_one_after_another_equal_a_fresh_snapshot(data: st.DataObject) -> None:
    story, screen = Story(data.draw), Screen()
    feed = Feed(story.play.state)
    for _ in range(data.draw(st.integers(0, 40))):
        story.step()
        if data.draw(st.booleans()):
            screen.apply(feed.delta(story.play.now))
    screen.apply(feed.delta(story.play.now, everything=True))
    fresh = Snapshot.of(story.play.state, story.play.now)
    assert screen.shows() == fresh.to_message()
    assert screen.topo == topo.place(fresh.picture)
    late = Screen()
    late.apply(feed.full())
    assert late.shows() == screen.shows()
    assert late.topo == screen.topo
    assert feed.delta(story.play.now) is None


def test_nothing_new_is_no_delta() -> None:
    play = churn()
    feed = Feed(play.state)
    assert feed.delta(play.now) is not None
    assert feed.delta(play.now + 1) is None


def test_a_delta_holds_only_the_rows_that_changed() -> None:
    play = churn()
    feed = Feed(play.state)
    feed.delta(play.now)
    play.run("load_orders")
    delta = feed.delta(play.now + 1)
    assert delta is not None
    assert (delta.topo, delta.run, delta.asks) == (None, None, None)
    assert delta.rows == {"0": [play.now, None, 1, None, None, "", None]}
    assert delta.st[0] == "r"


def test_a_large_graph_comes_without_places_first_and_keeps_those_made_elsewhere() -> None:
    play = Play(*[task(f"n{i}", *([i - 1] if i else [])) for i in range(6)])
    feed = Feed(play.state, at_once=5)
    first = feed.delta(play.now)
    assert first is not None and first.topo is not None and first.picture is not None
    assert first.topo["placed"] is False
    assert len(first.topo["nodes"]) == 6 and first.topo["edges"] == []
    placed = topo.place(first.picture)
    assert feed.keep(first.version, placed)
    assert feed.full().topo == placed
    assert not feed.keep(first.version - 1, placed)


def test_a_graph_that_grows_all_the_time_is_not_looked_at_all_the_time() -> None:
    play = Play(task("grow"), *[task(f"n{i}") for i in range(150)], value("all", *range(151)))
    feed = Feed(play.state)
    assert feed.delta(play.now) is not None
    play.grow("grow", task("one"))
    early = feed.delta(play.now + 0.01)
    assert early is not None and early.topo is None
    assert feed.behind
    late = feed.delta(play.now + 2)
    assert late is not None and late.topo is not None
    assert not feed.behind


def test_progress_is_shown_while_a_task_runs_and_forgotten_after() -> None:
    play = Play(task("train"))
    feed = Feed(play.state)
    feed.delta(play.now)
    play.run("train")
    feed.progress(0, 3, 10)
    first = feed.delta(play.now)
    assert first is not None and first.rows["0"][3:5] == [3, 10]
    play.done("train")
    last = feed.delta(play.now)
    assert last is not None and last.rows["0"][3:5] == [None, None]


def test_a_question_is_told_when_it_opens_and_when_it_is_answered() -> None:
    play = churn()
    for node in ("load_orders", "load_customers", "clean", "validate_schema", *range(4, 68), "split"):
        play.done(node)
    play.done("train_gbm", "train_linear", "evaluate")
    feed = Feed(play.state)
    feed.delta(play.now)
    token = play.ask("approve_model")
    asked = feed.delta(play.now)
    assert asked is not None and asked.asks is not None and asked.run is not None
    assert [(ask["id"], ask["state"]) for ask in asked.asks] == [(str(token), "open")]
    assert asked.run["state"] == "waiting"
    play.answer("approve_model")
    told = feed.delta(play.now)
    assert told is not None and told.asks is not None and told.run is not None
    assert (told.asks[0]["state"], told.asks[0]["answer"], told.asks[0]["by"]) == ("done", "approve", "ana")
    assert told.run["state"] == "running"


def test_what_a_failed_run_grew_is_shown_as_failed_and_what_nobody_runs_as_pending() -> None:
    play = Play(task("a"), task("b"), value("all", 0, 1))
    play.grow("a", task("inner"))
    play.grow("b", task("other"))
    feed = Feed(play.state)
    first = feed.delta(play.now)
    assert first is not None and first.st == "rrqq"
    play.fail("inner")
    last = feed.delta(play.now)
    assert last is not None and last.st == "fpfp"


def test_a_tick_of_a_large_live_graph_costs_less_than_a_millisecond() -> None:
    nodes = [task(f"n{i}", *([i - 250] if i >= 250 else [])) for i in range(500)]
    play = Play(*nodes, value("all", *range(500)))
    feed = Feed(play.state)
    feed.delta(play.now)
    costs = []
    for tick in range(50):  # 1 000 changes, 20 a tick
        play.run(*range(tick * 10, tick * 10 + 10))
        play.done(*range(tick * 10, tick * 10 + 10), took=0.01)
        begun = time.thread_time()
        assert feed.delta(play.now) is not None
        costs.append(time.thread_time() - begun)
    assert sorted(costs)[len(costs) // 2] < 0.001


def test_a_run_that_went_on_elsewhere_is_followed_too() -> None:
    play = churn()
    play.done("load_orders")
    Feed(play.state).delta(play.now)
    play.take(r.RunDetached(play.now))
    play.reopen()
    delta = Feed(play.state).delta(play.now)
    assert delta is not None and delta.st[0] == "c"


@pytest.mark.parametrize("text", NASTY)
def test_every_message_can_go_to_a_browser_whatever_it_says(text: str) -> None:
    state = hostile_run(text)
    feed = Feed(state)
    delta = feed.delta(T0)
    assert delta is not None
    told = [delta.topo, delta.rows, delta.run, [ask | {"options": []} for ask in delta.asks or []]]
    told += [detail_of(state, drawn) for drawn in feed.picture.nodes]
    json.dumps(told, ensure_ascii=False, allow_nan=False).encode()


def test_a_feed_that_comes_late_knows_what_was_grown_before() -> None:
    play = Play(task("a"))
    play.grow("a", task("inner"))
    Feed(play.state).delta(play.now)
    feed = Feed(play.state)
    first = feed.delta(play.now)
    assert first is not None and first.st == "rq"
    play.take(r.RunDetached(play.now))
    last = feed.delta(play.now)
    assert last is not None and last.st == "pp"
