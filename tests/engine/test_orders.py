"""A run is canceled from anywhere: its owner is asked, does it, and what it did not do is done for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.core.codec import decode
from nbflow.core.records import RunCanceled
from nbflow.core.status import WorkflowStatus
from nbflow.engine import ending, orders
from nbflow.engine.context import task_context
from nbflow.engine.host import Host
from nbflow.engine.inspect import read
from nbflow.engine.loop import EngineLoop
from nbflow.errors import RunIsLive, WorkflowCancellationError, WorkflowError, WorkflowNotFoundError
from nbflow.handle import Run
from nbflow.storage.folder import FolderStorage
from nbflow.testing import MemoryStorage
from tests.engine.tools import kill_at, script, until

OWNER = """
    import os, sys, time, nbflow as nf
    nf.init(storage=sys.argv[1])
    begun = sys.argv[2]
    def body():
        with open(begun, "a") as file:
            file.write("x" + chr(10))
        time.sleep(60)
    dag = nf.task(body, name="long", executor="process").bind()
    run = nf.run_async(dag, workflow_id="theirs")
    while not os.path.exists(begun):
        time.sleep(0.01)
    print("running", flush=True)
    try:
        run.result()
    except nf.errors.WorkflowCancellationError as error:
        print("owner:", error, flush=True)
