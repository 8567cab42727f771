"""Programs written for Ray run on a real folder, with a fresh host for each."""

from collections.abc import Iterator

import pytest

from nbflow.ray_compat import ray
from tests.engine.conftest import clock, folder, host, limit

__all__ = ["clock", "folder", "host", "limit"]


@pytest.fixture(autouse=True)
def forgotten(host: object) -> Iterator[None]:
    """Forget what a test chose with ``ray.init``."""
    yield
    ray.shutdown()
