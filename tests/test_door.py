"""Waiting at the door: for one future or some of many, and what a person sees of an error that comes through it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import traceback
from collections.abc import Iterator

import pytest

import nbflow as nf
from nbflow import door
from nbflow.errors import WorkflowExecutionError
from nbflow.testing import MemoryStorage
from tests.engine.tools import LONG

Future = concurrent.futures.Future[int]


@pytest.fixture(autouse=True)
def host() -> Iterator[None]:
    nf.shutdown()
    nf.init(storage=MemoryStorage())
    yield
    nf.shutdown()


@nf.task
def parse(text: str) -> int:
    return read(text)


def read(text: str) -> int:
    return int(text)


def shown(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def test_so_many_futures_are_waited_for_and_no_more() -> None:
    futures: list[Future] = [Future() for _ in range(4)]
    futures[2].set_result(1)
    door.wait_some(futures, 1, LONG)
    waiting = threading.Thread(target=door.wait_some, args=(futures, 3, LONG))
    waiting.start()
    futures[0].set_exception(ValueError())
    assert waiting.is_alive()
    futures[1].set_result(2)
    waiting.join(LONG)
    assert not waiting.is_alive()
    assert not futures[3].done()


def test_who_gives_up_awaiting_a_run_takes_its_outcome_from_nobody() -> None:
    run = nf.run_async(nf.wait_for_event("go"), workflow_id="w")

    async def impatient() -> None:
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(run, 0.01)

    async def patient() -> object:
        waiting = asyncio.ensure_future(asyncio.wait_for(run, LONG))
        await asyncio.sleep(0)
        run.send("go", 7)
        return await waiting

    asyncio.run(impatient())
    assert asyncio.run(patient()) == 7
    assert run.result(LONG) == 7


def test_waiting_for_some_ends_when_the_time_is_up() -> None:
    door.wait_some([Future()], 1, 0.01)


def test_who_asks_again_and_again_leaves_nothing_at_what_is_waited_for() -> None:
    future, done = Future(), Future()
    done.set_result(1)
    for _ in range(3):
        door.wait_some([future, done, done], 3, 0.001)
    door.wait_some([future, done, done], 2, LONG)
    assert not future._done_callbacks and not future._waiters


@pytest.mark.parametrize("again", [1, 3])
def test_an_error_begins_with_the_users_own_lines_and_does_not_grow_with_each_look(again: int) -> None:
    run = nf.run_async(parse.bind("x1"), workflow_id="w")
    for look in (run.result, lambda: nf.get_output("w")):
        for _ in range(again):
            with pytest.raises(WorkflowExecutionError) as failed:
                look()
        lines = shown(failed.value).splitlines()
        first = [line for line in lines if line.lstrip().startswith("File ")]
        assert "in parse" in first[0]
        assert "in read" in first[1]
        assert all(__file__ in line for line in first[:2])
        engine = [line for line in first[2:] if "nbflow" in line and __file__ not in line]
        assert len(engine) <= 3, engine
        assert lines[-2].startswith("nbflow.errors.WorkflowExecutionError: Task 'parse' of run 'w' failed: ValueError")
