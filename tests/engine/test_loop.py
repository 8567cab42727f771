"""The engine's own loop: it goes on while the caller computes, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import threading
import time

import pytest

import nbflow as nf
from nbflow.engine.loop import EngineLoop
from nbflow.testing import MemoryStorage


async def where() -> str:
    return threading.current_thread().name


def test_calls_from_outside_run_on_its_thread_and_their_errors_come_back() -> None:
    loop = EngineLoop()

    async def fail() -> None:
        raise KeyError("x")

    assert loop.call(where) == "nbflow-engine"
    with pytest.raises(KeyError):
        loop.call(fail)
    loop.close()
    loop.close()
    with pytest.raises(RuntimeError, match="shutdown"):
        loop.call(where)
    loop.post(lambda: None)


def test_a_post_that_fails_does_not_hold_up_those_behind_it() -> None:
    loop, done, told = EngineLoop(), threading.Event(), threading.Event()
    loop.loop.set_exception_handler(lambda *_: told.set())

    def fail() -> None:
        raise KeyError("x")

    async def post_both() -> None:
        loop.post(fail)
        loop.post(done.set)

    loop.call(post_both)
    assert done.wait(50) and told.wait(50)
    loop.close()


def test_posts_without_end_leave_the_others_their_turn() -> None:
    loop, enough = EngineLoop(), threading.Event()

    def again() -> None:
        if not enough.is_set():
            loop.post(again)

    loop.post(again)
    assert loop.start(where).result(10) == "nbflow-engine"
    enough.set()
    loop.close()


def test_a_call_that_would_wait_for_itself_is_refused() -> None:
    loop = EngineLoop()

    async def inside() -> bool:
        with pytest.raises(RuntimeError, match="await"):
            loop.call(where)
        return loop.inside

    assert (loop.call(inside), loop.inside) == (True, False)
    loop.close()


def test_posts_from_many_threads_all_arrive_in_the_order_of_each() -> None:
    loop, seen = EngineLoop(), []

    def post(name: int) -> None:
        for i in range(200):
            loop.post(lambda i=i: seen.append((name, i)))

    threads = [threading.Thread(target=post, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    loop.call(where)
    assert len(seen) == 800
    for name in range(4):
        assert [i for who, i in seen if who == name] == list(range(200))
    loop.close()


def test_closing_cancels_what_still_runs() -> None:
    loop, ended = EngineLoop(), threading.Event()

    async def stay() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    loop.start(stay)
    loop.call(where)
    loop.close()
    assert ended.is_set()


def test_hosts_come_and_go_without_leaving_files_or_threads_open() -> None:
    def once() -> None:
        nf.shutdown()
        nf.init(storage=MemoryStorage())
        assert nf.run(nf.task(lambda: 1, name="one").bind()) == 1

    for _ in range(3):
        once()
    files, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(10):
        once()
    deadline = time.monotonic() + 5
    while threading.active_count() > threads + 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(os.listdir("/proc/self/fd")) <= files + 3
    assert threading.active_count() <= threads + 3
