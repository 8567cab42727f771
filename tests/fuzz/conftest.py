"""What the fuzzers share: a fresh host on a real folder, and an endpoint on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import nbflow as nf
from nbflow.engine.host import Host
from nbflow.http.endpoint import Endpoint
from tests.engine.conftest import folder, limit


@pytest.fixture
def host(limit: None, folder: object) -> Iterator[Host]:
    """Give the default host, on a fresh folder."""
    from nbflow.home import default_host

    nf.shutdown()
    nf.init(storage=str(folder), durability="lazy")
    yield default_host()
    nf.shutdown()


@pytest.fixture
def endpoint(host: Host) -> Iterator[Endpoint]:
    """Give the endpoint of the host."""
    with nf.serve(rate=1e9) as started:
        yield started


__all__ = ["endpoint", "folder", "host", "limit"]
