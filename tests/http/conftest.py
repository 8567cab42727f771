"""A fresh host on a real folder for every test, and an endpoint on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import nbflow as nf
from nbflow.engine.host import Host
from nbflow.http.endpoint import Endpoint
from tests.engine.conftest import clock, folder, host, limit

__all__ = ["clock", "folder", "host", "limit"]


@pytest.fixture
def endpoint(host: Host) -> Iterator[Endpoint]:
    """Give the endpoint of the host."""
    with nf.serve() as started:
        yield started
