"""Fix the cell and run it again: what is kept, what runs anew, and what a person is told."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.engine.host import Host
from nbflow.errors import WorkflowChangedError, WorkflowExecutionError
from tests.engine.tools import Counter


@pytest.fixture
def calls(tmp_path: Path) -> Counter:
    return Counter(tmp_path / "calls")


def cells(source: str, **names: Any) -> dict[str, Any]:
    """Run a cell of a notebook and return its names."""
    space = {"nf": nf, "__name__": "__main__", **names}
    exec(source, space)
    return space


PIPELINE = """
RATE = {rate}
def scaled(x):
    return x * RATE
@nf.task
def load():
    calls.add("load")
    return 1
@nf.task
def clean(x):
    calls.add("clean")
    return scaled(x)
@nf.task
def train(x, y=0):
    calls.add("train")
    {train}
@nf.task
def other(n):
    calls.add("other")
    return n
loaded = load.bind()
dag = train.bind(clean.bind(loaded), other.bind({n}))
"""


def pipeline(calls: Counter, rate: int = 10, train: str = "return x + y", n: int = 5) -> Any:
    return cells(PIPELINE.format(rate=rate, train=train, n=n), calls=calls)["dag"]


def changed(workflow_id: str = "w") -> dict[str, bool]:
    return {node.node_id: node.changed for node in nf.get_run(workflow_id).state.nodes if node.changed}


def notices(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if getattr(record, "action", "") == "notice"]


def test_a_mended_cell_runs_the_failed_task_alone_and_says_nothing(
    calls: Counter, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(WorkflowExecutionError):
        nf.run(pipeline(calls, train="raise ValueError('oops')"), workflow_id="w")
    assert nf.run(pipeline(calls), workflow_id="w") == 15
    assert sorted(calls.words) == ["clean", "load", "other", "train", "train"]
    assert changed() == {} and notices(caplog) == []


def test_a_changed_helper_is_told_once_by_the_names_of_the_tasks_and_results_are_kept(
    calls: Counter, caplog: pytest.LogCaptureFixture
) -> None:
    nf.run(pipeline(calls), workflow_id="w")
    assert nf.run(pipeline(calls, rate=20, n=6), workflow_id="w") == 15
    assert len(calls.words) == 4
    assert changed() == {"clean": True, "other": True}
    (said,) = notices(caplog)
    assert "2 tasks keep results of earlier code or inputs: 'clean' (code), 'other' (inputs)" in said
    assert "on_change='rerun'" in said and "diff('clean')" in said


def test_rerun_runs_what_changed_and_all_that_depends_on_it_and_nothing_else(
    calls: Counter, caplog: pytest.LogCaptureFixture
) -> None:
    nf.run(pipeline(calls), workflow_id="w")
    assert nf.run(pipeline(calls, rate=20), workflow_id="w", on_change="rerun") == 25
    assert sorted(calls.words[4:]) == ["clean", "train"]
    assert changed() == {} and notices(caplog) == []
    assert nf.run(pipeline(calls, rate=20), workflow_id="w", on_change="rerun") == 25
    assert len(calls.words) == 6, "nothing has changed since"


def test_an_error_names_the_tasks_and_the_choices_and_changes_nothing(calls: Counter, host: Host) -> None:
    nf.run(pipeline(calls), workflow_id="w")
    before = host.storage.read_run("w")
    with pytest.raises(WorkflowChangedError, match=r"'clean' \(code\).*'keep'.*'rerun'") as refused:
        nf.run(pipeline(calls, rate=20), workflow_id="w", on_change="error")
    assert refused.value.nodes == ["clean"]
    copied = pickle.loads(pickle.dumps(refused.value))
    assert (copied.nodes, str(copied)) == (["clean"], str(refused.value))
    assert host.storage.read_run("w") == before
    assert nf.run(pipeline(calls), workflow_id="w", on_change="error") == 15


def test_code_that_is_again_what_it_was_is_no_change(calls: Counter) -> None:
    nf.run(pipeline(calls), workflow_id="w")
    nf.run(pipeline(calls, rate=20), workflow_id="w")
    assert changed() == {"clean": True}
    nf.run(pipeline(calls), workflow_id="w")
    assert changed() == {}


def test_another_input_of_the_run_marks_who_has_used_it(calls: Counter) -> None:
    half = nf.task(lambda x: x / 2, name="half")
    dag = half.bind(nf.InputNode())
    assert nf.run(dag, 10, workflow_id="w") == 5
    assert nf.run(dag, 20, workflow_id="w") == 5
    assert changed() == {"half": True}
    assert nf.run(dag, 20, workflow_id="w", on_change="rerun") == 10
    assert changed() == {}


MAPPED = """
@nf.task
def numbers():
    calls.add("numbers")
    return [1, 2, 3]
