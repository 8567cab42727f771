"""Inline: the body is over when ``submit`` returns."""

from __future__ import annotations

import threading

import pytest

from nbflow.errors import TaskError
from nbflow.executors.inline import InlineExecutor


def interrupt() -> None:
    raise KeyboardInterrupt


def test_a_body_runs_on_the_callers_thread_before_submit_returns() -> None:
    executor = InlineExecutor()
    future = executor.submit(threading.get_ident)
    assert future.done()
    assert future.result() == threading.get_ident()
    assert executor.stop(future)


def test_an_error_is_in_the_future_and_not_in_submit() -> None:
    future = InlineExecutor().submit(lambda: 1 / 0)
    assert isinstance(future.exception(), ZeroDivisionError)


def test_the_stop_of_the_person_at_the_keyboard_reaches_the_caller() -> None:
    with pytest.raises(KeyboardInterrupt):
        InlineExecutor().submit(interrupt)


def test_a_keyboard_interrupt_of_another_thread_stays_in_its_future() -> None:
    errors: list[BaseException | None] = []
    thread = threading.Thread(target=lambda: errors.append(InlineExecutor().submit(interrupt).exception()))
    thread.start()
    thread.join()
    assert isinstance(errors[0], TaskError)


def test_a_closed_executor_takes_no_body() -> None:
    executor = InlineExecutor()
    executor.close()
    executor.close()
    with pytest.raises(RuntimeError, match="closed"):
        executor.submit(print)
