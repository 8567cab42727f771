"""A storage, a shell beside it, and a process that has runs live."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .commands import Owner, Shell


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    return tmp_path / "runs of all"


@pytest.fixture
def nbflow(tmp_path: Path, storage: Path) -> Shell:
    """Give the command, typed in a folder beside the storage."""
    here = tmp_path / "here"
    here.mkdir()
    return Shell(here, storage)


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Owner]:
    """Give an owner that all tests share which only look."""
    found = Owner(tmp_path_factory.mktemp("standing") / "runs of all")
    yield found
    found.end()


@pytest.fixture
def looking(tmp_path: Path, standing: Owner) -> Shell:
    """Give the command, on the storage of the owner that all share."""
    here = tmp_path / "here"
    here.mkdir()
    return Shell(here, standing.storage)


@pytest.fixture
def owner(storage: Path) -> Iterator[Owner]:
    found = Owner(storage)
    yield found
    found.end()
