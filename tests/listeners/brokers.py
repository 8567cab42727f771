"""Brokers for tests: a Redis server of Debian, and the broker inside librdkafka, each a process of its own."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from tests.engine.tools import script, until

T = TypeVar("T")


class RedisServer:
    """A Redis server that keeps nothing on the disk; it is reached by a socket in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self.start()

    def start(self) -> None:
        """Start the server and return when it answers."""
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", str(self.socket), "--save", "", "--appendonly", "no"],
            stdout=subprocess.DEVNULL,
            cwd=self.socket.parent,
        )
        until(self._answers, "the Redis server")

    def _answers(self) -> bool:
        import redis

        try:
            return bool(self.client().ping())
        except redis.exceptions.ConnectionError:
            return False

    def client(self) -> Any:
        """Return a client that waits for its answers."""
        import redis

        return redis.Redis.from_url(self.url, decode_responses=True)

    def stop(self) -> None:
        """Kill the server. Idempotent."""
        self.process.kill()
        self.process.wait()

    def add(self, stream: str, **fields: Any) -> str:
        """Put a message on a stream."""
        return str(self.client().xadd(stream, fields))

    def pending(self, stream: str, group: str = "nbflow") -> int:
        """Return how many messages are read and not acknowledged."""
        return int(self.client().xpending(stream, group)["pending"])

    def readers(self, stream: str, group: str = "nbflow") -> int:
        """Return how many consumers the group knows, 0 before it is made."""
        if not self.client().exists(stream):
            return 0
        groups = {found["name"]: found for found in self.client().xinfo_groups(stream)}
        return int(groups[group]["consumers"]) if group in groups else 0


KAFKA = """
import sys
from confluent_kafka import Producer
cluster = Producer({"bootstrap.servers": "none", "test.mock.num.brokers": 1, "log_level": 0})
print(*(f"{b.host}:{b.port}" for b in cluster.list_topics(timeout=20).brokers.values()), flush=True)
sys.stdin.read()
"""


class KafkaBroker:
    """The broker that librdkafka brings for tests: Kafka's protocol on a real socket, everything in memory."""

    def __init__(self) -> None:
        self.process = script(KAFKA)
        assert self.process.stdout is not None
        self.servers = self.process.stdout.readline().strip()
        assert self.servers, "the broker did not start"

    def stop(self) -> None:
        """Kill the broker."""
        self.process.kill()
        self.process.communicate()

    def add(self, topic: str, *values: Any, partition: int = 0, **more: Any) -> None:
        """Put records into one partition of a topic."""

        async def produce() -> None:
            from aiokafka import AIOKafkaProducer

            async with AIOKafkaProducer(bootstrap_servers=self.servers) as producer:
                for value in values:
                    await producer.send_and_wait(topic, value, partition=partition, **more)

        asyncio.run(produce())

    def committed(self, topic: str, group: str, partition: int = 0) -> int | None:
        """Return the offset that a group goes on from."""

        async def ask() -> Any:
            from aiokafka import TopicPartition
            from aiokafka.admin import AIOKafkaAdminClient

            place = TopicPartition(topic, partition)
            admin = AIOKafkaAdminClient(bootstrap_servers=self.servers)
            await admin.start()
            try:
                offset = (await admin.list_consumer_group_offsets(group, partitions=[place]))[place].offset
            finally:
                await admin.close()
            return None if offset < 0 else offset

        return awaited(ask())


def awaited(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine, on a loop of its own."""
    return asyncio.run(coroutine)
