"""What the tests of the storage share."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbflow.storage.base import Storage
from nbflow.storage.folder import FolderStorage
from nbflow.storage.memory import MemoryStorage


@pytest.fixture(params=["folder", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """Give an empty storage of each kind."""
    return FolderStorage(tmp_path / "store") if request.param == "folder" else MemoryStorage()


@pytest.fixture
def folder(tmp_path: Path) -> FolderStorage:
    """Give an empty storage in a folder."""
    return FolderStorage(tmp_path / "store")
