"""A fresh host for each test, and brokers that the tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.conftest import clock, folder, host, limit
from tests.listeners.brokers import KafkaBroker, RedisServer

__all__ = ["clock", "folder", "host", "limit"]


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """Give a Redis server of this test alone."""
    server = RedisServer(tmp_path)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def kafka_broker() -> Iterator[KafkaBroker]:
    """Give a broker; each test takes a topic and a group of its own."""
    broker = KafkaBroker()
    yield broker
    broker.stop()
