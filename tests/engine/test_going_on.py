"""A used id: what is kept, what runs again, and who may have the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.engine.host import Host
from nbflow.errors import RunIsLive, WorkflowExecutionError, WorkflowNotResumableError
from tests.engine.tools import Counter, Gate, finish, script, until


@pytest.fixture
def calls(tmp_path: Path) -> Counter:
    return Counter(tmp_path / "calls")


def test_a_mended_task_runs_and_finished_ones_do_not(calls: Counter) -> None:
    first = nf.task(lambda: calls.add("first"), name="first")

    @nf.task(name="second")
    def broken(x: int) -> int:
        raise ValueError

    @nf.task(name="second")
    def mended(x: int) -> int:
        return x + 10

    with pytest.raises(WorkflowExecutionError):
        nf.run(broken.bind(first.bind()), workflow_id="w")
    assert nf.run(mended.bind(first.bind()), workflow_id="w") == 11
    assert calls.words == ["first"]


def test_a_finished_task_whose_code_changed_keeps_its_result_and_is_marked(calls: Counter) -> None:
    old, new = nf.task(lambda: 1, name="source"), nf.task(lambda: 2, name="source")
    after = nf.task(lambda x: (calls.add(), x)[1], name="after")
    assert nf.run(after.bind(old.bind()), workflow_id="w") == 1
    run = nf.run_async(after.bind(new.bind()), workflow_id="w")
    assert run.result(10) == 1
    changed = {node.node_id: node.changed for node in run.state.nodes}
    assert changed == {"source": True, "after": False}
    assert calls.count() == 1


def test_a_changed_graph_keeps_what_it_has_in_common(calls: Counter) -> None:
    named = nf.task(lambda name: (calls.add(name), name)[1], name="named")
    join = nf.task(lambda *xs: "".join(xs), name="join")
    a, b = (named.options(task_id=name).bind(name) for name in "ab")
    assert nf.run(join.bind(a, b), workflow_id="w") == "ab"
    a, c = (named.options(task_id=name).bind(name) for name in "ac")
    run = nf.run_async(join.options(task_id="other").bind(a, c), workflow_id="w")
    assert run.result(10) == "ac"
    assert calls.words[2:] == ["c"]
    assert set(run.state.index) == {"a", "c", "other"}


def test_a_handle_speaks_of_the_run_as_it_is_now(calls: Counter) -> None:
    @nf.task
    def once_bad() -> int:
        if calls.add() == 1:
            raise ValueError
        return 5

    run = nf.run_async(once_bad.bind(), workflow_id="w")
    with pytest.raises(WorkflowExecutionError):
        run.result(10)
    assert run.resume().result(10) == 5
    until(lambda: run.status == "SUCCESSFUL")
    assert run.result(10) == 5
    assert repr(run) == "<run 'w' SUCCESSFUL>"
    run.delete()
    assert repr(run) == "<run 'w' deleted>"


def test_a_run_resumed_by_its_handle_can_grow(calls: Counter) -> None:
    inner = nf.task(lambda x: calls.add("inner"), name="inner")

    @nf.task
    def outer() -> Any:
        if calls.add("outer") == 1:
            raise ValueError
        return nf.continuation(inner.bind(1))

    run = nf.run_async(outer.bind(), workflow_id="w")
    with pytest.raises(WorkflowExecutionError):
        run.result(10)
    assert run.resume().result(10) == 1
    assert nf.get_output("w", task_id="inner") == 1


def test_a_run_that_was_let_go_says_so_to_who_waits(host: Host) -> None:
    gate = Gate()
    stay = nf.task(lambda: gate.wait(), name="stay")
    run = nf.run_async(stay.bind(), workflow_id="w")
    gate.reached()
    run.detach("for lunch")
    with pytest.raises(WorkflowNotResumableError, match="for lunch"):
        run.result(10)
    assert run.status == "RESUMABLE"
    gate.open.set()


def test_closing_the_engine_lets_every_run_go_and_begins_none_that_waits(folder: Path) -> None:
    gate, began = Gate(), []
    nf.shutdown()
    nf.init(storage=str(folder), max_running_workflows=1)
    stay = nf.task(lambda name: (began.append(name), gate.wait()), name="stay")
    runs = [nf.run_async(stay.bind(name), workflow_id=name) for name in "ab"]
    gate.reached()
    nf.shutdown()
    gate.open.set()
    assert began == ["a"]
    for run in runs:
        with pytest.raises(WorkflowNotResumableError):
            run.result(1)
        assert run.status == "RESUMABLE"
        with pytest.raises(RuntimeError, match="shutdown"):
            run.resume()


OWNER = """
import sys, time, nbflow as nf
nf.init(storage=sys.argv[1])
run = nf.run_async(nf.wait_for_event("go"), workflow_id="w")
while not run.state.counts["waiting"]: time.sleep(0.01)
print("HERE", flush=True)
try:
    print("value", run.result(30))
