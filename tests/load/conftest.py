"""A host on a fresh folder for every test of the load, and at its end nothing may be left of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import nbflow as nf
from nbflow.engine.host import Host
from nbflow.home import default_host
from nbflow.storage.folder import FolderStorage
from tests import leaks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give the folder of the storage."""
    return tmp_path / "storage"


@pytest.fixture
def host(folder: Path) -> Iterator[Host]:
    """Give the default host."""
    nf.shutdown()
    with leaks.none():
        nf.init(storage=FolderStorage(folder, durability="lazy"))
        yield default_host()
        nf.shutdown()
