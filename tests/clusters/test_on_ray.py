"""Ray: values stay in its store, what a task needs is passed on, and who runs there is heard and stopped."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import nbflow as nf
from nbflow import api
from nbflow.errors import SystemFailure, WorkflowCancellationError, WorkflowExecutionError
from nbflow.executors.kept import Handle
from tests.clusters.tools import Place, Program, Watched, wait_for


@pytest.fixture(scope="module")
def joined(ray_address: str) -> Iterator[None]:
    """Connect this process to the cluster, as a user would."""
    import ray

    ray.init(address=ray_address, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "place")


def test_a_value_stays_in_the_store_and_is_checkpointed_once(joined: None, folder: Path, place: Place) -> None:
    nf.init(storage=folder, executor="ray")
    make = nf.task(lambda: Watched(place), name="make")
    size = nf.task(lambda value: len(value.content), name="size")
    value = make.bind()
    assert nf.run([size.bind(value), size.bind(value)], workflow_id="w") == [200_000, 200_000]
    assert f"loaded-by-{os.getpid()}" not in place.words()
    assert len([*folder.glob("runs/w/blobs/*.nbb")]) == 1
    assert len(nf.get_output("w", task_id="make").content) == 200_000


def test_what_a_body_says_is_heard_while_it_runs(joined: None, folder: Path, place: Place) -> None:
    nf.init(storage=folder, executor="ray")

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


def test_a_cancel_kills_what_runs_and_what_waits_never_starts(joined: None, folder: Path, place: Place) -> None:
    nf.init(storage=folder, executor="ray")

    @nf.task(resources={"gauge": 1})
    def hold(i: int) -> int:
        place.add(f"{os.getpid()}")
        place.pass_gate()
        return i

    run = nf.run_async([hold.bind(i) for i in range(2)], workflow_id="w")
    wait_for(place.words, "one to run")
    run.cancel()
    with pytest.raises(WorkflowCancellationError):
        run.result(60)
    (pid,) = place.words()
    wait_for(lambda: not psutil.pid_exists(int(pid)), "its process to be killed")
    assert len(place.words()) == 1


def test_what_a_task_needs_is_passed_on_and_what_nobody_has_is_said(
    joined: None, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nf.init(storage=folder, executor="ray")

    def assigned() -> dict[str, float]:
        import ray

        found: dict[str, float] = ray.get_runtime_context().get_assigned_resources()
        return found

    needs = nf.task(assigned, resources={"CPU": 0.5, "gauge": 0.25, "memory": 1e6})
    found = nf.run(needs.bind())
    assert (found["CPU"], found["gauge"], found["memory"]) == (0.5, 0.25, 1e6)
    run = nf.run_async(nf.task(assigned, name="far", resources={"GPU": 1}).bind(), workflow_id="w")
    wait_for(lambda: "asks for more GPU than the Ray cluster" in caplog.text, "the notice")
    run.cancel()


def test_a_value_that_the_store_lost_comes_from_its_checkpoint(joined: None, folder: Path, place: Place) -> None:
    import ray

    @ray.remote
    def lose() -> None:
        raise ray.exceptions.ObjectLostError("00", None, "")

    nf.init(storage=folder, executor="ray")

    @nf.task
    def make() -> bytes:
        place.add("make")
        return b"x" * 1_000_000

    size = nf.task(lambda value, _: len(value), name="size", max_retries=0)
    run = nf.run_async(size.bind(make.bind(), nf.wait_for_event("go")), workflow_id="w")
    wait_for(lambda: nf.get_progress("w")["tasks"]["make"]["status"] == "done", "make")
    handles: dict[int, tuple[Any, Handle]] = api.default_host().runners["w"].memory._handles
    ((_, handle),) = handles.values()
    handle.ref = lose.remote()  # one computer loses no object without losing itself: this is how it looks
    run.send("go")
    assert run.result(90) == 1_000_000
    assert place.count("make") == 1


def test_what_is_not_checkpointed_stays_and_is_fetched_when_the_engine_needs_it(joined: None, folder: Path) -> None:
    nf.init(storage=folder, executor="ray")
    make = nf.task(lambda: b"x" * 100_000, name="make", checkpoint=False)
    value = make.bind()
    sizes = [nf.task(len, name="there").bind(value), nf.task(len, name="here", executor="thread").bind(value)]
    assert nf.run(sizes) == [100_000, 100_000]
    assert not [*folder.glob("runs/*/blobs/*")]


def test_one_workflow_on_all_of_them(joined: None, dask_address: str, folder: Path) -> None:
    nf.init(storage=folder)

    def grow(value: bytes) -> bytes:
        return value + b"x" * 50_000

    value: Any = b"x"
    for i, executor in enumerate(["thread", "process", "ray", f"dask:{dask_address}", "ray", "loky", "thread"]):
        value = nf.task(grow, name=f"grow{i}", executor=executor).bind(value)
    assert nf.run(value) == b"x" * 350_001


@pytest.mark.crash
def test_a_ray_that_is_gone_fails_its_tasks_and_the_run_can_go_on(joined: None, folder: Path, place: Place) -> None:
    import ray

    nf.init(storage=folder, executor="ray")

    @nf.task
    def first() -> bytes:
        place.add("first")
        return b"x" * 100_000

    second = nf.task(lambda value, _: len(value), name="second")
    dag = second.bind(first.bind(), nf.wait_for_event("go"))
    run = nf.run_async(dag, workflow_id="w")
    wait_for(lambda: nf.get_progress("w")["tasks"]["first"]["status"] == "done", "first")
    ray.shutdown()
    run.send("go")
    with pytest.raises(WorkflowExecutionError, match=r"the Ray cluster at 127\.0\.0\.1:\d+ is gone") as failure:
        run.result(90)
    assert isinstance(failure.value.__cause__, SystemFailure)
    nf.shutdown()
    nf.init(storage=folder)
    assert nf.run(dag, workflow_id="w") == 100_000
    assert place.count("first") == 1


OWN = """
    import os, sys
    import nbflow as nf

    os.environ.pop("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", None)  # that of the other tests
    nf.init(storage=sys.argv[1], executor="ray:1")

    @nf.task(max_retries=9)  # a Ray that did not start is tried again, as a worker that died
    def where():
        import ray
        return ray.util.get_node_ip_address(), os.getppid() != 1, "RAY_raylet_start_wait_time_s" in os.environ

    print(*nf.run(where.bind()), flush=True)
    nf.shutdown()
    print("RAY_raylet_start_wait_time_s" in os.environ, flush=True)
"""


@pytest.mark.crash
def test_a_ray_of_our_own_is_on_loopback_only_and_leaves_nothing_behind(folder: Path) -> None:
    temporary = tempfile.mkdtemp(prefix="nbf-")
    environment = {"TMPDIR": temporary, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    try:
        with Program(OWN, folder, **environment) as program:
            assert program.first_line() == "127.0.0.1 True True"
            started = psutil.Process(program.process.pid).children(recursive=True)
            assert program.result() == "False"
            wait_for(lambda: not any(each.is_running() for each in started), "all that it started to be gone")
        assert not [*Path(temporary).glob("nbflow-*")]
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
