"""Every mutant of the engine is noticed: the tests that stand for a guarantee of the README can fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import figures
from tests.mutants.breeding import ROOT, breed, changed, hunt, nest
from tests.mutants.catalog import GRAPHS, MUTANTS, Mutant


@pytest.fixture(scope="module")
def copy() -> Iterator[Path]:
    """Give a copy of the package that may be changed."""
    with nest() as folder:
        yield folder


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_package_without_this_promise_is_noticed(mutant: Mutant, copy: Path) -> None:
    found = breed(mutant, copy)
    assert found.killed, f"{mutant.name}: {found.said}"
    figures.count("mutants")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_what_a_mutant_changes_is_there(mutant: Mutant) -> None:
    source = (ROOT / mutant.file).read_text(encoding="utf-8")
    assert changed(mutant, source) != source


def test_a_change_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ValueError, match="stands 0 times"):
        changed(Mutant("gone", "", "", (("no such line", ""),), GRAPHS), "source")


def test_nothing_is_noticed_in_a_package_that_keeps_its_promises(copy: Path) -> None:
    assert not hunt(("pytest", "tests/core/test_inbox.py"), copy).killed
