"""After all that was killed nothing may be left: no process, thread, open file, temporary file or shared memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from jupyter_core.utils import run_sync

from tests import leaks


@pytest.fixture(scope="package", autouse=True)
def nothing_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Count what this folder's tests leave behind."""
    run_sync(asyncio.sleep)(0)  # the client of kernels keeps a loop for each thread: it is there before and after
    with leaks.own_temporary(tmp_path_factory.mktemp("temporary")), leaks.none(leaks.ALL):
        yield
