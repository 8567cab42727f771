"""The model disk catches every storage that has one promise taken out; so the histories can fail."""

from __future__ import annotations

import pytest

from .catching import must_be_caught
from .histories import interrupted, many_lives, many_owners, one_owner
from .mutants import MUTANTS, Mutant
from .value_histories import equal_values

PLAYS = (interrupted, many_lives, many_owners, one_owner, equal_values)
LIMIT = 5_000
"""Histories of each kind after which a mutant has survived; nearly all die within a hundred."""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_storage_without_this_promise_is_caught(mutant: Mutant) -> None:
    must_be_caught(mutant, PLAYS, LIMIT)


def test_without_a_mutant_the_same_histories_pass() -> None:
    for seed in range(20):
        for play in PLAYS:
            play(seed)
