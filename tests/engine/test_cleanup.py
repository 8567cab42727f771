"""After a success only the result stays, when that was asked for; what happened can still be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.engine import cleanup
from nbflow.engine.host import Host
from nbflow.errors import StorageError, WorkflowExecutionError
from nbflow.storage.memory import MemoryStorage
from tests.engine.tools import Counter, kill_at, large_files, script, until


@pytest.fixture
def calls(tmp_path: Path) -> Counter:
    return Counter(tmp_path / "calls")


def pipeline(calls: Counter) -> Any:
    big = nf.task(lambda: (calls.add("big"), bytes(300_000))[1], name="big")
    small = nf.task(lambda x: (calls.add("small"), {"size": len(x)})[1], name="small")
    last = nf.task(lambda x, y: (calls.add("last"), [x["size"], y])[1], name="last")
    return last.bind(small.bind(big.bind()), nf.put("y" * 20_000))


def journal_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("runs/w/j-*"))


def test_only_the_result_is_kept_and_the_story_times_and_states_are(folder: Path, calls: Counter) -> None:
    value = nf.run(pipeline(calls), workflow_id="w", cleanup="success", metadata={"team": "a"})
    assert value[0] == 300_000
    assert large_files(folder, 100_000) == []
    assert nf.get_output("w") == value
    assert (nf.get_status("w"), nf.get_metadata("w")["user_metadata"]) == ("SUCCESSFUL", {"team": "a"})
    for name in ("big", "small"):
        with pytest.raises(ValueError, match=rf"output of task '{name}'.*removed when the run had succeeded"):
            nf.get_output("w", task_id=name)
        assert {"start_time", "end_time"} <= set(nf.get_metadata("w", name)["stats"])
    assert nf.get_output("w", task_id="last") == value
    assert "attempt 1 succeeded" in nf.get_run("w").story("big")[-1]
    assert "{'size': 300000}" in nf.get_run("w")._snapshot().tasks[1].value, "what a person may read of it stays"


def test_the_journal_is_small_and_a_run_that_keeps_all_is_not(folder: Path, calls: Counter) -> None:
    nf.run(nf.task(len, name="n").bind(["x" * 100] * 100), workflow_id="w")
    full = journal_size(folder)
    texts = [nf.task(lambda n: "z" * 10_000 + str(n), name="text").bind(n) for n in range(20)]
    count = nf.task(lambda *xs: len(xs), name="count").bind(*texts)
    assert nf.run(count, workflow_id="w", existing="restart", cleanup="never") == 20
    assert journal_size(folder) > 200_000 > full
    assert nf.run(count, workflow_id="w", existing="restart", cleanup="success") == 20
    assert journal_size(folder) < 40_000


def test_a_run_that_was_cleaned_up_goes_on_with_what_it_has_and_makes_again_what_it_needs(calls: Counter) -> None:
    value = nf.run(pipeline(calls), workflow_id="w", cleanup="success")
    assert nf.run(pipeline(calls), workflow_id="w", on_change="error") == value, "the same graph has not changed"
    assert nf.resume("w") == value
    assert calls.words == ["big", "small", "last"]
    more = nf.task(lambda x: x[1][:1], name="more").bind(pipeline(calls))
    assert nf.run(more, workflow_id="w") == "y", "the result was there"
    assert calls.words == ["big", "small", "last"]
    last = nf.task(lambda x: x["size"] + 1, name="again").bind(pipeline(calls)._deps[0])
    assert nf.run(last, workflow_id="w") == 300_001
    assert calls.words[3:] == ["big", "small"]


def test_a_failure_keeps_all_and_the_choice_holds_for_the_success_after_it(folder: Path, calls: Counter) -> None:
    @nf.task(max_retries=0)
    def shaky(x: bytes) -> int:
        if calls.add("shaky") == 1:
            raise ValueError
        return len(x)

    big = nf.task(lambda: bytes(200_000), name="big")
    with pytest.raises(WorkflowExecutionError):
        nf.run(shaky.bind(big.bind()), workflow_id="w", cleanup="success")
    assert len(large_files(folder, 100_000)) == 1
    assert nf.resume("w") == 200_000
    assert large_files(folder, 100_000) == []
    assert nf.get_metadata("w")["cleanup"] == "success"


def test_the_answers_of_people_and_a_result_of_many_parts_stay() -> None:
    ask = nf.wait_for_event(nf.ButtonListener, "Go?", options=["yes", "no"], show="look " * 5000)
    part = nf.task(lambda n: n * 1000 * "x", name="part")
    run = nf.run_async(
        [part.bind(50), ask, {"k": part.bind(2)}, nf.put("p" * 20_000)], workflow_id="w", cleanup="success"
    )
    until(lambda: run.questions, "the question")
    run.answer("Go?", "yes", by="ana", comment="fine")
    value = run.result(10)
    assert nf.get_output("w") == value
    assert [len(value[0]), len(value[2]["k"]), len(value[3])] == [50_000, 2000, 20_000]
    decision = nf.get_output("w", task_id="go")
    assert (decision.option, decision.by, decision.comment) == ("yes", "ana", "fine")


def test_a_continuation_gives_its_result_and_nothing_else(folder: Path) -> None:
    step = nf.task(lambda x: bytes(x), name="step")
    size = nf.task(lambda x: len(x), name="size")
    grow = nf.task(lambda: nf.continuation(size.bind(step.bind(150_000))), name="grow")
    assert nf.run(grow.bind(), workflow_id="w", cleanup="success") == 150_000
    assert nf.get_output("w") == 150_000 and large_files(folder, 100_000) == []


def test_a_fork_keeps_what_its_parent_removes(folder: Path, calls: Counter) -> None:
    dag = pipeline(calls)
    run = nf.run_async(
        nf.task(lambda x, e: e, name="end").bind(dag, nf.wait_for_event("go")), workflow_id="w", cleanup="success"
    )
    until(lambda: run.state.index and run.state.nodes[run.state.index["last"]].status.finished, "last")
    nf.fork("w", "kept", after="last")
    run.send("go", 1)
    assert run.result(10) == 1
    assert nf.get_output("kept", task_id="big") == bytes(300_000)
    assert len(large_files(folder, 100_000)) == 1


def test_what_goes_wrong_with_the_cleanup_is_told_and_the_result_is_safe(
    calls: Counter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cleanup, "cleaned", lambda wires, state: wires[:3])
    assert nf.run(pipeline(calls), workflow_id="w", cleanup="success")[0] == 300_000
    assert "could not be removed" in caplog.text and "The result is safe" in caplog.text
    assert nf.get_output("w", task_id="small") == {"size": 300_000}

    def fail(runner: Any) -> None:
        raise StorageError("the disk is on fire.")

    monkeypatch.setattr("nbflow.engine.runner.clean_up", fail)
    assert nf.run(pipeline(calls), workflow_id="v", cleanup="success")[0] == 300_000
    assert "on fire" in caplog.text


def test_runs_in_memory_are_cleaned_up_too(calls: Counter) -> None:
    nf.shutdown()
    nf.init(storage=MemoryStorage())
    value = nf.run(pipeline(calls), workflow_id="w", cleanup="success")
    assert nf.get_output("w") == value
    with pytest.raises(ValueError, match="removed when"):
        nf.get_output("w", task_id="big")


def test_only_the_choices_that_were_made_are_recorded(host: Host, calls: Counter) -> None:
    nf.run(pipeline(calls), workflow_id="w")
    (graph,) = [wire for wire in host.storage.read_run("w") if wire["t"] == "graph"]
    assert "cleanup" not in graph and "cleanup" not in nf.get_metadata("w")


PROGRAM = """
import os, sys, time, nbflow as nf
from nbflow.storage import compaction, folder
from nbflow.storage.folder import FolderStorage

