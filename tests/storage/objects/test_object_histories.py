"""A model of an object store that loses answers, delays requests and interleaves processes, against an oracle.

Nothing that was acknowledged is lost or doubled, whoever sleeps, dies or competes; and each promise that is taken out
of the storage is missed within a few hundred histories.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from tests import figures
from tests.storage.catching import must_be_caught

from .object_histories import one_after_another, sleeper, slow_deleter, together
from .object_mutants import MUTANTS, Mutant
from .object_stream_histories import writers

PLAYS = (one_after_another, together, sleeper, slow_deleter)
FEW, MANY, FRESH = 150, 20_000, 10
"""Histories of each kind: in CI, in a soak, and those of CI that were never played before."""
LIMIT = 1_000
"""Histories of each kind after which a mutant has survived."""


@pytest.mark.parametrize("play", (*PLAYS, writers), ids=lambda play: play.__name__)
def test_nothing_acknowledged_is_lost_or_doubled_whatever_happens(play: Callable[[int], Any], soak: bool) -> None:
    start = random.randrange(1 << 30)
    print(f"the random seeds begin at {start}")
    count = MANY if soak else FEW
    for seed in (*range(count), *range(start, start + (count // 3 if soak else FRESH))):
        try:
            history = play(seed)
        except BaseException as error:
            error.add_note(f"{play.__name__}({seed})")
            raise
        figures.count("histories")
        figures.count("faults", history.shelf.faults.injected)
        figures.count("crash points", history.shelf.faults.kills)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_an_object_storage_without_this_promise_is_caught(mutant: Mutant) -> None:
    must_be_caught(mutant, PLAYS, LIMIT)
