"""Event streams on a model disk keep all promises, and the same histories catch every stream with one promise less."""

from __future__ import annotations

import random

import pytest

from tests import figures

from .catching import must_be_caught
from .stream_histories import PLAYS
from .stream_mutants import MUTANTS, Mutant

LIMIT = 5_000
"""Histories of each kind after which a mutant has survived; nearly all die within a hundred."""


@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.__name__)
def test_nothing_acknowledged_is_lost_and_nothing_told_is_taken_back(play: object, soak: bool) -> None:
    start = random.randrange(1 << 40)
    print(f"{play.__name__} from {start}")  # type: ignore[attr-defined]
    for seed in (*range(300), *range(start, start + (50_000 if soak else 200))):
        history = play(seed)  # type: ignore[operator]
        figures.count("histories")
        figures.count("crash points", history.faults.crashes)
        figures.count("faults", history.faults.injected)
        figures.count("events", len(history.batches))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_stream_without_this_promise_is_caught(mutant: Mutant) -> None:
    must_be_caught(mutant, PLAYS, LIMIT)
