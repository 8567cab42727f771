"""What changed in the code of a node, as a small diff that nothing is loaded for."""

from __future__ import annotations

from dataclasses import replace

from nbflow.core import records as r
from nbflow.core.graph import Code
from nbflow.views.detail import detail_of
from nbflow.views.diff import change_of, diff_of, told
from nbflow.views.feed import Feed
from nbflow.views.html import to_html
from nbflow.views.picture import Picture
from nbflow.views.rows import CHANGED
from nbflow.views.snapshot import Snapshot
from nbflow.views.svg import to_svg
from nbflow.views.text import to_text

from .runs import Play, task, value

OLD = "def clean(x):\n    y = x * 10\n    return y\n\n\nRATE = 1"
NEW = "def clean(x):\n    y = x * 10\n    return y <b>\n\n\nRATE = 1"


def changed_play(new: str = NEW) -> Play:
    """Return a run whose task clean is done, and was given other code since."""
    specs = (task("load"), task("clean", 0, code="old"), task("train", 1))
    play = Play(*specs)
    play.take(r.CodeAdded(Code("old", "clean", fingerprint="1", source=OLD)))
    play.done("load")
    play.done("clean")
    play.take(r.RunOpened(play.now))
    play.take(r.CodeAdded(Code("new", "clean", fingerprint="2", source=new)))
    play.bind((specs[0], replace(specs[1], code="new"), specs[2]), -1)
    play.take(r.RunStarted(play.now))
    return play


def test_the_lines_that_went_and_came_are_shown_with_two_around_them() -> None:
    state = changed_play().state
    assert diff_of(state, 1).splitlines() == [
        " def clean(x):", "     y = x * 10", "-    return y", "+    return y <b>", " ", " ",
    ]  # fmt: skip
    assert told(state, 1).splitlines()[0] == "This result was made by other code."
    assert (diff_of(state, 0), change_of(state, 0), told(state, 0)) == ("", "", "")


def test_a_long_diff_is_cut_and_one_without_source_is_words_alone() -> None:
    state = changed_play("\n".join(f"line {n}" for n in range(200))).state
    lines = diff_of(state, 1, lines=10).splitlines()
    assert len(lines) == 10 + 1 and lines[-1] == "... and 196 more lines"
    state = changed_play("RATE = 0\n" + OLD.replace("RATE = 1", "RATE = 2")).state
    assert diff_of(state, 1).splitlines()[3] == "..."
    for key in ("old", "new"):
        state.codes[key] = replace(state.codes[key], source="")
    assert told(state, 1) == "This result was made by other code."


def test_details_rows_text_and_pictures_say_that_a_node_changed() -> None:
    play = changed_play()
    detail = detail_of(play.state, Picture.of(play.state).nodes[1])
    assert detail["change"]["what"] == "This result was made by other code."
    assert "+    return y <b>" in detail["change"]["diff"]
    snapshot = Snapshot.of(play.state, play.now)
    assert [row.changed for row in snapshot.nodes] == [0, 1, 0]
    assert [len(message) for message in snapshot.to_message()["rows"].values()] == [7, 8]
    assert CHANGED in to_text(snapshot)
    html = to_html(snapshot)
    assert "clean: This result was made by other code." in html and "return y &lt;b&gt;" in html
    svg = to_svg(snapshot)
    assert svg.count(f", {CHANGED}</title>") == 1


def test_a_stack_counts_its_changed_members_and_a_feed_follows_the_mark() -> None:
    members = [task(f"f_{i}", code="f", group="g") for i in range(9)]
    play = Play(*members, value("all", *range(9)))
    for i in range(3):
        play.done(i)
    feed = Feed(play.state)
    feed.delta(play.now)
    play.take(r.RunOpened(play.now))
    play.bind([*(replace(one, call=[[1]]) for one in members), value("all", *range(9))], -1)
    play.take(r.RunStarted(play.now))
    delta = feed.delta(play.now, everything=True)
    assert delta is not None and delta.rows["0"][7] == 3
    (row, *_) = Snapshot.of(play.state, play.now).nodes
    assert (row.changed, row.note) == (3, "3 changed since")
    detail = detail_of(play.state, Picture.of(play.state).nodes[0])
    assert detail["change"]["what"] == "This result was made by other inputs."
    play.take(r.RunOpened(play.now))
    play.take(r.NodesReset((0, 1)))
    play.take(r.RunStarted(play.now))
    delta = feed.delta(play.now, everything=True)
    assert delta is not None and delta.rows["0"][7] == 1
