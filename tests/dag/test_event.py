"""What is asked for wrongly is refused in the cell that asks, and not when the wait opens."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import nbflow as nf
from nbflow.testing import MemoryStorage


@pytest.fixture(autouse=True)
def host() -> Iterator[None]:
    nf.init(storage=MemoryStorage())
    yield
    nf.shutdown()


class Ticker(nf.EventListener):
    async def poll_for_event(self, stock: str, *, price: int = 1) -> Any:
        return stock, price


@pytest.mark.parametrize(
    ("given", "named", "says"),
    [
        ((nf.ButtonListener,), {}, r"ButtonListener\(title, \*, message='', .* cannot be bound: missing .*'title'"),
        (
            (nf.ButtonListener, "Go?"),
            {"option": ["a"]},
            "got an unexpected keyword argument 'option'",
        ),
        ((nf.ButtonListener, "Go?", ["a", "b"]), {}, "cannot be bound: too many positional arguments"),
        ((nf.TimerListener,), {}, r"TimerListener\(timestamp\) cannot be bound"),
        ((Ticker,), {}, r"Ticker\(stock, \*, price=1\) cannot be bound"),
        ((Ticker, "ACME"), {"prise": 2}, "unexpected keyword argument 'prise'"),
        (("go",), {"timout": 60}, r"wait_for_event\('go'\) takes timeout= and default=, not timout="),
        (("go", 60), {}, r"wait_for_event\('go'\) takes timeout= and default=, not 60"),
    ],
)
def test_arguments_that_do_not_fit_a_listener_are_refused_when_the_node_is_made(
    given: tuple[Any, ...], named: dict[str, Any], says: str
) -> None:
    with pytest.raises(TypeError, match=says):
        nf.wait_for_event(*given, **named)


def test_arguments_that_fit_are_given() -> None:
    assert nf.run(nf.wait_for_event(Ticker, "ACME", price=12)) == ("ACME", 12)
    assert nf.run(nf.wait_for_event("go", timeout=0.01, default=7)) == 7


def test_a_timer_takes_a_moment_and_a_sleep_a_time_as_python_says_them() -> None:
    then = datetime.now(UTC) + timedelta(seconds=0.05)
    nf.run(nf.wait_for_event(nf.TimerListener, then))
    assert datetime.now(UTC) >= then
    began = time.monotonic()
    nf.run(nf.sleep(timedelta(seconds=0.05)))
    assert time.monotonic() - began >= 0.05


@pytest.mark.parametrize(
    ("node", "says"),
    [
        (lambda: nf.wait_for_event(nf.TimerListener, "tomorrow"), r"a datetime with a time zone, .* not 'tomorrow'"),
        (lambda: nf.wait_for_event(nf.TimerListener, datetime(2026, 1, 1)), r"a time zone, .* not datetime"),
        (lambda: nf.sleep(None), "sleep takes seconds or a timedelta, not None"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_moment_is_told_what_is_one(node: Any, says: str) -> None:
    with pytest.raises(nf.errors.WorkflowExecutionError, match=says):
        nf.run(node())
