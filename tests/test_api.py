"""The functions of the package and the handle of a run, as a user calls them."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow import home
from nbflow.errors import WorkflowExecutionError, WorkflowNotFoundError, WorkflowStillActiveError
from nbflow.storage.folder import FolderStorage
from nbflow.testing import MemoryStorage
from tests.engine.conftest import clock, folder, host, limit
from tests.engine.tools import Gate, finish, script, until

__all__ = ["clock", "folder", "host", "limit"]


@nf.task
def add(a: int, b: int) -> int:
    return a + b


# ---- init ----


def test_the_storage_may_be_a_path_a_url_or_an_object(tmp_path: Path) -> None:
    assert isinstance(home.open_storage("memory://"), MemoryStorage)
    assert home.open_storage(tmp_path / "x").url == str(tmp_path / "x")
    mine = MemoryStorage()
    assert home.open_storage(mine) is mine
    with pytest.raises(ValueError, match="no storage for ftp://"):
        home.open_storage("ftp://bucket")


def test_arguments_go_before_the_environment_and_that_before_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Path(home.open_storage().url) == tmp_path / ".nbflow"
    monkeypatch.setenv("NBFLOW_STORAGE", str(tmp_path / "env"))
    assert Path(home.open_storage().url) == tmp_path / "env"
    assert Path(home.open_storage(tmp_path / "arg").url) == tmp_path / "arg"


def test_the_first_use_says_where_the_checkpoints_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nf.shutdown()
    monkeypatch.chdir(tmp_path)
    nf.run(add.bind(1, 2))
    nf.run(add.bind(1, 2))
    assert capsys.readouterr().err.count("nbflow keeps its checkpoints in") == 1
    nf.shutdown()
    monkeypatch.setenv("NBFLOW_STORAGE", str(tmp_path / "chosen"))
    nf.run(add.bind(1, 2))
    assert "nbflow keeps" not in capsys.readouterr().err


def test_an_executor_of_ones_own_has_a_name(folder: Path) -> None:
    nf.shutdown()
    with ThreadPoolExecutor(1, thread_name_prefix="mine") as pool:
        nf.init(storage=MemoryStorage(), executors={"mine": pool, "two": "thread:2"})
        where = nf.task(lambda: threading.current_thread().name)
        names = nf.run([where.options(executor="mine").bind(), where.options(executor="two").bind(), where.bind()])
        assert [name.startswith("mine") for name in names] == [True, False, False]
        nf.shutdown()
    for name in ("thread", "process:8", ""):
        with pytest.raises(ValueError, match="choose another name"):
            nf.init(executors={name: "thread"})


def test_init_refuses_what_makes_no_sense(folder: Path) -> None:
    nf.shutdown()
    for wrong in ({"loop": "mine"}, {"durability": "often"}, {"executor": "nowhere"}, {"loop": "notebook"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            nf.init(storage=MemoryStorage(), **wrong)  # type: ignore[arg-type]
    nf.init(storage=MemoryStorage(), durability="lazy")
    with pytest.raises(ValueError, match="storage"):
        nf.init(storage=MemoryStorage())


def test_sign_is_yes_or_no(folder: Path) -> None:
    nf.shutdown()
    with pytest.raises(TypeError, match="sign must be True or False, not 'no'"):
        nf.init(sign="no")  # type: ignore[arg-type]


def test_shutdown_may_be_called_at_any_time() -> None:
    nf.shutdown()
    nf.shutdown()
    nf.init(storage=MemoryStorage())
    nf.shutdown()


# ---- ids ----


@pytest.mark.parametrize(
    ("wrong", "error"), [(5, TypeError), (None, TypeError), ("", ValueError), ("x" * 256, ValueError)]
)
def test_every_function_checks_the_id_at_the_door(wrong: Any, error: type[Exception]) -> None:
    calls = (nf.get_status, nf.get_output, nf.get_metadata, nf.get_run, nf.cancel, nf.delete, nf.resume)
    for call in (*calls, lambda name: nf.send(name, "key")):
        with pytest.raises(error):
            call(wrong)


def test_a_handle_of_a_stored_run(folder: Path) -> None:
    nf.run(add.bind(1, 2), workflow_id="w")
    run = nf.get_run("w")
    assert (run.result(), run.done(), run.status, run.questions) == (3, True, "SUCCESSFUL", [])
    assert asyncio.run(_awaited(run)) == 3
    with pytest.raises(WorkflowNotFoundError, match=r"list_all\(\)"):
        nf.get_run("nothing")


async def _awaited(run: nf.Run) -> Any:
    return await run


# ---- waiting ----


def test_a_result_that_does_not_come_in_time_is_a_timeout_and_the_run_goes_on() -> None:
    run = nf.run_async(nf.wait_for_event("go"))
    with pytest.raises(TimeoutError):
        run.result(0.05)
    run.send("go", 1)
    assert run.result(10) == 1


def test_wait_returns_who_has_ended() -> None:
    runs = [nf.run_async(nf.wait_for_event("go")) for _ in range(3)]
    runs[1].send("go")
    assert nf.wait(runs) == ([runs[1]], [runs[0], runs[2]])
    assert nf.wait(runs, num_returns=2, timeout=0.05) == ([runs[1]], [runs[0], runs[2]])
    for run in runs:
        run.send("go")
    assert nf.wait(runs, num_returns=3, timeout=10) == (runs, [])
    for number in (0, 4):
        with pytest.raises(ValueError, match="num_returns"):
            nf.wait(runs, num_returns=number)


def test_wait_takes_runs() -> None:
    with pytest.raises(TypeError, match="what run_async returns, not 1"):
        nf.wait([1])  # type: ignore[list-item]


def test_many_threads_may_use_nbflow_for_the_first_time_at_once() -> None:
    nf.shutdown()
    nf.init(storage=MemoryStorage())
    results: list[int] = []
    threads = [threading.Thread(target=lambda i=i: results.append(nf.run(add.bind(i, 1)))) for i in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(results) == list(range(1, 11))


@pytest.mark.crash
def test_stop_lets_the_run_go_and_says_how_to_go_on(folder: Path) -> None:
    code = """
    import sys, nbflow as nf
    nf.init(storage=sys.argv[1])
    first = nf.task(lambda: 1, name="first")
    @nf.task
    def stay(x):
        import time; print("HERE", flush=True); time.sleep(60)
    try:
        nf.run(stay.bind(first.bind()), workflow_id="w")
    except KeyboardInterrupt:
        print("stopped", nf.get_status("w"))
    """
    program = script(code, folder)
    assert program.stdout is not None
    while program.stdout.readline() != "HERE\n":
        pass
    program.send_signal(signal.SIGINT)
    out = finish(program)
    assert "nbflow.resume('w')" in out
    assert "stopped RESUMABLE" in out
    assert nf.get_output("w", task_id="first") == 1


# ---- looking ----


def test_what_a_run_shows_of_itself() -> None:
    nf.run(add.bind(add.bind(1, 2), 3), workflow_id="w")
    run = nf.get_run("w")
    assert repr(run) == "<run 'w' SUCCESSFUL>"
    table = run.to_dataframe()
    assert list(table["node"]) == ["add", "add_1"]
    assert "add" in run.to_dot().source
    assert any("succeeded" in line for line in run.story("add_1"))
    with pytest.raises(ValueError, match="No such node 'x'"):
        run.story("x")


def test_a_run_can_be_looked_at_while_it_is_live() -> None:
    gate = Gate()
    stay = nf.task(lambda x: gate.wait(), name="stay")
    run = nf.run_async(stay.bind(add.bind(1, 2)))
    gate.reached()
    assert sorted(run.to_dataframe()["state"].astype(str)) == ["done", "running"]
    assert run.status == "RUNNING"
    gate.open.set()
    run.result(10)


# ---- ending ----


def test_a_failed_run_can_be_canceled_for_good() -> None:
    bad = nf.task(lambda: 1 / 0, name="bad")
    with pytest.raises(WorkflowExecutionError):
        nf.run(bad.bind(), workflow_id="w")
    nf.cancel("w")
    assert nf.get_status("w") == "CANCELED"
    nf.delete("w")
    assert nf.list_all() == []


def test_a_run_that_is_live_in_another_process_is_not_deleted(folder: Path) -> None:
    owned = FolderStorage(folder).create_run("w")
    from nbflow.core import records as r
    from nbflow.core.codec import encode

    owned.append([encode(r.RunCreated("w", "w", 1.0))])
    with pytest.raises(WorkflowStillActiveError):
        nf.delete("w")
    owned.close()
    nf.delete("w")


def test_a_handle_can_do_what_the_functions_do() -> None:
    run = nf.run_async(nf.wait_for_event("go"), workflow_id="w")
    until(lambda: run.state.counts["waiting"])
    assert run.send("go", 5)
    assert run.result(10) == 5
    assert run.resume().result(10) == 5
    run.delete()
    other = nf.run_async(nf.wait_for_event("go"), workflow_id="w")
    other.cancel()
    assert other.done()


def test_importing_nbflow_is_quick_and_starts_no_thread() -> None:
    out = finish(script("import threading, nbflow; print(threading.active_count())"))
    assert out == "1\n"
    assert os.environ.get("NBFLOW_STORAGE") is None
