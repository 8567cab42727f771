"""Bodies that behave as nobody expects: whatever they do, their run ends, and says what they did."""

from __future__ import annotations

import asyncio
import concurrent.futures
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.engine import bodies, trouble
from nbflow.engine.host import Host
from nbflow.engine.runner import Runner
from nbflow.errors import RunIsLive, StorageError, TaskError, WorkflowExecutionError
from nbflow.storage import values
from nbflow.storage.base import RunJournal
from nbflow.storage.folder import FolderStorage
from nbflow.storage.results import ResultCache
from nbflow.testing import MemoryStorage
from tests.engine.tools import Gate, finish, script, until

SECONDS = 50.0


class Full:
    """An executor that takes no bodies."""

    name = "full"
    same_process = True
    workers = 2

    def submit(self, body: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        raise ValueError("no room")

    def stop(self, future: concurrent.futures.Future[Any]) -> bool:
        return True

    def close(self) -> None:
        pass


class Proxy:
    """Stands for something that is not there, as some libraries' proxies do: it raises whatever it is asked."""

    @property
    def __class__(self) -> Any:
        raise RuntimeError("nothing is behind it")


def start(**options: Any) -> None:
    """Begin anew, with other settings."""
    nf.shutdown()
    nf.init(storage=MemoryStorage(), **options)


# ---- places that take no bodies ----


@pytest.mark.parametrize("size", [1, 100_000])
def test_a_body_that_its_executor_does_not_take_fails_and_gives_its_slot_back(size: int) -> None:
    start(executors={"full": Full()})
    task = nf.task(len, name="measure", executor="full", max_retries=1)
    run = nf.run_async(task.bind(bytes(size)), workflow_id="w")
    with pytest.raises(WorkflowExecutionError, match="'full' did not take 'measure': ValueError: no room"):
        run.result(SECONDS)
    assert run.state.nodes[run.state.output].attempt == 2
    assert run._host.lane("full").running == 0


def test_an_error_of_the_engines_own_ends_the_run(host: Host) -> None:
    async def fail() -> None:
        raise KeyError("lost")

    async def spawn(runner: Runner) -> None:
        runner.spawn(fail())

    run = nf.run_async(nf.wait_for_event("go"))
    host.engine.call(spawn, host.runners[run.workflow_id])
    with pytest.raises(KeyError, match="lost"):
        run.result(SECONDS)


# ---- values ----


@pytest.mark.parametrize("checkpoint", [True, False])
def test_a_value_that_raises_when_it_is_looked_at_fails_its_task(checkpoint: bool) -> None:
    def plain() -> Proxy:
        return Proxy()

    async def coroutine() -> list[Proxy]:
        return [Proxy()]

    async def bare() -> Proxy:
        return Proxy()

    for body in (plain, coroutine, bare):
        run = nf.run_async(nf.task(body, checkpoint=checkpoint, max_retries=0).bind())
        try:
            run.result(SECONDS)
        except WorkflowExecutionError as error:
            assert "nothing is behind it" in str(error)
        else:
            assert not checkpoint


def test_a_caught_failure_that_cannot_be_stored_fails_its_task(monkeypatch: pytest.MonkeyPatch) -> None:
    real = values.encode

    def encode(value: Any, *args: Any, **options: Any) -> Any:
        if isinstance(value, tuple):
            raise StorageError("the disk says no")
        return real(value, *args, **options)

    @nf.task(catch_exceptions=True)
    def fail() -> None:
        raise ValueError

    monkeypatch.setattr(trouble, "PAUSE", 0.001)
    monkeypatch.setattr(values, "encode", encode)
    with pytest.raises(WorkflowExecutionError, match="the disk says no"):
        nf.run_async(fail.bind()).result(SECONDS)


# ---- ends ----


def leave() -> None:
    sys.exit(3)


def interrupt() -> None:
    raise KeyboardInterrupt


def give_up() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("act", "said"),
    [(leave, r"sys\.exit\(3\)"), (interrupt, "KeyboardInterrupt"), (give_up, "that it waited for was cancelled")],
)
def test_an_async_body_that_ends_everything_fails_as_a_plain_one_does(act: Callable[[], None], said: str) -> None:
    async def coroutine() -> None:
        act()

    for body in (act, coroutine):
        with pytest.raises(WorkflowExecutionError, match=said) as caught:
            nf.run(nf.task(body, retry_exceptions=True, max_retries=1).bind(), workflow_id=body.__name__)
        assert isinstance(caught.value.__cause__, TaskError)
        assert nf.get_metadata(body.__name__, body.__name__)["attempts"] == 2


