"""The loop of every test that takes one promise out of the code and looks whether that is noticed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from nbflow.errors import StorageDamaged
from tests import figures

from .oracle import Violation


def must_be_caught(mutant: Callable[[], Any], plays: Sequence[Callable[[int], Any]], limit: int) -> None:
    """Play histories of each kind, ``limit`` at the most, until one shows that the mutant is at work."""
    with mutant():
        for seed in range(limit):
            for play in plays:
                try:
                    play(seed)
                except (Violation, StorageDamaged) as found:
                    print(f"{play.__name__}({seed}): {found}")
                    figures.count("mutants")
                    return
    pytest.fail(f"{getattr(mutant, '__name__', mutant)} was not noticed in {limit} histories of each kind")
