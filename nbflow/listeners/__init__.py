"""Listeners for what happens outside: files, queues, Redis streams and Kafka topics. Imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..faces import on_first_use

if TYPE_CHECKING:
    from ..dag.event import ThisWait as ThisWait
    from ..dag.event import this_wait as this_wait
    from .file import FileListener as FileListener
    from .kafka_topic import KafkaListener as KafkaListener
    from .queue_source import QueueListener as QueueListener
    from .redis_stream import RedisStreamListener as RedisStreamListener

_HOMES = {
    "FileListener": ".file",
    "QueueListener": ".queue_source",
    "RedisStreamListener": ".redis_stream",
    "KafkaListener": ".kafka_topic",
    "ThisWait": "..dag.event",
    "this_wait": "..dag.event",
}

__all__ = ["FileListener", "KafkaListener", "QueueListener", "RedisStreamListener", "ThisWait", "this_wait"]

__getattr__, __dir__ = on_first_use(__name__, _HOMES)