"""


@pytest.fixture
def other(host: Host, folder: Path) -> Iterator[Host]:
    """Give another owner on the same folder."""
    made = Host(FolderStorage(folder, durability="lazy"), EngineLoop())
    yield made
    made.engine.call(made.close)
    made.engine.close()


def start(host: Host, workflow_id: str, dag: Any) -> Run:
    run = Run(host, workflow_id, host.engine.start(host.run, workflow_id, dag, ((), {}), None, task_context(), False))
    until(lambda: run._runner() is not None)
    return run


def inbox(folder: Path) -> list[Path]:
    return [*folder.glob("runs/*/inbox/new/*")]


def cancellation(run: Run) -> RunCanceled:
    records = [decode(wire) for wire in run._host.storage.read_run(run.workflow_id)]
    return next(record for record in records if isinstance(record, RunCanceled))


def test_the_owner_cancels_when_it_is_asked_and_writes_down_who_asked(other: Host, host: Host, folder: Path) -> None:
    run = start(other, "theirs", nf.wait_for_event("go"))
    ending.cancel(host, "theirs", "ana")
    assert run.status is WorkflowStatus.CANCELED
    with pytest.raises(WorkflowCancellationError):
        run.result(20)
    assert cancellation(run).by == "ana"
    assert until(lambda: not inbox(folder)) is True


def test_a_real_process_is_asked_and_its_body_is_stopped(folder: Path, tmp_path: Path) -> None:
    owner = script(OWNER, folder, tmp_path / "begun")
    assert owner.stdout is not None
    assert "running" in owner.stdout.readline()
    nf.cancel("theirs")
    assert nf.get_status("theirs") is WorkflowStatus.CANCELED
    out, _ = owner.communicate(timeout=20)
    assert "owner: Workflow 'theirs' was canceled." in out and owner.returncode == 0


def test_a_run_whose_owner_was_killed_is_canceled_here(folder: Path, tmp_path: Path) -> None:
    kill_at(script(OWNER, folder, tmp_path / "begun"), "running")
    nf.cancel("theirs")
    assert nf.get_status("theirs") is WorkflowStatus.CANCELED


def test_an_owner_that_does_not_answer_is_named(
    other: Host, host: Host, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr(ending, "PATIENCE", 0.2)
    monkeypatch.setattr(orders, "carry_out", lambda runner, order, done: None)
    run = start(other, "theirs", nf.wait_for_event("go"))
    for _ in range(2):
        with pytest.raises(RunIsLive, match=r"process \d+ on .* did not answer"):
            ending.cancel(host, "theirs")
    assert run.status is WorkflowStatus.RUNNING
    assert len(inbox(folder)) == 1, "asking twice is asking once"


def test_what_a_dead_owner_was_asked_does_not_count_for_the_next_one(
    other: Host, host: Host, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    run = start(other, "theirs", nf.wait_for_event("go"))
    with monkeypatch.context() as deaf:
        deaf.setattr(orders, "carry_out", lambda runner, order, done: None)
        orders.ask_to_cancel(host.storage, "theirs", run._runner().journal.epoch, "")  # type: ignore[union-attr]
        run.detach()
    again = nf.resume_async("theirs")
    until(lambda: not inbox(folder))
    assert again.status is WorkflowStatus.RUNNING
    again.send("go", 7)
    assert again.result(20) == 7


def test_an_order_of_a_later_nbflow_is_put_aside(host: Host, folder: Path) -> None:
    run = nf.run_async(nf.wait_for_event("go"), workflow_id="mine")
    host.storage.send("mine", {"id": "x", "key": "nbflow:dance", "epoch": 1})
    until(lambda: not inbox(folder))
    assert run.send("go", 7) and run.result(20) == 7
    assert not any("dance" in str(wire) for wire in host.storage.read_run("mine"))


def test_an_owner_that_has_just_ended_is_told_of(other: Host, host: Host) -> None:
    run = start(other, "theirs", nf.wait_for_event("go"))
    run.send("go")
    run.result(20)
    with pytest.raises(WorkflowError, match="is SUCCESSFUL already; nothing was canceled"):
        ending.cancel(host, "theirs")
    with pytest.raises(WorkflowNotFoundError):
        ending.cancel(host, "nobody")


def test_a_run_that_ends_while_it_is_opened_stays_as_it_ended(
    other: Host, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(other, "theirs", nf.wait_for_event("go"))
    run.detach()
    real = ending.inspect.read

    def read_and_let_it_end(storage: Any, workflow_id: str) -> Any:
        found = real(storage, workflow_id)
        monkeypatch.setattr(ending.inspect, "read", real)
        ended = start(other, "theirs", nf.wait_for_event("go"))
        ended.send("go")
        ended.result(20)
        until(lambda: not other.runners)
        return found

    monkeypatch.setattr(ending.inspect, "read", read_and_let_it_end)
    with pytest.raises(WorkflowError, match="SUCCESSFUL already"):
        ending.cancel(host, "theirs")
    assert read(host.storage, "theirs").status is WorkflowStatus.SUCCESSFUL


def test_events_that_nobody_took_are_written_down(other: Host, host: Host) -> None:
    run = start(other, "theirs", nf.wait_for_event("go"))
    run.send("early", 1, id="e1")
    run.detach()
    ending.cancel(host, "theirs", "ana")
    assert cancellation(run).undelivered == ("e1",)


def test_two_hosts_on_one_memory_ask_each_other(host: Host) -> None:
    storage = MemoryStorage()
    one, two = Host(storage, EngineLoop()), Host(storage, EngineLoop())
    run = start(one, "theirs", nf.wait_for_event("go"))
    ending.cancel(two, "theirs", "bo")
    assert run.status is WorkflowStatus.CANCELED
    for each in (one, two):
        each.engine.call(each.close)
        each.engine.close()


# ---- the keys ----


def test_a_user_can_neither_send_nor_wait_for_a_key_of_nbflow(host: Host) -> None:
    run = nf.run_async(nf.wait_for_event("go"), workflow_id="mine")
    receipt = run.send(orders.CANCEL, {"epoch": 1})
    assert receipt.status == "rejected" and "nbflow's own" in receipt.reason
    run.detach()
    assert nf.send("mine", orders.CANCEL).status == "rejected"
    with pytest.raises(nf.errors.WorkflowExecutionError, match="nbflow's own"):  # type: ignore[attr-defined]
        nf.run(nf.wait_for_event(orders.CANCEL))
    nf.resume_async("mine").cancel()
