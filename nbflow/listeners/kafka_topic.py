"""A listener for Kafka topics: it reads from the committed offset of a group, and commits after the checkpoint."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from ..dag.event import EventListener, this_wait
from .broker import ENV, Patience, resolved

LOOK = 1.0
"""Seconds between two looks for a topic that is not there yet."""
_SECRETS = ("sasl_plain_password", "ssl_password")


class KafkaListener(EventListener):
    """Wait for the next record of a Kafka topic.

    The value is a dict: topic, partition, offset, key, value, headers, and timestamp in UTC seconds.
    Arguments: ``topic``; ``servers`` ("localhost:9092", or several with commas); ``group`` (default: one for each run),
    whose committed offsets say what comes next; ``start``, where a new group begins ("earliest", or "latest");
    ``partition`` (default: all); ``patience``, for how many seconds the brokers may be away before the wait fails (60);
    and the settings of aiokafka for security. Arguments are stored with the run: where one is a secret, or an address
    that others must not see, say ``"env:NAME"``. Key and value are text where they are UTF-8, else bytes. Needs
    aiokafka: extra ``kafka``.

    The offset is committed when the record is durable, so each record comes once into the journal of the run that has
    the group for itself. Wait for one record after the other: two waits that are open at the same time in one group get
    the same record, unless each has a partition of its own.

    >>> import nbflow as nf
    >>> from nbflow.listeners import KafkaListener
    >>> nf.wait_for_event(KafkaListener, "orders", servers="broker:9092", group="books")
    <node KafkaListener>
    >>> nf.wait_for_event(KafkaListener, "orders", sasl_plain_password="123456")
    Traceback (most recent call last):
    ValueError: sasl_plain_password of a KafkaListener would be stored with the run: ...
    """

    @classmethod
    def check(cls, *args: Any, **kwargs: Any) -> None:
        """Refuse a password that would be stored."""
        for name in _SECRETS:
            if isinstance(kwargs.get(name), str) and not kwargs[name].startswith(ENV):
                raise ValueError(f"{name} of a KafkaListener would be stored with the run: say {name}='env:NAME'.")

    async def poll_for_event(
        self, topic: str, servers: str = "localhost:9092", *, group: str = "", start: str = "earliest",
        partition: int | None = None, patience: float = 60.0, **security: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """Return the next record."""
        waiting = Patience(patience)
        while True:
            try:
                async with _consumer(servers, _group(group), start, security) as consumer:
                    await _assign(consumer, servers, security, topic, partition)
                    waiting.worked()
                    return _record(await consumer.getone())
            except _troubles() as error:
                await waiting.failed(error)

    async def event_checkpointed(self, event: dict[str, Any]) -> None:
        """Commit the offset behind the record. Idempotent: it never goes back."""
        await self._commit(event, *this_wait().args, **this_wait().kwargs)

    async def _commit(
        self, event: dict[str, Any], topic: str, servers: str = "localhost:9092", *, group: str = "",
        start: str = "earliest", partition: int | None = None, patience: float = 60.0, **security: Any,
    ) -> None:  # fmt: skip
        from aiokafka import TopicPartition

        place, following = TopicPartition(topic, event["partition"]), event["offset"] + 1
        waiting = Patience(patience)
        while True:
            try:
                async with _consumer(servers, _group(group), start, security) as consumer:
                    consumer.assign([place])
                    committed = await consumer.committed(place)
                    if committed is None or committed < following:
                        await consumer.commit({place: following})
                    return
            except _troubles() as error:
                await waiting.failed(error)


def _group(group: str) -> str:
    return group or f"nbflow.{this_wait().workflow_id}"


def _troubles() -> tuple[type[BaseException], ...]:
    """Return what a broker that is away, or that is electing another, looks like."""
    from aiokafka.errors import KafkaConnectionError, KafkaError

    return (KafkaConnectionError, KafkaError, OSError)


async def _assign(consumer: Any, servers: str, security: dict[str, Any], topic: str, partition: int | None) -> None:
    """Let a consumer read one partition of a topic or all; a topic that is not there yet is waited for."""
    from aiokafka import TopicPartition

    partitions = [partition] if partition is not None else await _partitions(servers, security, topic)
    consumer.assign([TopicPartition(topic, number) for number in partitions])


async def _partitions(servers: str, security: dict[str, Any], topic: str) -> list[int]:
    from aiokafka.admin import AIOKafkaAdminClient

    admin = AIOKafkaAdminClient(bootstrap_servers=resolved(servers), **_resolved(security))
    await admin.start()
    try:
        while True:
            for found in await admin.describe_topics([topic]):
                if found["partitions"]:
                    return sorted(part["partition"] for part in found["partitions"])
            await asyncio.sleep(LOOK)
    finally:
        await admin.close()


@contextlib.asynccontextmanager
async def _consumer(servers: str, group: str, start: str, security: dict[str, Any]) -> AsyncIterator[Any]:
    try:
        from aiokafka import AIOKafkaConsumer
    except ImportError:
        raise RuntimeError("KafkaListener needs aiokafka: pip install 'nbflow[kafka]'.") from None
    consumer = AIOKafkaConsumer(
        bootstrap_servers=resolved(servers),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset=start,
        **_resolved(security),
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


def _resolved(security: dict[str, Any]) -> dict[str, Any]:
    return {name: resolved(value) for name, value in security.items()}


def _record(record: Any) -> dict[str, Any]:
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "key": _text(record.key),
        "value": _text(record.value),
        "headers": {name: _text(value) for name, value in record.headers},
        "timestamp": record.timestamp / 1000,
    }


def _text(content: bytes | None) -> Any:
    try:
        return None if content is None else content.decode()
    except UnicodeDecodeError:
        return content
