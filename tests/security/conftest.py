"""What the tests of security share: a fresh host on a fresh folder, and no secret that another test has made known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import nbflow as nf
from nbflow.core import masking


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Give the folder of the default storage."""
    nf.shutdown()
    nf.init(storage=tmp_path / "storage", durability="lazy")
    yield tmp_path / "storage"
    nf.shutdown()


@pytest.fixture(autouse=True)
def forget_secrets() -> Iterator[None]:
    """Look for no value that another test has made known."""
    before, masking.known = masking.known, None
    yield
    masking.known = before
