"""The whole engine under crashes, failing disks, rivals and repetitions: no history breaks a promise."""

from __future__ import annotations

import time
from random import SystemRandom

import pytest

from tests import figures
from tests.simulation.kinds import KINDS
from tests.simulation.plays import History, play

pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
KNOWN, FRESH, SOAK = 150, 5, 12_000
"""Histories of each kind: those that are the same each time, those of a run of the tests, and those of a long one."""


@pytest.mark.parametrize("name", KINDS)
def test_no_history_breaks_a_promise(name: str, soak: bool) -> None:
    _play(KINDS[name], 0, SOAK if soak else KNOWN)


@pytest.mark.parametrize("name", KINDS)
def test_no_history_that_was_not_played_before_breaks_a_promise(name: str, soak: bool) -> None:
    first = SystemRandom().randrange(1 << 40)
    print(f"{name}: seeds from {first}")
    _play(KINDS[name], first, SOAK if soak else FRESH)


def _play(kind: type[History], first: int, number: int) -> None:
    for seed in range(first, first + number):
        history = play(kind, seed)
        figures.count("histories")
        figures.count("crash points", history.world.crashes)
        figures.count("faults", history.world.faults)
        figures.count("events", len(history.stage.sent))
    figures.count("lost", 0)
    figures.count("doubled", 0)


@pytest.mark.parametrize("name", KINDS)
def test_a_history_follows_from_its_seed(name: str) -> None:
    for seed in range(5):
        first, second = (play(KINDS[name], seed).world for _ in range(2))
        assert first.story == second.story
        assert first.disk.calls == second.disk.calls


def test_the_time_of_the_machine_is_its_own_again_afterwards() -> None:
    play(History, 1)
    assert abs(time.time() - SystemRandom().random()) > 1e9
