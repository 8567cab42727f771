"""Ray Workflows, rows C099 to C125: what is kept, and what happens after a crash."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nbflow as nf
from nbflow.errors import StorageDamaged, WorkflowExecutionError, WorkflowNotResumableError
from tests.engine.tools import Counter, finish, kill_at, large_files, script


def restart(folder: Path) -> None:
    """Begin anew on the same folder, as a new kernel would."""
    nf.shutdown()
    nf.init(storage=str(folder), durability="lazy")


@nf.task
def append(x: str, what: str) -> str:
    return f"{x}[{what}]"


@nf.task
def join(a: str, b: str) -> str:
    return f"join({a}, {b})"


def dying(path: Path) -> Any:
    """Return a task that kills its process the first time."""
    calls = Counter(path / "deaths")

    def foo(x: str) -> str:
        if calls.add() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return f"foo({x})"

    return nf.task(foo, executor="process", max_retries=0)


def test_C099_a_finished_task_is_never_run_again(tmp_path: Path, folder: Path) -> None:
    calls = Counter(tmp_path / "calls")

    @nf.task
    def done(name: str) -> str:
        calls.add(name)
        return name

    @nf.task
    def bad(*_: str) -> str:
        if calls.add("bad") < 3:
            raise ValueError
        return "end"

    dag = bad.bind(done.bind("a"), done.options(max_retries=9).bind("b"))
    with pytest.raises(WorkflowExecutionError):
        nf.run(dag, workflow_id="w")
    restart(folder)
    with pytest.raises(WorkflowExecutionError):
        nf.resume("w")
    restart(folder)
    assert nf.resume("w") == "end"
    assert sorted(calls.words) == ["a", "b", "bad", "bad", "bad"]


def test_C100_a_killed_task_fails_its_run_and_resume_mends_it(tmp_path: Path) -> None:
    with pytest.raises(WorkflowExecutionError):
        nf.run(dying(tmp_path).bind("x"), workflow_id="w")
    assert nf.get_status("w") == "FAILED"
    assert nf.resume("w") == "foo(x)"
    assert nf.resume("w") == "foo(x)"
    assert Counter(tmp_path / "deaths").count() == 2


def test_C101_the_same_in_a_continuation_in_a_chain_and_in_a_diamond(tmp_path: Path) -> None:
    foo = dying(tmp_path)

    @nf.task
    def outer(x: str) -> Any:
        return nf.continuation(append.bind(foo.bind(append.bind(x, "append1")), "append2"))

    @nf.task
    def diamond(x: str) -> Any:
        left = join.bind(foo.bind(append.bind(x, "append1")), append.bind("[source1]", "append2"))
        return nf.continuation(join.bind(left, join.bind(x, "[source1]")))

    for task, value in (
        (outer, "foo(x[append1])[append2]"),
        (diamond, "join(join(foo(x[append1]), [source1][append2]), join(x, [source1]))"),
    ):
        (tmp_path / "deaths").unlink(missing_ok=True)
        with pytest.raises(WorkflowExecutionError):
            nf.run(task.bind("x"), workflow_id=task.name)
        assert nf.resume(task.name) == value


def test_C102_an_unknown_id_cannot_be_resumed_and_nothing_is_made() -> None:
    with pytest.raises(WorkflowNotResumableError):
        nf.resume("nothing")
    assert nf.list_all() == []


def test_C103_resume_of_a_finished_run_gives_its_value(folder: Path) -> None:
    nf.run(append.bind("x", "y"), workflow_id="w")
    restart(folder)
    assert nf.resume("w") == "x[y]"
    assert nf.get_status("w") == "SUCCESSFUL"


def test_C104_resume_of_a_live_run_is_refused() -> None:
    run = nf.run_async(nf.wait_for_event("go"), workflow_id="w")
    with pytest.raises(RuntimeError):
        nf.resume("w")
    run.send("go")
    run.result(10)


def test_C105_resume_uses_the_stored_code(tmp_path: Path, folder: Path) -> None:
    calls = Counter(tmp_path / "calls")

    @nf.task
    def body() -> str:
        if calls.add() == 1:
            raise ValueError
        return "old"

    with pytest.raises(WorkflowExecutionError):
        nf.run(body.bind(), workflow_id="w")
    body.function = lambda: "new"
    restart(folder)
    assert nf.resume("w") == "old"


RECURSION = """
import sys, time
import nbflow as nf
nf.init(storage=sys.argv[1])
@nf.task
def step(n, path):
    with open(path, "a") as file: file.write(f"{n}\\n")
    print("STEP", n, flush=True)
    time.sleep(0.03)
    return n if n == 20 else nf.continuation(step.bind(n + 1, path))
