"""An id that is used: go on, begin anew, take the result, or refuse."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.engine.host import Host
from nbflow.errors import GraphError, RunIsLive, WorkflowExecutionError, WorkflowExistsError
from tests.engine.tools import Counter, Gate, finish, script


@pytest.fixture
def calls(tmp_path: Path) -> Counter:
    return Counter(tmp_path / "calls")


@pytest.fixture
def count(calls: Counter) -> Any:
    """Give a graph whose result is how often it was run."""
    return nf.task(lambda: calls.add(), name="count").bind()


def test_an_id_that_is_used_goes_on_unless_something_else_is_chosen(count: Any, calls: Counter) -> None:
    assert nf.run(count, workflow_id="w") == nf.run(count, workflow_id="w") == 1
    assert nf.run(count, workflow_id="w", existing="resume") == 1


def test_error_refuses_a_used_id_and_names_the_choices(count: Any) -> None:
    assert nf.run(count, workflow_id="w", existing="error") == 1
    with pytest.raises(WorkflowExistsError, match=r"exists already.*'resume'.*'return'.*'restart'") as refused:
        nf.run(count, workflow_id="w", existing="error")
    assert isinstance(refused.value, FileExistsError) and refused.value.workflow_id == "w"
    assert pickle.loads(pickle.dumps(refused.value)).workflow_id == "w"


def test_error_refuses_an_id_that_is_live_here(count: Any) -> None:
    gate = Gate()
    run = nf.run_async(nf.task(gate.wait, name="stay").bind(), workflow_id="w")
    gate.reached()
    with pytest.raises(WorkflowExistsError):
        nf.run(count, workflow_id="w", existing="error")
    gate.open.set()
    run.result(10)


def test_return_gives_a_result_without_a_look_at_the_graph(count: Any, host: Host) -> None:
    nf.run(count, workflow_id="w")
    before = host.storage.read_run("w")
    other = nf.task(lambda: "other", name="other").bind()
    assert nf.run(other, workflow_id="w", existing="return") == 1
    assert host.storage.read_run("w") == before
    assert nf.run(count, workflow_id="new", existing="return") == 2, "a new id begins"


def test_return_waits_for_a_run_that_is_live_here_and_goes_on_with_one_that_failed(calls: Counter) -> None:
    gate = Gate()

    @nf.task(max_retries=0)
    def stay() -> int:
        gate.wait()
        if calls.add() == 1:
            raise ValueError
        return 7

    first = nf.run_async(stay.bind(), workflow_id="w")
    gate.reached()
    second = nf.run_async(stay.bind(), workflow_id="w", existing="return")
    gate.open.set()
    for run in (first, second):
        with pytest.raises(WorkflowExecutionError):
            run.result(10)
    assert nf.run(stay.bind(), workflow_id="w", existing="return") == 7


def test_restart_begins_anew_also_after_a_cancellation(count: Any, calls: Counter) -> None:
    nf.run(count, workflow_id="w", metadata={"try": 1})
    assert nf.run(count, workflow_id="w", existing="restart") == 2
    assert nf.get_metadata("w")["user_metadata"] == {}
    run = nf.run_async(nf.wait_for_event("never"), workflow_id="canceled")
    run.cancel()
    assert nf.run(count, workflow_id="canceled", existing="restart") == 3
    assert nf.run(count, workflow_id="new", existing="restart") == 4


def test_restart_deletes_nothing_for_a_graph_that_is_none(count: Any) -> None:
    nf.run(count, workflow_id="w")
    pair = nf.task(lambda *xs: xs, name="pair")
    twins = pair.bind(*(pair.options(task_id="same").bind(n) for n in (1, 2)))
    with pytest.raises(GraphError, match="same"):
        nf.run(twins, workflow_id="w", existing="restart")
    with pytest.raises(TypeError):
        nf.run(5, workflow_id="w", existing="restart")
    assert nf.get_output("w") == 1


def test_restart_takes_nothing_away_from_a_run_that_is_live(count: Any) -> None:
    gate = Gate()
    run = nf.run_async(nf.task(lambda: (gate.wait(), 5)[1], name="stay").bind(), workflow_id="w")
    gate.reached()
    with pytest.raises(RunIsLive):
        nf.run(count, workflow_id="w", existing="restart")
    gate.open.set()
    assert run.result(10) == 5


@pytest.mark.crash
def test_of_two_processes_that_want_a_new_run_one_has_it(folder: Path) -> None:
    code = """
    import sys, nbflow as nf
    nf.init(storage=sys.argv[1])
    try:
        print(nf.run(nf.task(lambda: "mine", name="mine").bind(), workflow_id="w", existing="error"))
    except (nf.errors.WorkflowExistsError, nf.errors.RunIsLive) as error:
        print("told")
    """.replace("import sys, nbflow as nf", "import sys, nbflow as nf, nbflow.errors")
    programs = [script(code, folder) for _ in range(2)]
    assert sorted(finish(program).split() for program in programs) == [["mine"], ["told"]]
