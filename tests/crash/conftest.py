"""After all that was killed nothing may be left: no process, temporary file, shared memory or loop device."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import leaks


@pytest.fixture(scope="package", autouse=True)
def nothing_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Count what this folder's tests leave behind."""
    with leaks.own_temporary(tmp_path_factory.mktemp("temporary")), leaks.none(leaks.OUTSIDE):
        yield