for name in sys.argv[3:]:
    nf.run_async(step.bind(0, sys.argv[2]), workflow_id=name)
time.sleep(60)
"""


@pytest.mark.crash
def test_C106_C108_a_killed_engine_goes_on_where_it_was(folder: Path, tmp_path: Path) -> None:
    kill_at(script(RECURSION, folder, tmp_path / "calls", "w"), "STEP 9")
    assert nf.get_status("w") == "RESUMABLE"
    assert nf.resume("w") == 20
    words = Counter(tmp_path / "calls").words
    assert sorted(set(map(int, words))) == list(range(21))
    assert len(words) <= 22, "only the task that was cut off may run twice"


@pytest.mark.crash
def test_C107_resume_all_takes_the_dead_ones_and_the_failed_ones_when_asked(folder: Path, tmp_path: Path) -> None:
    kill_at(script(RECURSION, folder, tmp_path / "calls", "a", "b"), "STEP 3")
    calls = Counter(tmp_path / "bad")

    @nf.task
    def bad() -> int:
        if calls.add() == 1:
            raise ValueError
        return 1

    with pytest.raises(WorkflowExecutionError):
        nf.run(bad.bind(), workflow_id="failed")
    nf.run_async(nf.wait_for_event("go"), workflow_id="canceled").cancel()
    nf.run(append.bind("x", "y"), workflow_id="fine")
    resumed = nf.resume_all()
    assert sorted(name for name, _ in resumed) == ["a", "b"]
    assert [run.result(20) for _, run in resumed] == [20, 20]
    assert nf.resume_all() == []
    ((name, run),) = nf.resume_all(include_failed=True)
    assert (name, run.result(10)) == ("failed", 1)


@pytest.mark.crash
def test_C107_a_run_that_cannot_go_on_does_not_keep_the_others(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kill_at(script(RECURSION, folder, tmp_path / "calls", "a", "b"), "STEP 3")
    largest = max(large_files(folder / "runs" / "a", 400), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[150:160] = bytes(10)
    largest.write_bytes(content)
    resumed = dict(nf.resume_all())
    assert list(resumed) == ["b"]
    assert resumed["b"].result(20) == 20
    assert "'a' cannot go on" in "".join(capsys.readouterr())


def test_C109_checkpoints_survive_a_restart_as_equal_values(folder: Path) -> None:
    value = {"a": [1, 2.5, None], "b": (1, "x"), "c": np.arange(5000)}
    nf.run(nf.task(lambda: value, name="make").bind(), workflow_id="w")
    restart(folder)
    found = nf.get_output("w")
    assert (found["a"], found["b"]) == (value["a"], value["b"])
    assert (found["c"] == value["c"]).all()


def test_C110_C115_without_checkpoints_the_value_comes_and_is_not_kept(tmp_path: Path, folder: Path) -> None:
    calls = Counter(tmp_path / "calls")

    @nf.task
    def inner(x: int) -> bytes:
        calls.add("inner")
        return bytes(200_000)

    @nf.task(checkpoint=False)
    def outer() -> Any:
        calls.add("outer")
        return nf.continuation(inner.bind(1))

    assert len(nf.run(outer.bind(), workflow_id="w")) == 200_000
    assert large_files(folder, 100_000) == []
    restart(folder)
    with pytest.raises(ValueError, match="Cannot load output"):
        nf.get_output("w")
    assert len(nf.resume("w")) == 200_000
    assert calls.count("inner") == 2


def test_C111_C112_the_option_is_inherited_unless_said_otherwise(folder: Path) -> None:
    make = nf.task(lambda n: bytes(n), name="make")
    size = nf.task(lambda *xs: sum(map(len, xs)), name="size", checkpoint=True)

    @nf.task(checkpoint=False)
    def outer() -> Any:
        kept = make.options(checkpoint=True, task_id="kept").bind(30_000)
        return nf.continuation(size.bind(make.options(task_id="skipped").bind(40_000), kept))

    assert nf.run(outer.bind(), workflow_id="w") == 70_000
    assert len(nf.get_output("w", task_id="kept")) == 30_000
    with pytest.raises(ValueError, match="Cannot load output"):
        nf.get_output("w", task_id="skipped")


@pytest.mark.parametrize("kept", [(), ("b",), ("a", "b")])
def test_C113_C114_resume_runs_again_only_what_was_not_kept_and_is_needed(
    kept: tuple[str, ...], tmp_path: Path, folder: Path
) -> None:
    calls = Counter(tmp_path / "calls")

    def source(name: str) -> Any:
        def body() -> Any:
            calls.add(name)
            return np.arange(10_000.0)

        return nf.task(body, name=name, checkpoint=name in kept).bind()

    @nf.task
    def mean(a: Any, b: Any) -> float:
        if calls.add("mean") == 1:
            raise ValueError
        return float(a.mean() + b.mean())

    with pytest.raises(WorkflowExecutionError):
        nf.run(mean.bind(source("a"), source("b")), workflow_id="w")
    restart(folder)
    assert nf.resume("w") == 9999.0
    assert {name: calls.count(name) for name in "ab"} == {name: 1 if name in kept else 2 for name in "ab"}


def test_C116_a_returned_node_gives_the_same_before_and_after_a_restart(folder: Path) -> None:
    task = nf.task(lambda: nf.put([1, 2]), name="puts")
    assert nf.run(task.bind(), workflow_id="w") == [1, 2]
    restart(folder)
    assert nf.get_output("w") == nf.resume("w") == [1, 2]


def test_C117_a_damaged_value_is_noticed_and_named(folder: Path) -> None:
    nf.run(nf.task(lambda: np.ones(50_000), name="make").bind(), workflow_id="w")
    (blob,) = large_files(folder, 300_000)
    blob.chmod(0o600)
    content = bytearray(blob.read_bytes())
    content[200_000] ^= 1
    blob.write_bytes(content)
    restart(folder)
    with pytest.raises(StorageDamaged):
        nf.get_output("w")


def test_C118_an_empty_listing_cache_does_no_harm(folder: Path) -> None:
    nf.run(append.bind("x", "y"), workflow_id="w")
    nf.shutdown()
    (folder / "runs" / "w" / "status.json").write_text("")
    restart(folder)
    assert nf.list_all() == [("w", "SUCCESSFUL")]
    (folder / "runs" / "w" / "status.json").unlink()
    assert (nf.get_status("w"), nf.get_output("w")) == ("SUCCESSFUL", "x[y]")


def test_C119_C122_every_prefix_of_the_journal_goes_on_to_the_same_result(tmp_path: Path) -> None:
    from nbflow.core.codec import decode
    from nbflow.storage.memory import MemoryStorage

    @nf.task
    def fib(n: int) -> Any:
        return n if n < 2 else nf.continuation(plus.bind(fib.bind(n - 1), fib.bind(n - 2)))

    plus = nf.task(lambda a, b: a + b, name="plus")
    nf.shutdown()
    source = MemoryStorage()
    nf.init(storage=source)
    assert nf.run(fib.bind(4), workflow_id="w") == 3
    import json

    lines = [json.dumps(wire) for wire in source.read_run("w")]
    first = next(i for i, line in enumerate(lines) if type(decode(json.loads(line))).__name__ == "GraphCommitted")
    for end in range(first + 1, len(lines) + 1):
        nf.shutdown()
        prefix = MemoryStorage()
        journal = prefix.create_run("w")
        journal.append(lines[:end])
        journal.close()
        nf.init(storage=prefix)
        assert nf.resume("w") == 3


def test_C120_a_status_that_was_not_written_is_read_from_the_journal(folder: Path) -> None:
    nf.run(append.bind("x", "y"), workflow_id="w")
    nf.shutdown()
    cache = folder / "runs" / "w" / "status.json"
    cache.write_text(cache.read_text().replace("SUCCESSFUL", "RUNNING"))
    restart(folder)
    assert nf.get_status("w") == "SUCCESSFUL"
    assert nf.list_all("SUCCESSFUL") == [("w", "SUCCESSFUL")]


@pytest.mark.crash
def test_C124_nodes_in_custom_objects_are_readable_after_a_restart(folder: Path, tmp_path: Path) -> None:
    code = """
    import sys, time, os
    import nbflow as nf
    nf.init(storage=sys.argv[1])
    class Box:
        def __init__(self, *parts): self.parts = parts
    @nf.task
    def opened(box):
        print("HERE", flush=True)
        while not os.path.exists(sys.argv[2]): time.sleep(0.01)
        return list(box.parts)
    one = nf.task(lambda: 1, name="one")
    print(nf.run(opened.bind(Box(one.bind(), nf.put(2))), workflow_id="w"))
    """
    kill_at(script(code, folder, tmp_path / "go"), "HERE")
    (tmp_path / "go").touch()
    resume = "import sys, nbflow as nf; nf.init(storage=sys.argv[1]); print(nf.resume('w'))"
    assert "[1, 2]" in finish(script(resume, folder, tmp_path / "go"))