@pytest.mark.parametrize(("act", "said"), [(leave, r"sys\.exit\(3\)"), (give_up, "that it waited for was cancelled")])
def test_a_body_on_the_notebooks_loop_ends_neither_the_loop_nor_whoever_awaits_it(
    act: Callable[[], None], said: str
) -> None:
    @nf.task(loop="notebook", max_retries=0)
    async def coroutine() -> None:
        act()

    async def cell() -> str:
        with pytest.raises(WorkflowExecutionError, match=said):
            await nf.run_async(coroutine.bind())
        return "goes on"

    assert asyncio.run(cell()) == "goes on"


def test_a_body_that_was_stopped_and_leaves_with_an_error_has_no_end_any_more() -> None:
    left = threading.Event()

    @nf.task
    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
            raise ValueError("while leaving")

    loser = stubborn.bind()
    done = nf.wait_for_event("done")
    run = nf.run_async(nf.task(lambda first, go: first.index, name="both").bind(
        nf.any_of(loser, nf.wait_for_event("first")), done), workflow_id="w")  # fmt: skip
    until(lambda: run.state.counts["running"] == 1 and run.state.counts["waiting"] == 2)
    run.send("first", 1)
    assert left.wait(SECONDS)
    run.send("done", 1)
    assert run.result(SECONDS) == 1
    assert not any("while leaving" in line for line in run.story("stubborn"))


def test_a_coroutine_that_refuses_to_leave_when_its_time_is_up_is_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()

    @nf.task(timeout=0.01, max_retries=0)
    async def stubborn() -> None:
        while not go.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                pass

    monkeypatch.setattr(bodies, "GRACE", 0.05)
    run = nf.run_async(stubborn.bind(), workflow_id="w")
    with pytest.raises(WorkflowExecutionError, match=r"'stubborn' of run 'w' ran longer than 0\.01 .* abandoned"):
        run.result(SECONDS)
    go.set()


def test_a_call_that_is_stopped_while_the_cache_is_asked_does_not_hold_up_the_same_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate, asked, read = Gate(), threading.Lock(), ResultCache.read

    def slow(*args: Any) -> Any:
        if asked.acquire(blocking=False):  # the first one only
            gate.wait()
        return read(*args)

    @nf.task(cache=True)
    def make() -> int:
        return 7

    both = nf.task(lambda first, go, made: (first.index, made), name="both")

    @nf.task
    def later(_: Any) -> Any:
        return nf.continuation(make.bind())

    monkeypatch.setattr(ResultCache, "read", slow)
    first = nf.any_of(make.bind(), nf.wait_for_event("first"))
    run = nf.run_async(both.bind(first, nf.wait_for_event("go"), later.bind(first)), workflow_id="w")
    gate.reached()
    run.send("first", 1)
    until(lambda: run.state.nodes[run.state.index["make"]].status == "canceled")
    gate.open.set()
    run.send("go", 1)
    assert run.result(SECONDS) == (1, 7)


# ---- runs inside of tasks ----


@pytest.mark.parametrize("limits", [{}, {"max_running_workflows": 1}])
def test_a_task_that_waits_for_a_run_is_not_in_its_way(limits: dict[str, int]) -> None:
    start(executor="thread:2", **limits)
    inner = nf.task(lambda x: x + 1, name="inner")

    @nf.task
    def outer(x: int) -> int:
        return nf.run(inner.bind(x))  # type: ignore[no-any-return]

    @nf.task
    def waits(x: int) -> int:
        runs = [nf.run_async(inner.bind(i)) for i in range(3)]
        nf.wait(runs, num_returns=3)
        return sum(run.result() for run in runs)

    @nf.task
    async def awaits(x: int) -> int:
        return await nf.run_async(inner.bind(x))  # type: ignore[no-any-return]

    total = nf.task(sum, name="total")
    for task, wanted in ((outer, 36), (waits, 48), (awaits, 36)):
        assert nf.run_async(total.bind(task.map(range(8)))).result(SECONDS) == wanted
    until(lambda: nf.api.default_host().lane(None).running == 0)


