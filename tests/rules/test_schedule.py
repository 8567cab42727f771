"""The times of a schedule, and those that passed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.errors import GraphError
from nbflow.rules import Schedule


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_an_interval_counts_from_the_begin_of_the_flow() -> None:
    schedule = Schedule(every=timedelta(minutes=1))
    assert schedule.after(1000.0, base=1000.0) == 1060.0
    assert schedule.after(1060.0, base=1000.0) == 1120.0
    assert schedule.missed(1060.0, 1250.0, base=1000.0) == (1240.0, 3)
    assert schedule.missed(1240.0, 1250.0, base=1000.0) == (0.0, 0)
    assert str(schedule) == "every 60 s"


@given(st.floats(0.01, 1e6), st.floats(0, 2e9), st.integers(0, 1000))
def test_each_time_comes_once_whatever_floats_do(every: float, base: float, number: int) -> None:
    schedule, last = Schedule(every=every), base + number * every
    due = schedule.after(last, base)
    assert due > last
    found, count = schedule.missed(last, due, base)
    assert (found, count) == (due, 1)
    assert schedule.after(found, base) > due


def test_cron_follows_the_time_of_day_of_its_zone_over_the_change_of_clocks() -> None:
    schedule = Schedule(cron="30 6 * * *", timezone="Europe/Berlin")
    before = schedule.after(at("2026-03-28T00:00"))
    assert before == at("2026-03-28T05:30")
    assert schedule.after(before) == at("2026-03-29T04:30")
    assert str(schedule) == "at '30 6 * * *' (Europe/Berlin)"


def test_missed_times_of_cron_are_counted() -> None:
    schedule = Schedule(cron="0 * * * *", timezone="UTC")
    assert schedule.missed(at("2026-11-21T10:00"), at("2026-11-21T13:30")) == (at("2026-11-21T13:00"), 3)
    assert schedule.missed(at("2026-11-21T13:00"), at("2026-11-21T13:30")) == (0.0, 0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "either every=seconds or cron="),
        ({"every": 1, "cron": "* * * * *"}, "either every=seconds or cron="),
        ({"every": 0}, "seconds from 0.01"),
        ({"every": float("nan")}, "seconds from 0.01"),
        ({"every": True}, "seconds from 0.01"),
        ({"cron": "every day"}, "is not understood"),
        ({"cron": "0 0 31 2 *"}, "31 2"),
        ({"cron": "* * * * *", "timezone": "Mars/Base"}, "not known here"),
        ({"every": 1, "catch_up": "most"}, "'last', 'all', 'none'"),
    ],
)
def test_a_schedule_that_means_nothing_is_refused_where_it_is_written(options: dict[str, object], words: str) -> None:
    with pytest.raises(GraphError, match=words):
        Schedule(**options)  # type: ignore[arg-type]
