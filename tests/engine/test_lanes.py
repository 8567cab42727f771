"""The line before an executor: who may start, and how wide bodies and narrow ones share its slots."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nbflow.engine.lanes import Lane, Slot


class Waiting:
    """Bodies in the line of a lane, by name; each takes its slot and keeps it."""

    def __init__(self, slots: int) -> None:
        self.lane = Lane(None, slots, asyncio.get_running_loop())  # type: ignore[arg-type]
        self.inside: dict[str, Slot] = {}

    def join(self, name: str, wide: int = 1) -> None:
        def start(slot: Slot) -> bool:
            self.inside[name] = slot
            return True

        self.lane.join(start, wide)

    async def leave(self, name: str) -> None:
        self.inside.pop(name).leave()
        await asyncio.sleep(0)


def on_a_loop(test: Any) -> Any:
    def run() -> None:
        asyncio.run(test())

    run.__name__ = test.__name__
    return run


@on_a_loop
async def test_the_first_come_are_served_first() -> None:
    lane = Waiting(2)
    for name in "abc":
        lane.join(name)
    assert [*lane.inside] == ["a", "b"]
    await lane.leave("a")
    assert [*lane.inside] == ["b", "c"]


@on_a_loop
async def test_a_wide_body_waits_until_it_has_all_its_slots_and_nobody_overtakes_it() -> None:
    lane = Waiting(3)
    lane.join("narrow")
    lane.join("wide", 3)
    lane.join("late")
    assert [*lane.inside] == ["narrow"]
    await lane.leave("narrow")
    assert [*lane.inside] == ["wide"]
    assert lane.lane.running == 3
    await lane.leave("wide")
    assert [*lane.inside] == ["late"]


@on_a_loop
async def test_who_wants_more_slots_than_there_are_gets_all() -> None:
    lane = Waiting(2)
    lane.join("huge", 100)
    assert lane.lane.running == 2
    await lane.leave("huge")
    assert lane.lane.running == 0


@on_a_loop
async def test_slots_that_are_not_wanted_any_more_go_to_the_next_and_leaving_twice_counts_once() -> None:
    lane = Waiting(2)
    lane.lane.join(lambda slot: False, 2)
    lane.join("a", 2)
    slot = lane.inside["a"]
    await lane.leave("a")
    slot.leave()
    assert lane.lane.running == 0
    with pytest.raises(AssertionError):
        _ = slot.lane
