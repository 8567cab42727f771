"""The same workflows, questions, events, machines and flows on an object store, unchanged; and from another place."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow import home
from nbflow.errors import WorkflowNotFoundError
from nbflow.rules import Flow, NotificationClient, PythonOperator, TaskAction
from nbflow.storage import ownership
from nbflow.storage.objects.storage import ObjectStorage
from tests.engine.tools import finish, script, until

from .lossy_proxy import LossyProxy
from .object_programs import hurry

LONG = 60.0


@pytest.fixture
def storage(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStorage]:
    """Give the storage of the default host, which is in a bucket."""
    hurry(monkeypatch.setattr)
    nf.init(storage=url)
    found = home.default_host().storage
    assert isinstance(found, ObjectStorage)
    yield found
    nf.shutdown()
    assert not ownership._held, "a run was not given back"


@nf.task
def numbers(count: int) -> list[int]:
    return list(range(count))


@nf.task
def square(number: int) -> int:
    return number * number


@nf.task
def total(parts: list[int], *rest: Any) -> int:
    return sum(parts)


def test_a_dag_with_large_values_and_a_question_runs_unchanged(storage: ObjectStorage, network: LossyProxy) -> None:
    network.lost = 0.15

    @nf.task(max_retries=2)
    def large(size: int) -> bytes:
        return b"x" * size

    @nf.task
    def length(content: bytes, answer: Any) -> int:
        return len(content)

    ok = nf.wait_for_event(nf.ButtonListener, "Go on?", options=["yes", "no"])
    dag = length.bind(large.bind(3_000_000), ok)
    run = nf.run_async(dag, workflow_id="asked")
    until(lambda: run.questions, "the question")
    assert run.answer("Go on?", "yes").status == "delivered"
    assert run.result(LONG) == 3_000_000
    assert nf.run(total.bind(square.map(range(30))), workflow_id="wide") == sum(n * n for n in range(30))
    assert {row["id"] if isinstance(row, dict) else row.workflow_id for row in nf.list_runs()} == {"asked", "wide"}


def test_a_machine_its_children_and_its_events_run_unchanged(storage: ObjectStorage) -> None:
    order = nf.Workflow("OrderOnObjects")

    @order.start()
    def start(ctx: Any, order_id: str) -> Any:
        ctx.store.put("order_id", order_id)
        return ctx.next.wait_for_event()

    @order.event()
    def approve(ctx: Any, by: str = "?") -> Any:
        return ctx.next.complete([ctx.store.get("order_id"), by])

    run = nf.start_workflow(workflow_type="OrderOnObjects", workflow_id="order", workflow_input={"order_id": "a"})
    run.send("approve", {"by": "ann"})
    assert run.result(LONG) == ["a", "ann"]


def test_a_flow_hears_the_keyed_events_of_its_namespace(storage: ObjectStorage) -> None:
    with Flow("objects") as flow:
        PythonOperator("first", python_callable=lambda: NotificationClient().send_event("key", "value").offset)
        second = PythonOperator("second", python_callable=lambda: "heard")
        second.action_on_event_received(action=TaskAction.START, event_key="key")
    run = flow.run_async(workflow_id="flow")
    assert run.result(LONG) == {"first": 1, "second": "heard"}


def test_an_event_of_another_process_comes_and_a_deleted_run_is_gone(storage: ObjectStorage, url: str) -> None:
    run = nf.run_async(square.bind(nf.wait_for_event("number")), workflow_id="waits")
    until(lambda: run.status == "RUNNING" and run.questions is not None, "the run")
    finish(
        script(
            """
            import sys, nbflow as nf
            nf.init(storage=sys.argv[1])
            print(nf.send("waits", "number", 7, id="once").status)
            """,
            url,
        )
    )
    assert run.result(LONG) == 49
    nf.delete("waits")
    assert not storage.exists("waits") and storage.list_runs() == []
    with pytest.raises(WorkflowNotFoundError):
        storage.read_run("waits")


def test_a_kernel_elsewhere_goes_on_where_a_killed_one_was(url: str, tmp_path: Path) -> None:
    code = """
        import os, sys
        import nbflow as nf

        @nf.task
        def first():
            print("first", flush=True)
            return list(range(50_000))

        @nf.task
        def second(values, answer):
            return [len(values), answer]

        nf.init(storage=sys.argv[1])
        os.chdir(sys.argv[2])
        if sys.argv[3] == "begin":
            nf.run_async(second.bind(first.options(task_id="first").bind(), nf.wait_for_event("go")), workflow_id="w")
            nf.get_output("w", task_id="first")
            print("waits", flush=True)
            sys.stdin.read()
        else:
            nf.send("w", "go", "on")
            print(nf.resume("w"))
    """
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    owner = script(code, url, here, "begin")
    assert owner.stdout is not None
    said = ""
    while "waits" not in said:
        line = owner.stdout.readline()
        assert line, said
        said += line
    owner.kill()
    owner.communicate()
    said = finish(script(code, url, there, "go on"))
    assert "first" not in said.split() and "[50000, 'on']" in said
    assert not any(here.iterdir()) and not any(there.iterdir()), "nothing is kept in a folder"


def test_a_run_pauses_without_a_network_and_goes_on_when_it_is_back(
    storage: ObjectStorage, network: LossyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, went = threading.Event(), threading.Event()

    @nf.task
    def held() -> int:
        went.set()
        assert gate.wait(LONG)
        return 7

    run = nf.run_async(square.bind(held.bind()), workflow_id="paused")
    assert went.wait(LONG)
    network.away = True
    gate.set()
    runner = home.default_host().runners["paused"]
    until(lambda: runner.trouble.reason == "STORAGE_UNREACHABLE", "the pause")
    assert not run.done()
    network.away = False
    assert run.result(LONG) == 49
    assert any("works again" in notice for notice in runner.notices)


def test_an_unknown_scheme_and_a_missing_extra_say_what_to_type(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"there is no storage for ftp://.*s3://"):
        home.open_storage("ftp://somewhere")
    with pytest.raises(ValueError, match="storage_options are for an object store"):
        home.open_storage(tmp_path, options={"region": "x"})
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'nbflow\[s3\]'"):
        home.open_storage("s3://bucket/prefix", sign=False)


def test_a_local_folder_of_objects_is_none_of_files(tmp_path: Path) -> None:
    storage = home.open_storage(f"file://{tmp_path}/objects", sign=False)
    run = storage.create_run("A run")
    run.append(['{"t":"one"}'])
    run.close()
    assert home.open_storage(f"file://{tmp_path}/objects", sign=False).read_run("A run") == [{"t": "one"}]
    storage.delete_run("A run")
    assert not storage.exists("A run")