@nf.task
def square(x):
    calls.add(f"square{{x}}")
    {body}
@nf.task
def total(xs):
    return sum(xs)
dag = total.bind(square.map(numbers.bind()))
"""


def test_the_mended_task_of_a_map_over_a_value_runs_where_it_had_failed(calls: Counter) -> None:
    def given(body: str) -> Any:
        return cells(MAPPED.format(body=body), calls=calls)["dag"]

    with pytest.raises(WorkflowExecutionError):
        nf.run(given("assert x != 2; return x * x"), workflow_id="w")
    assert nf.run(given("return x * x"), workflow_id="w") == 14
    again = [word for word in calls.words if calls.count(word) > 1]
    assert set(again) == {"square2"}, "only the one that failed"
    assert "square_map" in changed(), "what it returned was made by the older code"


NESTED = """
@nf.task
def inner(x):
    calls.add("inner")
    {body}
@nf.task(max_retries=0)
def outer(x):
    calls.add("outer")
    return nf.continuation(inner.options(max_retries=0, name="deep").bind(x))
dag = outer.bind(3)
"""


def test_what_a_continuation_calls_is_mended_by_the_name_of_its_task_and_keeps_its_options(calls: Counter) -> None:
    def given(body: str) -> Any:
        return cells(NESTED.replace(', name="deep"', "").format(body=body), calls=calls)["dag"]

    with pytest.raises(WorkflowExecutionError):
        nf.run(given("raise ValueError"), workflow_id="w")
    run = nf.run_async(given("return x + 1"), workflow_id="w")
    assert run.result(10) == 4
    assert calls.words == ["outer", "inner", "inner"]
    state = run.state
    assert state.options(state.index["inner"]).retry.max_retries == 0


def test_a_function_as_an_argument_is_the_same_one_when_its_cell_is_run_again() -> None:
    code = """
    class Config:
        def __init__(self, n):
            self.n = n
    def key(x):
        return -x
    @nf.task
    def ordered(xs, by, config):
        return sorted(xs, key=by)[:config.n]
    dag = ordered.bind([1, 3, 2], key, Config({n}))
    """
    import textwrap

    first, again, other = (cells(lines + textwrap.dedent(code).format(n=n))["dag"]
                           for lines, n in (("", 2), ("\n\n# moved\n", 2), ("", 1)))  # fmt: skip
    assert nf.run(first, workflow_id="w") == [3, 2]
    assert nf.run(again, workflow_id="w", on_change="error") == [3, 2]
    with pytest.raises(WorkflowChangedError, match=r"'ordered' \(inputs\)"):
        nf.run(other, workflow_id="w", on_change="error")


@pytest.mark.parametrize("choice", [{"on_change": "maybe"}, {"existing": "replace"}, {"cleanup": True}])
def test_a_choice_that_there_is_not_is_refused_with_those_that_there_are(choice: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(choice))}=.*choose one of '"):
        nf.run(nf.task(max, name="biggest").bind([1]), workflow_id="w", **choice)
    assert nf.list_all() == []


def test_the_diff_of_a_changed_task_is_text_and_no_code_is_loaded(
    calls: Counter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    first, second = Path(calls.path).with_name("one.py"), Path(calls.path).with_name("two.py")
    for path, rate in ((first, 10), (second, 20)):
        path.write_text(PIPELINE.format(rate=rate, train="return x + y", n=5))
        space = {"nf": nf, "__name__": "__main__", "calls": calls}
        exec(compile(path.read_text(), str(path), "exec"), space)
        nf.run(space["dag"], workflow_id="w")
    monkeypatch.setattr("pickle.loads", None)
    diff = nf.get_run("w").diff("clean")
    assert "-RATE = 10" in diff and "+RATE = 20" in diff
    assert diff.startswith("This result was made by other code.")
    assert nf.get_run("w").diff("load") == ""
    with pytest.raises(ValueError, match="No such node"):
        nf.get_run("w").diff("nobody")
    assert any("its result stays, which other code made" in line for line in nf.get_run("w").story("clean"))
