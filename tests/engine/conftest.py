"""A fresh host for every test, and at its end the invariants: no thread of the engine and no open journal is left."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import nbflow as nf
from nbflow import api
from nbflow.engine.host import Host
from nbflow.storage import ownership
from nbflow.storage.folder import FolderStorage
from tests.engine.tools import VirtualClock

LIMIT = int(os.environ.get("NBFLOW_TEST_LIMIT", "60"))
"""Seconds that one test may take."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give the folder of the storage."""
    return tmp_path / "storage"


@pytest.fixture(autouse=True)
def limit() -> Iterator[None]:
    """End a test that hangs, with the line where it does."""

    def stop(*_: object) -> None:
        raise AssertionError("the test hangs")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def host(limit: None, folder: Path) -> Iterator[Host]:
    """Give the default host, on a fresh folder; when the test is over nothing of it may be left."""
    nf.init(storage=FolderStorage(folder, durability="lazy"))
    yield api.default_host()
    nf.shutdown()
    assert not _engine_threads(), "a thread of the engine outlived its host"
    assert not ownership._held, "a journal was not given back"


@pytest.fixture
def clock(host: Host) -> VirtualClock:
    """Give the host a clock that stands still until the test moves it."""
    host.clock = VirtualClock(host.engine)
    return host.clock


def _engine_threads() -> list[str]:
    deadline = time.monotonic() + 5
    while True:
        names = [t.name for t in threading.enumerate() if t.name.startswith(("nbflow-engine", "nbflow-writer"))]
        if not names or time.monotonic() > deadline:
            return names
        time.sleep(0.01)