def stop(*_):
    print("NOW", flush=True)
    time.sleep(60)

if sys.argv[2] == "before": folder.compacted = stop
if sys.argv[2] == "half":
    def half(*arguments):
        compaction.Journal.begin = stop
        return whole(*arguments)
    whole, folder.compacted = folder.compacted, half
if sys.argv[2] == "after": folder.empty_older = stop
if sys.argv[2] == "emptied": folder.FolderBlobs.keep_only = stop
nf.init(storage=sys.argv[1])
big = nf.task(lambda: bytes(300_000), name="big")
size = nf.task(lambda x: len(x), name="size")
nf.run(size.bind(big.bind()), workflow_id="w", cleanup="success")
"""


@pytest.mark.crash
@pytest.mark.parametrize("moment", ["before", "half", "after", "emptied"])
def test_a_process_that_dies_while_it_cleans_up_loses_no_result(folder: Path, moment: str) -> None:
    kill_at(script(PROGRAM, folder, moment), "NOW")
    assert nf.get_status("w") == "SUCCESSFUL" and nf.get_output("w") == 300_000
    removed = moment in ("after", "emptied")
    if removed:
        with pytest.raises(ValueError, match="removed when"):
            nf.get_output("w", task_id="big")
    else:
        assert len(nf.get_output("w", task_id="big")) == 300_000
    assert nf.resume("w") == 300_000, "and what was left is removed now"
    assert large_files(folder, 100_000) == []
