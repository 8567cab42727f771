"""Bodies that start by the thousand: in slices, handed to threads some milliseconds early, shown when they last."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import Any

import pytest

import nbflow as nf
from nbflow.core.status import NodeStatus
from nbflow.engine.bodies import SLICE
from nbflow.engine.host import Host
from nbflow.engine.lanes import AHEAD, FORESIGHT, Lane, Slot
from tests.engine.tools import Gate, until

MANY = 3 * SLICE


class Turns:
    """A loop whose time the test moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.calls: list[Any] = []

    def time(self) -> float:
        return self.now

    def call_soon(self, call: Any) -> None:
        self.calls.append(call)

    def turn(self) -> None:
        """Make all calls that wait."""
        calls, self.calls = self.calls, []
        for call in calls:
            call()


class Queue:
    """An executor with a queue of its own."""

    queues = True
    workers = 2


class Line:
    """A lane before such an executor; ``inside`` are the slots of the bodies that were handed over."""

    def __init__(self) -> None:
        self.loop = Turns()
        self.lane = Lane(Queue(), 2, self.loop)  # type: ignore[arg-type]
        self.inside: list[Slot] = []

    def join(self, count: int, wide: int = 1, ahead: bool = True) -> None:
        def start(slot: Slot) -> bool:
            self.inside.append(slot)
            return True

        for _ in range(count):
            self.lane.join(start, wide, ahead)

    def end(self, count: int, seconds: float) -> None:
        """Let so many of those inside end, in so many seconds; then the loop has its turn."""
        self.loop.now += seconds
        for _ in range(count):
            self.inside.pop(0).leave()
        self.loop.turn()


def test_bodies_that_end_fast_are_handed_over_ahead_of_time() -> None:
    line = Line()
    line.join(5000)
    assert [slot.early for slot in line.inside] == [False, False], "nothing is known of them yet"
    for _ in range(5):
        line.end(len(line.inside), FORESIGHT / 2)
    assert 2 < len(line.inside) <= 2 + AHEAD
    assert line.inside[-1].early


def test_the_next_body_takes_a_place_at_once_and_one_that_ends_meanwhile_makes_room_for_one_more() -> None:
    line = Line()
    begun: list[int] = []

    def start(i: int, slot: Slot) -> bool:
        begun.append(i)
        if i < 1000:
            slot.leave(at_once=True)  # as one that has ended before it was looked at
        return True

    line.join(2)
    for i in range(1100):
        line.lane.join(partial(start, i))
    assert not begun
    line.inside.pop().leave(at_once=True)
    assert begun == [*range(1001)], "without a recursion, and without a turn of the loop"
    assert line.lane.running == 2


def test_bodies_that_take_their_time_wait_for_a_slot() -> None:
    line = Line()
    line.join(5000)
    for _ in range(5):
        line.end(len(line.inside), FORESIGHT / 2)
    line.end(len(line.inside) - 1, 10 * FORESIGHT * AHEAD)
    assert len(line.inside) == 2
    line.end(2, 1.0)
    assert len(line.inside) == 2


def test_a_body_that_may_not_wait_elsewhere_is_not_handed_over_early() -> None:
    line = Line()
    line.join(500)
    line.join(5, ahead=False)
    while len(line.inside) > 2 or line.lane._line:
        line.end(len(line.inside), FORESIGHT / 2)
        assert not any(slot.early for slot in line.inside[-1:]) or line.lane._line
        if len(line.lane._line) < 5:
            assert len(line.inside) <= 2
    assert len(line.inside) <= 2


def test_nothing_is_handed_over_beside_a_wide_body() -> None:
    line = Line()
    line.join(100)
    line.join(1, wide=2)
    line.join(100)
    while len(line.lane._line) > 100:
        line.end(len(line.inside), FORESIGHT / 2)
    assert len(line.inside) == 1
    assert line.lane.running == 2


def test_more_coroutines_than_a_slice_all_run_at_once() -> None:
    inside, gate = set[int](), asyncio.Event()

    @nf.task
    async def meet(i: int) -> int:
        inside.add(i)
        if len(inside) == MANY:
            gate.set()
        await gate.wait()
        return i

    @nf.task
    async def total(parts: list[int]) -> int:
        return sum(parts)

    assert nf.run(total.bind([meet.bind(i) for i in range(MANY)])) == sum(range(MANY))


def test_a_body_among_many_is_shown_as_running_when_it_lasts(host: Host) -> None:
    gate = threading.Event()

    @nf.task
    async def last(i: int) -> int:
        while not gate.is_set():
            await asyncio.sleep(0.01)
        return i

    run = nf.run_async([last.bind(i) for i in range(MANY)])
    state = host.runners[run.workflow_id].state
    until(lambda: state.counts[NodeStatus.RUNNING] == MANY, "all of them are shown")
    gate.set()
    assert run.result() == list(range(MANY))


def test_bodies_behind_long_ones_are_shown_as_queued_though_they_were_handed_over(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()

    @nf.task
    def stay(i: int) -> int:
        gate.wait()
        return i

    lane = host.lane(None)
    monkeypatch.setattr(lane, "_foresee", lambda: AHEAD)  # as after many tiny ones
    count = lane.slots + 20
    run = nf.run_async([stay.bind(i) for i in range(count)])
    state, bodies = host.runners[run.workflow_id].state, host.runners[run.workflow_id].bodies
    gate.reached(lane.slots)
    showing = bodies._showing
    until(lambda: not (showing._young or showing._old), "all were looked at")
    until(lambda: state.counts[NodeStatus.RUNNING] == lane.slots, "they are shown")
    assert len(bodies.running) == count, "all were handed over"
    assert (state.counts[NodeStatus.RUNNING], state.counts[NodeStatus.QUEUED]) == (lane.slots, 20)
    gate.open.set()
    assert run.result() == list(range(count))
    late = [node for node in run.state.nodes if node.node_id.startswith("stay")]
    assert all(node.started <= node.ended for node in late)


def test_a_body_that_stands_in_line_is_not_started_when_nobody_wants_it_any_more(host: Host) -> None:
    begun: list[int] = []

    @nf.task(executor="inline")
    def begin(i: int) -> int:
        if i == SLICE + 3:  # now all of them stand in line
            for node in range(2 * SLICE, MANY):
                host.runners["halted"].bodies.halt(node)
        begun.append(i)
        return i

    run = nf.run_async([begin.bind(i) for i in range(MANY)], workflow_id="halted")
    until(lambda: len(begun) >= 2 * SLICE, "the others have run")
    until(lambda: host.runners["halted"].state.counts[NodeStatus.DONE] >= 2 * SLICE, "they are stored")
    run.cancel()
    assert begun == list(range(2 * SLICE))


def test_thousands_of_tiny_bodies_in_threads_each_run_once() -> None:
    ran = []

    @nf.task
    def note(i: int) -> int:
        ran.append(i)
        return i

    @nf.task
    def total(parts: list[int]) -> int:
        return sum(parts)

    assert nf.run(total.bind([note.bind(i) for i in range(3000)])) == sum(range(3000))
    assert sorted(ran) == list(range(3000))
