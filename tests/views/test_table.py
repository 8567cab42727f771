"""The table: one row for each task, what needs a person first."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd

from nbflow.core import records as r
from nbflow.views.snapshot import Snapshot
from nbflow.views.table import to_dataframe

from .runs import ERROR, Play, event, task, value


def mixed() -> Play:
    play = Play(task("a"), task("b"), task("c"), event("ask"), task("d", 0), value("all", *range(5)))
    play.done("a", value={"rows": 3})
    play.run("b")
    play.ask("ask")
    play.take(r.TaskFailed(2, ERROR, play.now, play.now + 0.5))
    play.now += 2
    return play


def table() -> pd.DataFrame:
    play = mixed()
    return to_dataframe(Snapshot.of(play.state, play.now))


def test_what_is_under_way_comes_first_then_what_failed_then_the_rest() -> None:
    assert list(table()["node"]) == ["ask", "b", "d", "c", "a"]
    assert list(table()["state"]) == ["waiting", "running", "queued", "failed", "done"]


def test_times_are_utc_and_seconds_count_up_while_a_node_runs() -> None:
    frame = table().set_index("node")
    assert str(frame["started"].dtype).endswith("UTC]")
    assert frame.loc["a", "started"] == pd.Timestamp("2023-11-14 22:13:20", tz="UTC")
    assert frame.loc["a", "seconds"] == 1.4
    assert frame.loc["b", "seconds"] == 2.0
    assert pd.isna(frame.loc["b", "ended"]) and pd.isna(frame.loc["d", "seconds"])


def test_a_row_has_a_preview_of_the_value_and_the_error_in_a_line() -> None:
    frame = table().set_index("node")
    assert frame.loc["a", "value"] == "{'rows': 3}"
    assert frame.loc["c", "error"] == "ValueError: column 'plan' has 3 unknown levels"
    assert frame.loc["b", "error"] == ""


def test_an_empty_run_is_an_empty_table_with_the_same_columns() -> None:
    play = Play(value("nothing"))
    frame = to_dataframe(Snapshot.of(play.state, play.now))
    assert len(frame) == 0
    assert list(frame.columns) == list(table().columns)
    assert list(frame.dtypes[["attempts", "seconds"]].astype(str)) == ["int64", "float64"]


def test_the_views_load_neither_pandas_nor_graphviz_until_asked() -> None:
    code = "import sys, nbflow.views; print({'pandas', 'graphviz', 'numpy', 'asyncio'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"