except nf.errors.RunIsLive as error:
    print("taken:", error)
"""


def owner(folder: Path) -> Any:
    program = script(OWNER.replace("nbflow as nf", "nbflow as nf, nbflow.errors, nbflow.engine.keeper").replace(
        "nf.init(", "nf.engine.keeper.HEARTBEAT = 0.05; nf.init("), folder)  # fmt: skip
    assert program.stdout is not None
    assert program.stdout.readline() == "HERE\n"
    return program


@pytest.mark.crash
def test_a_run_that_is_live_elsewhere_is_refused_and_can_be_sent_to(folder: Path) -> None:
    program = owner(folder)
    assert nf.get_status("w") == "RUNNING"
    for call in (nf.resume, lambda name: nf.run(nf.wait_for_event("go"), workflow_id=name)):
        with pytest.raises(RunIsLive) as refused:
            call("w")
        assert refused.value.owner["pid"] == program.pid
    nf.send("w", "go", 5)
    assert "value 5" in finish(program)
    assert nf.get_output("w") == 5


@pytest.mark.crash
def test_a_run_can_be_taken_over_and_the_other_process_stops(folder: Path) -> None:
    program = owner(folder)
    run = nf.resume_async("w", takeover=True)
    assert "taken:" in finish(program)
    run.send("go", 6)
    assert run.result(10) == 6


@pytest.mark.crash
def test_the_run_of_a_dead_process_is_free(folder: Path) -> None:
    program = owner(folder)
    program.kill()
    program.communicate()
    run = nf.resume_async("w")
    run.send("go", 7)
    assert run.result(10) == 7


@pytest.mark.crash
def test_a_fork_does_not_use_the_engine_of_its_parent(folder: Path) -> None:
    code = """
    import os, sys, warnings, nbflow as nf
    warnings.simplefilter("ignore")  # of Python 3.12: it tells every fork of a process with threads
    nf.init(storage=sys.argv[1])
    one = nf.task(lambda: 1, name="one")
    run = nf.run_async(one.bind(), workflow_id="parent")
    run.result(10)
    pid = os.fork()
    if pid == 0:
        try:
            run.resume()
        except RuntimeError as error:
            print("refused", flush=True)
        nf.init(storage=sys.argv[1])
        print(nf.run(one.bind(), workflow_id="child"), flush=True)
        os._exit(0)
    os.waitpid(pid, 0)
    print(nf.run(one.bind(), workflow_id="again"))
    """
    out = finish(script(code, folder))
    assert out.split() == ["refused", "1", "1"]
    assert {name for name, _ in nf.list_all()} == {"parent", "child", "again"}


def test_who_mends_a_cell_of_a_live_run_is_told_how_to_go_on_with_it_and_not_to_cancel_it() -> None:
    def after(word: str) -> nf.Node[Any]:
        return nf.task(lambda _: word, name="after").bind(nf.wait_for_event("go"))

    nf.run_async(after("old"), workflow_id="w")
    with pytest.raises(RunIsLive) as refused:
        nf.run_async(after("mended"), workflow_id="w")
    advice = "nbflow.get_run('w').detach()"
    assert advice in str(refused.value) and "cancel" not in str(refused.value)
    eval(advice, {"nbflow": nf})
    run = nf.run_async(after("mended"), workflow_id="w")
    run.send("go")
    assert run.result(20) == "mended"
