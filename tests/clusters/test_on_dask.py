"""Dask: values stay on its workers, a lost one comes from its checkpoint, and who runs there is heard and stopped."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed import Client

import nbflow as nf
from nbflow import api
from nbflow.errors import SystemFailure, WorkflowCancellationError, WorkflowExecutionError
from nbflow.executors import resolve
from nbflow.executors.on_dask import DaskExecutor
from nbflow.testing import MemoryStorage
from tests.clusters.tools import Place, Watched, wait_for


@pytest.fixture
def client(dask_address: str) -> Iterator[Client]:
    """Give a client of the cluster, as a user would have it."""
    with Client(dask_address, set_as_default=False) as client:
        yield client


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "place")


def loaded_by(place: Place) -> set[str]:
    return {word for word in place.words() if word.startswith("loaded")}


def test_a_value_stays_on_the_cluster_and_is_checkpointed_once(client: Client, folder: Path, place: Place) -> None:
    nf.init(storage=folder, executor=client)
    make = nf.task(lambda: Watched(place), name="make")
    size = nf.task(lambda value: len(value.content), name="size")
    value = make.bind()
    assert nf.run([size.bind(value), size.bind(value)], workflow_id="w") == [200_000, 200_000]
    assert f"loaded-by-{os.getpid()}" not in loaded_by(place)
    assert len([*folder.glob("runs/w/blobs/*.nbb")]) == 1
    assert len(nf.get_output("w", task_id="make").content) == 200_000


def test_values_are_let_go_when_nobody_needs_them(client: Client, folder: Path, place: Place) -> None:
    nf.init(storage=folder, executor=client)
    make = nf.task(lambda: b"x" * 100_000, name="make")
    size = nf.task(len, name="size")
    wait = nf.task(lambda n, _: n, name="wait")
    run = nf.run_async(wait.bind(size.bind(make.bind()), nf.wait_for_event("go")), workflow_id="w")
    wait_for(lambda: nf.get_progress("w")["tasks"]["size"]["status"] == "done", "size")
    wait_for(lambda: not any(client.has_what().values()), "the cluster to forget")
    run.send("go")
    assert run.result(60) == 100_000


@pytest.mark.crash
def test_a_value_lost_with_its_worker_comes_from_its_checkpoint(client: Client, folder: Path, place: Place) -> None:
    nf.init(storage=folder, executor=client)

    @nf.task
    def make() -> bytes:
        place.add(f"made-by-{os.getpid()}")
        return b"x" * 100_000

    size = nf.task(lambda value, _: len(value), name="size", max_retries=0)
    run = nf.run_async(size.bind(make.bind(), nf.wait_for_event("go")), workflow_id="w")
    wait_for(lambda: nf.get_progress("w")["tasks"]["make"]["status"] == "done", "make")
    (word,) = place.words()
    os.kill(int(word.rpartition("-")[2]), signal.SIGKILL)
    wait_for(lambda: not any(client.has_what().values()), "the value to be lost")
    run.send("go")
    assert run.result(90) == 100_000
    assert len(place.words()) == 1, "a finished task ran again"


@pytest.mark.crash
def test_a_body_whose_reply_is_lost_with_its_worker_is_not_started_again_by_dask(
    client: Client, folder: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    nf.init(storage=folder, executor=client)
    take = DaskExecutor._take

    def after_its_death(self: DaskExecutor, call: Any, done: Any) -> None:
        os.kill(int(place.words()[0].rpartition("-")[2]), signal.SIGKILL)
        over = ("cancelled", "error")
        wait_for(lambda: done.status in over or len(place.words()) > 1, "the reply to be lost")
        take(self, call, done)

    monkeypatch.setattr(DaskExecutor, "_take", after_its_death)
    once = nf.task(lambda: place.add(f"ran-{os.getpid()}"), name="once", max_retries=0)
    with pytest.raises(WorkflowExecutionError, match="SystemFailure"):
        nf.run(once.bind(), workflow_id="w")
    assert len(place.words()) == 1


def test_what_a_body_says_is_heard_while_it_runs(client: Client, folder: Path, place: Place) -> None:
    nf.init(storage=folder, executor=client)

    @nf.task
    def speak() -> int:
        print("on a worker")
        nf.progress(3, 10)
        place.pass_gate()
        return 1

    run = nf.run_async(speak.bind(), workflow_id="w")
    wait_for(lambda: nf.get_progress("w")["tasks"]["speak"].get("progress") == (3, 10), "the progress")
    wait_for(lambda: run.logs("speak") == "on a worker\n", "the log")
    place.open()
    assert run.result(60) == 1


def test_a_cancel_takes_a_queued_body_out_and_forgets_a_running_one_with_a_word(
    client: Client, folder: Path, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    nf.init(storage=folder, executor=client)

    @nf.task(resources={"gauge": 1})
    def hold(i: int) -> int:
        place.add("holds")
        place.pass_gate()
        return i

    run = nf.run_async([hold.bind(i) for i in range(4)], workflow_id="w")
    place.until("holds", 2)
    run.cancel()
    with pytest.raises(WorkflowCancellationError):
        run.result(60)
    wait_for(lambda: "runs in a thread of a Dask worker, which nobody can stop" in caplog.text, "the word")
    place.open()
    wait_for(lambda: not any(client.processing().values()), "the bodies that run to end")
    assert place.count("holds") == 2


def test_what_no_worker_has_is_said(client: Client, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    nf.init(storage=folder, executor=client)
    assert nf.run(nf.task(lambda: 1, name="one", resources={"gauge": 1}).bind()) == 1
    run = nf.run_async(nf.task(lambda: 1, name="far", resources={"moon": 1}).bind(), workflow_id="w")
    wait_for(lambda: "asks for moon, which no worker of the Dask cluster" in caplog.text, "the notice")
    assert "gauge" not in caplog.text
    run.cancel()


def test_a_time_limit_counts_from_the_start_of_the_body(client: Client, folder: Path, place: Place) -> None:
    nf.init(storage=folder, executor=client)

    @nf.task(timeout=0.5, resources={"moon": 1})
    def never() -> None: ...

    @nf.task(timeout=0.5)
    def long() -> None:
        place.pass_gate()

    queued = nf.run_async(never.bind(), workflow_id="queued")
    with pytest.raises(WorkflowExecutionError, match=r"ran longer than 0\.5 seconds"):
        nf.run(long.bind())
    assert not queued.status.ended
    queued.cancel()
    place.open()


def test_without_shared_files_a_value_goes_to_the_engine_once(client: Client, place: Place) -> None:
    nf.init(storage=MemoryStorage(), executor=client)
    make = nf.task(lambda: Watched(place), name="make")
    size = nf.task(lambda value: len(value.content), name="size")
    assert nf.run(size.bind(make.bind()), workflow_id="w") == 200_000
    assert f"loaded-by-{os.getpid()}" not in loaded_by(place)
    assert len(nf.get_output("w", task_id="make").content) == 200_000
    here = nf.task(lambda: b"y" * 100_000, name="here", executor="thread")
    assert nf.run([size2.bind(here.bind()) for size2 in [nf.task(len, name="len")] * 2]) == [100_000, 100_000]


def test_what_is_not_checkpointed_stays_and_is_fetched_when_the_engine_needs_it(client: Client, folder: Path) -> None:
    nf.init(storage=folder, executor=client)
    make = nf.task(lambda: b"x" * 100_000, name="make", checkpoint=False)
    there = nf.task(len, name="there")
    here = nf.task(len, name="here", executor="thread")
    value = make.bind()
    assert nf.run([there.bind(value), here.bind(value)]) == [100_000, 100_000]
    assert not [*folder.glob("runs/*/blobs/*")]


@pytest.mark.crash
def test_a_cluster_of_our_own_that_dies_fails_its_tasks_and_the_run_goes_on_on_a_new_one(
    folder: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbflow.executors.on_dask._CONNECT_SECONDS", 8.0)  # so long it tries to find the cluster again
    nf.init(storage=folder, executor="dask:1")

    @nf.task
    def first() -> bytes:
        place.add("first")
        return b"x" * 100_000

    @nf.task(max_retries=0)
    def second(value: bytes) -> int:
        place.add("second")
        place.pass_gate()
        return len(value)

    dag = second.bind(first.bind())
    run = nf.run_async(dag, workflow_id="w")
    place.until("second")
    executor: Any = api.default_host().lane(None).executor
    group = executor._own_cluster._process.pid
    workers = psutil.Process(group).children(recursive=True)
    os.killpg(group, signal.SIGKILL)
    with pytest.raises(WorkflowExecutionError, match=r"the Dask cluster at tcp://127\.0\.0\.1") as failure:
        run.result(90)
    assert isinstance(failure.value.__cause__, SystemFailure)
    place.open()
    assert nf.run(dag, workflow_id="w") == 100_000
    assert place.count("first") == 1
    workers += psutil.Process(executor._own_cluster._process.pid).children(recursive=True)
    nf.shutdown()
    wait_for(lambda: not any(each.is_running() and each.status() != "zombie" for each in workers), "all to be gone")


@pytest.mark.crash
def test_a_cluster_of_our_own_that_died_is_replaced_and_values_come_from_their_checkpoints(
    folder: Path, place: Place
) -> None:
    nf.init(storage=folder, executor="dask:1")

    @nf.task
    def first() -> bytes:
        place.add("first")
        return b"x" * 100_000

    @nf.task
    def second(value: bytes, go: Any) -> int:
        return len(value)

    run = nf.run_async(second.bind(first.bind(), nf.wait_for_event("go")), workflow_id="w")
    wait_for(lambda: nf.get_progress("w")["tasks"]["first"]["status"] == "done", "first")
    executor: Any = api.default_host().lane(None).executor
    old = executor._own_cluster._process
    os.killpg(old.pid, signal.SIGKILL)
    old.wait(60)
    run.send("go")
    assert run.result(120) == 100_000
    assert place.count("first") == 1
    assert executor._own_cluster._process.pid != old.pid
    nf.shutdown()


def test_dask_that_is_not_installed_is_named_with_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for kind, word in (("dask", "Dask"), ("ray", "Ray")):
        with pytest.raises(ValueError, match=rf"needs {word}: pip install 'nbflow\[{kind}\]'"):
            resolve(kind)


def test_an_executor_that_was_closed_takes_nothing_and_nobody_waits_for_it(client: Client, place: Place) -> None:
    executor = resolve(client)
    body = executor.submit(place.pass_gate)
    runs = threading.Event()
    executor.when_started(body, runs.set)  # type: ignore[attr-defined]
    assert runs.wait(60)
    executor.close()
    assert isinstance(body.exception(60), SystemFailure)
    with pytest.raises(RuntimeError, match="closed"):
        executor.submit(print)
    place.open()
    assert client.submit(pow, 2, 3).result(60) == 8, "the cluster of a user is left open"
