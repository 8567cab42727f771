"""Listeners for what happens outside: files, queues, Redis streams and Kafka topics. Imported on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..dag.event import ThisWait as ThisWait
    from ..dag.event import this_wait as this_wait
    from .file import FileListener as FileListener
    from .kafka_topic import KafkaListener as KafkaListener
    from .queue_source import QueueListener as QueueListener
    from .redis_stream import RedisStreamListener as RedisStreamListener

_HOMES = {
    "FileListener": "nbflow.listeners.file",
    "QueueListener": "nbflow.listeners.queue_source",
    "RedisStreamListener": "nbflow.listeners.redis_stream",
    "KafkaListener": "nbflow.listeners.kafka_topic",
    "ThisWait": "nbflow.dag.event",
    "this_wait": "nbflow.dag.event",
}

__all__ = ["FileListener", "KafkaListener", "QueueListener", "RedisStreamListener", "ThisWait", "this_wait"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'nbflow.listeners' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value
