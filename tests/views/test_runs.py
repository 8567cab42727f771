"""All runs as a table: what it says, how it looks in a terminal, in a notebook and in pandas."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest

from nbflow.core.status import NodeStatus, WorkflowStatus
from nbflow.views.palette import LOOKS
from nbflow.views.runs import LETTERS, ROWS, RunList, RunRow

T0 = 1_790_000_000.0
W = WorkflowStatus


def summary(**more: Any) -> dict[str, Any]:
    counts = {"done": 2, "restored": 1, "failed": 1, "waiting": 1, "pending": 3}
    return {"name": "churn", "created": T0, "started": T0 + 1, "ended": T0 + 9, "counts": counts, **more}


def row(status: W = W.RUNNING, workflow_id: str = "churn-1", live: bool = True, **more: Any) -> RunRow:
    return RunRow.of(workflow_id, summary(**more), status, live=live, changed=T0 + 60)


def test_counts_become_the_letters_that_views_show() -> None:
    assert row().counts == {"s": 2, "c": 1, "f": 1, "e": 1, "p": 3}
    assert (row().done, row().total) == (3, 8)
    assert set(LETTERS) == set(NodeStatus) and set(LETTERS.values()) <= set(LOOKS)


def test_a_running_run_with_an_open_question_needs_a_person() -> None:
    asking = row(questions=[{"id": "ok", "title": "Go?", "token": 7}])
    assert asking.look[0] == "waiting" and asking.questions == ("Go?",) and asking.asked == (7,)
    assert asking.counts["w"] == 1
    assert row().look[0] == "running"


def test_a_run_that_has_ended_asks_nothing() -> None:
    assert row(W.CANCELED, questions=[{"id": "ok", "title": "Go?", "token": 7}]).questions == ()


def test_only_a_run_that_has_ended_has_an_end() -> None:
    assert row(W.FAILED).ended == T0 + 9
    assert row(W.RUNNING).ended == 0.0


@pytest.mark.parametrize(
    "cached",
    [
        {},
        {"counts": None, "questions": None, "created": None, "name": None},
        {"counts": {"from a later version": 1, "done": "x"}, "questions": ["x"], "created": "x"},
    ],
)
def test_a_cache_that_lacks_things_still_gives_a_row(cached: dict[str, Any]) -> None:
    found = RunRow.of("a", cached, W.RESUMABLE, live=False, changed=T0)
    assert (found.total, found.questions, found.created, found.name) == (0, (), T0, "")


def test_in_a_terminal_it_is_a_table_of_aligned_columns() -> None:
    runs = RunList([row(questions=[{"id": "ok", "title": "Go?"}]), row(W.FAILED, "longer-name")])
    assert repr(runs).splitlines() == [
        "run          name   state              progress          questions  created           changed",
        "churn-1      churn  ◆ Waiting for you  3 of 8, 1 failed  1          2026-09-21 14:13  2026-09-21 14:14",
        "longer-name  churn  ✕ Failed           3 of 8, 1 failed             2026-09-21 14:13  2026-09-21 14:14",
    ]
    assert repr(RunList([], "./runs")) == "No runs in ./runs yet"


def test_in_a_notebook_every_run_has_its_word_its_glyph_and_its_question() -> None:
    html = RunList([row(status, f"run-{status}") for status in W], "x")._repr_html_()
    for status in W:
        assert row(status).look[2] in html and f"run-{status}" in html
    assert "Go?" in RunList([row(questions=[{"id": "ok", "title": "Go?"}])])._repr_html_()


def test_text_from_outside_cannot_become_html() -> None:
    bad = "<script>alert(1)</script>"
    html = RunList([row(workflow_id=bad, name=bad, questions=[{"id": bad, "title": bad}])])._repr_html_()
    assert "<script" not in html
    assert set(re.findall(r"<(\w+)", html)) <= {"table", "thead", "tbody", "tr", "th", "td", "b", "br", "code", "span"}


def test_many_runs_are_cut_and_say_so() -> None:
    runs = RunList([row(workflow_id=f"run-{i}") for i in range(ROWS + 940)])
    assert len(repr(runs).splitlines()) == ROWS + 2 and "940 more" in repr(runs)
    assert "940 more" in runs._repr_html_() and runs._repr_html_().count("<tr>") == ROWS + 1
    assert len(runs.to_dataframe()) == len(runs) == ROWS + 940


def test_it_is_a_sequence() -> None:
    runs = RunList([row(workflow_id=f"run-{i}") for i in range(5)], "x")
    assert [each.workflow_id for each in runs[1:3]] == ["run-1", "run-2"]
    assert isinstance(runs[1:3], RunList) and runs[-1].workflow_id == "run-4" and runs[0] in runs


def test_the_dataframe_has_one_typed_row_for_each_run() -> None:
    frame = RunList([row(), row(W.SUCCESSFUL, "b", live=False)]).to_dataframe()
    assert list(frame.columns) == ["id", "name", "status", "live", "done", "total", "questions", "created", "changed"]
    assert str(frame.created.dtype).startswith("datetime64") and str(frame.created.dt.tz) == "UTC"
    assert frame.total.dtype == "int64" and list(frame.live) == [True, False]
    assert list(RunList([]).to_dataframe().columns) == list(frame.columns)


def test_a_table_for_people_loads_no_pandas() -> None:
    code = "import sys; from nbflow.views.runs import RunList; repr(RunList([])); print('pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