def test_where_nobody_can_make_room_for_a_run_that_is_waited_for_that_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    go = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        start(executor=pool)
        inner = nf.task(lambda: go.wait(SECONDS), name="inner", executor="thread")
        outer = nf.task(lambda: nf.run(inner.bind()), name="outer")
        run = nf.run_async(outer.bind())
        until(lambda: "'outer' waits for another run and keeps its place on 'ThreadPoolExecutor'" in caplog.text)
        go.set()
        assert run.result(SECONDS) is True
        nf.shutdown()


def test_an_async_task_that_would_stop_the_engine_by_waiting_is_told_so() -> None:
    inner = nf.task(lambda: 1, name="inner")

    @nf.task(max_retries=0)
    async def waits() -> None:
        nf.wait([nf.run_async(inner.bind())])

    with pytest.raises(WorkflowExecutionError, match=r"'waits'.* await the async form"):
        nf.run_async(waits.bind()).result(SECONDS)


def test_a_run_that_still_opens_when_the_engine_is_closed_is_let_go_as_the_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, real = Gate(), FolderStorage.create_run

    def create(storage: FolderStorage, workflow_id: str) -> RunJournal:
        if workflow_id == "inner":
            gate.wait()
        return real(storage, workflow_id)

    @nf.task
    async def begins() -> None:
        nf.run_async(nf.wait_for_event("go"), workflow_id="inner")

    monkeypatch.setattr(FolderStorage, "create_run", create)
    nf.run(begins.bind())
    gate.reached()
    closing = threading.Thread(target=nf.shutdown)
    closing.start()
    gate.open.set()
    closing.join(SECONDS)
    assert not closing.is_alive()
    nf.init(storage=FolderStorage(folder, durability="lazy"))
    nf.send("inner", "go", 7)
    assert nf.resume("inner") == 7


def test_an_async_task_may_resume_a_run_by_its_handle() -> None:
    nf.run_async(nf.wait_for_event("go"), workflow_id="let-go").detach()
    nf.send("let-go", "go", 7)

    @nf.task
    async def goes_on() -> int:
        return await nf.get_run("let-go").resume()  # type: ignore[no-any-return]

    assert nf.run_async(goes_on.bind()).result(SECONDS) == 7


def test_a_run_that_was_deleted_while_it_ran_says_so_and_begins_anew(folder: Path) -> None:
    @nf.task(max_retries=0)
    def remove() -> int:
        shutil.rmtree(folder / "runs" / "w")
        return 1

    add = nf.task(lambda x: x + 1, name="add")
    with pytest.raises(RunIsLive, match=r"'w' is run here no more: Somebody deleted .* begins it anew"):
        nf.run(add.bind(remove.bind()), workflow_id="w")
    assert nf.run(add.bind(2), workflow_id="w") == 3


# ---- forks ----


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_fork_that_a_body_leaves_behind_ends_and_writes_nothing(kind: str, folder: Path) -> None:
    out = finish(script(
        f"""
        import os, sys
        import nbflow as nf
        nf.init(storage=sys.argv[1])

        @nf.task
        {kind} split():
            return os.fork()

        @nf.task
        {kind} add(x):
            return x

        child = nf.run(add.bind(split.bind()), workflow_id="w")
        assert child > 0 and os.waitpid(child, 0)[1] == 0
        print(len(nf.get_run("w").story("add")), [str(each) for each in nf.list_all()])
        """,
        folder,
    ))  # fmt: skip
    frames = [line.split(",")[0] for file in folder.glob("runs/*/*.jsonl") for line in file.read_text().splitlines()]
    assert len(frames) == len({*frames}), "two processes wrote into one journal"
    assert "SUCCESSFUL" in out


@pytest.mark.parametrize("caught", [False, True])
def test_a_secret_that_only_the_process_of_its_task_has_looked_up_is_not_stored(
    caught: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "canary-of-this-test")

    @nf.task(executor="process", catch_exceptions=caught)
    def tell(secret: nf.Secret) -> str:
        return secret.get()

    run = nf.run_async(tell.bind(nf.Secret("TOKEN")))
    if caught:
        assert "TOKEN" in str(run.result(SECONDS)[1])
    else:
        with pytest.raises(WorkflowExecutionError, match=r"Secret\('TOKEN'\)"):
            run.result(SECONDS)
    nf.shutdown()
    kept = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert kept and not any(b"canary-of-this-test" in content for content in kept)
