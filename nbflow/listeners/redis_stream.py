"""A listener for Redis streams: a consumer group in which each wait is a consumer of its own."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..dag.event import EventListener, this_wait
from .broker import ENV, Patience, resolved

BLOCK = 30.0
"""Seconds that one read waits at the server."""


@dataclass(frozen=True, slots=True)
class _Settings:
    stream: str
    url: str = "redis://localhost:6379"
    group: str = "nbflow"
    start: str = "0"
    claim_after: float | None = None
    patience: float = 60.0


class RedisStreamListener(EventListener):
    """Wait for the next message of a Redis stream; the value is ``{"stream": ..., "id": ..., "fields": {...}}``.

    Arguments: ``stream``; ``url`` (``"redis://localhost:6379"``; one with a password is refused, because arguments are
    stored: say ``"env:REDIS_URL"``, the name of a variable that every process has that runs the workflow); ``group``
    ("nbflow"), the consumer group that shares the messages, made on first use to begin at ``start`` ("0": all that are
    there, "$": new ones); ``patience``, for how many seconds the server may be away before the wait fails (60).
    Fields are text where they are UTF-8, else bytes. Needs Redis 6.2 or later, and redis-py: extra ``redis``.

    Each wait reads one message, and acknowledges it when it is durable: it comes once into the journal of one run.
    After a crash the same wait gets the same message again. A message that was read by a wait which will never go on
    (its run was deleted, or it lost in an ``any_of`` at that moment) stays pending in the group; ``claim_after``
    seconds lets a wait take such ones over. Make that longer than any run stands still, or one may be taken twice.

    >>> import nbflow as nf
    >>> from nbflow.listeners import RedisStreamListener
    >>> nf.wait_for_event(RedisStreamListener, "orders", url="env:REDIS_URL")
    <node RedisStreamListener>
    >>> nf.wait_for_event(RedisStreamListener, "orders", url="redis://:123456@broker")
    Traceback (most recent call last):
    ValueError: The url of a RedisStreamListener holds a password, ...
    """

    @classmethod
    def check(cls, *args: Any, **kwargs: Any) -> None:
        """Refuse a password in the address, and unknown arguments."""
        url = _Settings(*args, **kwargs).url
        if isinstance(url, str) and not url.startswith(ENV) and urlsplit(url).password:
            raise ValueError(
                "The url of a RedisStreamListener holds a password, and arguments are stored with the run: put it into "
                "an environment variable and say url='env:REDIS_URL'."
            )

    async def poll_for_event(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the next message; first the one that this wait has read before, if it did."""
        settings, troubles = _Settings(*args, **kwargs), _troubles()
        wait, patience = this_wait(), Patience(settings.patience)
        reader = _Reader(settings, f"{wait.workflow_id}/{wait.node_id}")
        async with _client(settings) as client:
            while True:
                try:
                    message = await reader.next(client)
                except troubles as error:
                    await patience.failed(error)
                    continue
                patience.worked()
                if message is not None:
                    return message

    async def event_checkpointed(self, event: dict[str, Any]) -> None:
        """Acknowledge the message. Idempotent."""
        settings, troubles = _Settings(*this_wait().args, **this_wait().kwargs), _troubles()
        patience = Patience(settings.patience)
        async with _client(settings) as client:
            while True:
                try:
                    await client.xack(settings.stream, settings.group, event["id"])
                    return
                except troubles as error:
                    await patience.failed(error)


class _Reader:
    """Reads one message of a stream as one consumer of a group."""

    def __init__(self, settings: _Settings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._ready = False

    async def next(self, client: Any) -> dict[str, Any] | None:
        """Return a message, None when none came for a while."""
        from redis.exceptions import ResponseError

        settings = self._settings
        try:
            if not self._ready:
                await self._make_group(client)
            for entry in await self._read(client, "0") + await self._abandoned(client):
                if entry[1]:
                    return self._message(entry)
                await client.xack(settings.stream, settings.group, entry[0])  # it was deleted from the stream
            entries = await self._read(client, ">", round(BLOCK * 1000))
        except ResponseError as error:
            if not str(error).startswith(("NOGROUP", "UNBLOCKED")):
                raise
            self._ready = False  # somebody deleted the stream: it is waited for anew
            return None
        return self._message(entries[0]) if entries else None

    async def _make_group(self, client: Any) -> None:
        from redis.exceptions import ResponseError

        try:
            await client.xgroup_create(self._settings.stream, self._settings.group, self._settings.start, mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise
        self._ready = True

    async def _read(self, client: Any, since: str, block: int | None = None) -> list[Any]:
        settings = self._settings
        found = await client.xreadgroup(settings.group, self._name, {settings.stream: since}, count=1, block=block)
        return list(found[0][1]) if found else []

    async def _abandoned(self, client: Any) -> list[Any]:
        """Take over one message that another consumer has read long ago and never acknowledged."""
        settings = self._settings
        if settings.claim_after is None:
            return []
        idle = round(settings.claim_after * 1000)
        found = await client.xautoclaim(settings.stream, settings.group, self._name, idle, count=1)
        return [entry for entry in found[1] if entry is not None]

    def _message(self, entry: Any) -> dict[str, Any]:
        identity, fields = entry
        named = {_text(name): _text(value) for name, value in fields.items()}
        return {"stream": self._settings.stream, "id": _text(identity), "fields": named}


def _troubles() -> tuple[type[BaseException], ...]:
    """Return what a server that is away looks like. Raises RuntimeError when redis-py is not installed."""
    try:
        from redis import exceptions
    except ImportError:
        raise RuntimeError("RedisStreamListener needs redis-py: pip install 'nbflow[redis]'.") from None
    return (exceptions.ConnectionError, exceptions.TimeoutError, OSError)


@contextlib.asynccontextmanager
async def _client(settings: _Settings) -> AsyncIterator[Any]:
    import redis.asyncio

    client = redis.asyncio.Redis.from_url(
        resolved(settings.url), socket_connect_timeout=10, socket_timeout=BLOCK + 10, protocol=2
    )
    try:
        yield client
    finally:
        await client.aclose()


def _text(content: bytes) -> Any:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content
