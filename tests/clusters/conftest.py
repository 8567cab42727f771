"""What the tests of clusters share: a Dask and a Ray of several processes, started once, on loopback, surely ended."""

from __future__ import annotations

import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import nbflow as nf
from tests.clusters.tools import DASK, LIMIT, RAY, NotStarted, Program

RAY_STARTS = 4


@pytest.fixture(scope="session")
def dask_address() -> Iterator[str]:
    """Give the address of a Dask scheduler with two workers of one thread."""
    with Program(DASK) as cluster:
        yield cluster.first_line()


@pytest.fixture(scope="session")
def ray_address() -> Iterator[str]:
    """Give the address of a Ray with two processors."""
    with pytest.MonkeyPatch.context() as patch:
        # For all that join it, too: only loopback, nothing sent anywhere, and a token that is not written anywhere.
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        yield from _ray(1)


def _ray(attempt: int) -> Iterator[str]:
    """Start a Ray; its own programs give each other some seconds, which are too few on a machine with much to do."""
    folder = tempfile.mkdtemp(prefix="nbf-")  # Ray's sockets are there: the path must be short
    try:
        with Program(RAY, folder) as cluster:
            address = cluster.first_line()
            yield address
            return
    except NotStarted:
        if attempt == RAY_STARTS:
            raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    yield from _ray(attempt + 1)


@pytest.fixture
def spec(request: pytest.FixtureRequest) -> str:
    """Give the executor that a test is about; a cluster is started when the first one asks for it."""
    kind: str = request.param
    return f"{kind}:{request.getfixturevalue(f'{kind}_address')}" if kind in ("dask", "ray") else kind


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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give the folder of the storage."""
    return tmp_path / "storage"


@pytest.fixture(autouse=True)
def _shut_down() -> Iterator[None]:
    yield
    nf.shutdown()
