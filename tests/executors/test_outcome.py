"""A future carries only what an event loop can await, and the traceback begins in the user's code."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import functools
import gc
import traceback
import weakref
from typing import Any

import pytest

from nbflow.errors import TaskError
from nbflow.executors.base import Executor
from nbflow.executors.inline import InlineExecutor
from nbflow.executors.outcome import Future, presentable, settle, title
from nbflow.executors.thread import ThreadExecutor


def fail(error: BaseException) -> None:
    raise error


class Value:
    """Something that a weak reference can watch."""


def settled(*args: Any) -> Future:
    future: Future = concurrent.futures.Future()
    settle(future, fail, args, {})
    return future


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (StopIteration(3), RuntimeError),
        (asyncio.CancelledError(), TaskError),
        (concurrent.futures.CancelledError(), TaskError),
        (SystemExit(3), TaskError),
        (KeyboardInterrupt(), TaskError),
        (GeneratorExit(), TaskError),
    ],
)
def test_what_would_harm_an_event_loop_is_wrapped(error: BaseException, kind: type[Exception]) -> None:
    async def wait() -> Any:
        return await asyncio.wait_for(asyncio.wrap_future(settled(error)), 5)

    with pytest.raises(kind) as caught:
        asyncio.run(wait())
    assert caught.value.__cause__ is error


def test_an_error_that_cannot_say_what_it_is_ends_its_future_too() -> None:
    class Mute(BaseException):
        def __str__(self) -> str:
            raise ValueError

    error = settled(Mute()).exception()
    assert isinstance(error, TaskError) and "Mute" in str(error)


def test_an_ordinary_exception_is_left_as_it_is() -> None:
    error = ValueError("x")
    assert presentable(error) is error
    assert settled(error).exception() is error


def test_the_traceback_begins_in_the_body() -> None:
    error = settled(ValueError("x")).exception()
    assert error is not None
    assert [frame.name for frame in traceback.extract_tb(error.__traceback__)] == ["fail"]


@pytest.mark.parametrize("kind", [InlineExecutor, ThreadExecutor])
def test_a_failed_future_does_not_hold_its_arguments_in_a_cycle(kind: type[Executor]) -> None:
    gc.collect()
    gc.disable()
    try:
        executor, value = kind(), Value()
        watch = weakref.ref(value)
        future = executor.submit(lambda value: 1 / 0, value)
        assert isinstance(future.exception(5), ZeroDivisionError)
        executor.submit(print).result(5)
        del value, future
        assert watch() is None
    finally:
        gc.enable()


def test_a_body_is_named_by_the_users_function() -> None:
    assert title(contextvars.copy_context().run, (functools.partial(fail, 1),)) == "fail"
    assert title(functools.partial(functools.partial(fail))) == "fail"
    assert title(contextvars.copy_context().run, (settle, 7, fail)) == "fail"
    assert title(settle, (fail,)) == "fail"
    assert title(settle) == "settle"
    assert title(Value) == "Value"
