"""The time of day and the timers of the engine."""

from __future__ import annotations

import threading
import time

import pytest

from nbflow.engine.clock import SLICE, Agenda, SystemClock, Timer
from nbflow.engine.host import Host
from tests.engine.tools import VirtualClock


def test_timers_ring_in_order_and_canceled_ones_do_not() -> None:
    agenda, rung = Agenda(), []
    timers = {when: Timer(when, lambda when=when: rung.append(when)) for when in (3.0, 1.0, 2.0, 4.0)}
    for timer in timers.values():
        agenda.add(timer)
    timers[2.0].cancel()
    for timer in agenda.due(3.0):
        assert timer.call is not None
        timer.call()
    assert (rung, agenda.next()) == ([1.0, 3.0], 4.0)
    timers[4.0].cancel()
    assert agenda.next() is None


def test_a_timer_of_the_wall_clock_rings_at_its_moment_and_an_earlier_one_comes_first(host: Host) -> None:
    clock, done, rung = SystemClock(host.engine.loop), threading.Event(), []

    async def begin() -> None:
        now = clock.time()
        clock.call_at(now + 0.06, lambda: (rung.append("later"), done.set()))
        clock.call_at(now + 0.02, lambda: rung.append("sooner"))
        clock.call_at(now + 0.03, lambda: rung.append("never")).cancel()
        clock.call_at(now - 5, lambda: rung.append("at once"))

    began = time.time()
    host.engine.call(begin)
    assert done.wait(5)
    assert rung == ["at once", "sooner", "later"]
    assert time.time() - began >= 0.06


def test_the_wall_clock_is_looked_at_again_and_again(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop that slept, or a clock that was set: a far timer rings soon after its moment has come."""
    clock, rung = SystemClock(host.engine.loop), threading.Event()
    delays: list[float] = []
    call_later = host.engine.loop.call_later

    def slice_of_time(delay: float, call: object, *args: object) -> object:
        delays.append(delay)
        return call_later(min(delay, 0.02), call, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(host.engine.loop, "call_later", slice_of_time)
    offset = 0.0
    monkeypatch.setattr(clock, "time", lambda: time.time() + offset)

    async def begin() -> None:
        clock.call_at(time.time() + 3600, rung.set)

    host.engine.call(begin)
    assert not rung.wait(0.05)
    offset = 4000.0
    assert rung.wait(5)
    assert max(delays) == SLICE


def test_the_virtual_clock_rings_what_is_due_and_stands_still(clock: VirtualClock) -> None:
    rung: list[int] = []
    clock.call_at(clock.time() + 5, lambda: rung.append(5))
    clock.advance(4.9)
    assert rung == []
    clock.advance(0.1)
    assert rung == [5]
