"""What the tests of the storage share."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbflow.storage.base import Storage
from nbflow.storage.folder import FolderStorage
from nbflow.storage.memory import MemoryStorage
from nbflow.storage.objects.obstore_bucket import ObstoreBucket
from nbflow.storage.objects.storage import ObjectStorage


@pytest.fixture(params=["folder", "memory", "objects"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """Give an empty storage of each kind."""
    if request.param == "objects":
        request.getfixturevalue("monkeypatch").setenv("NBFLOW_SIGNING_KEY", "a key that these tests have made up")
        return ObjectStorage(ObstoreBucket("memory:///"))
    return FolderStorage(tmp_path / "store") if request.param == "folder" else MemoryStorage()


@pytest.fixture
def folder(tmp_path: Path) -> FolderStorage:
    """Give an empty storage in a folder."""
    return FolderStorage(tmp_path / "store")
