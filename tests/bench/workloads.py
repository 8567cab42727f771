"""The work that is measured: the same shapes for nbflow and for the floor, with bodies that do nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import nbflow as nf

from .floor import Floor

MEGABYTE = 1_000_000


def payload(size: int, i: int) -> Any:
    """Return a value of a size; each one is different, so that none is stored only once."""
    return i if size == 0 else i.to_bytes(8, "big") * (size // 8)


@nf.task
async def start_async(i: int, size: int) -> Any:
    """Make a value in a coroutine."""
    return payload(size, i)


@nf.task
def start_sync(i: int, size: int) -> Any:
    """Make a value in a thread."""
    return payload(size, i)


@nf.task
async def next_async(before: Any, i: int, size: int) -> Any:
    """Follow on a value in a coroutine."""
    return payload(size, i)


@nf.task
def next_sync(before: Any, i: int, size: int) -> Any:
    """Follow on a value in a thread."""
    return payload(size, i)


@nf.task
async def count_async(parts: list[Any]) -> int:
    """Take many values in."""
    return len(parts)


@nf.task
def count_sync(parts: list[Any]) -> int:
    """Take many values in."""
    return len(parts)


def _tasks(kind: str) -> tuple[Any, Any, Any]:
    return (start_async, next_async, count_async) if kind == "async" else (start_sync, next_sync, count_sync)


def chain(kind: str, n: int, size: int = 0) -> Any:
    """Return n steps, each of which needs the one before."""
    start, follow, _ = _tasks(kind)
    node = start.bind(0, size)
    for i in range(1, n):
        node = follow.bind(node, i, size)
    return node


def fan(kind: str, n: int, size: int = 0) -> Any:
    """Return n steps that need nothing, and one that needs them all."""
    start, _, count = _tasks(kind)
    return count.bind([start.bind(i, size) for i in range(n)])


def map_reduce(kind: str, n: int, size: int = 0) -> Any:
    """Return three layers: n/2 makers, n/2 followers, one that counts."""
    start, follow, count = _tasks(kind)
    return count.bind([follow.bind(start.bind(i, size), i, size) for i in range(n // 2)])


async def floor_chain(floor: Floor, n: int, size: int = 0) -> None:
    """Do the same as ``chain``."""
    value = await floor.step(0, start_async.function, 0, size)
    for i in range(1, n):
        value = await floor.step(i, next_async.function, value, i, size)


async def floor_fan(floor: Floor, n: int, size: int = 0) -> None:
    """Do the same as ``fan``."""
    tasks = [asyncio.ensure_future(floor.step(i, start_async.function, i, size)) for i in range(n)]
    await floor.step(n, count_async.function, await asyncio.gather(*tasks))


async def floor_map_reduce(floor: Floor, n: int, size: int = 0) -> None:
    """Do the same as ``map_reduce``."""

    async def branch(i: int) -> Any:
        value = await floor.step(2 * i, start_async.function, i, size)
        return await floor.step(2 * i + 1, next_async.function, value, i, size)

    parts = await asyncio.gather(*[asyncio.ensure_future(branch(i)) for i in range(n // 2)])
    await floor.step(n, count_async.function, parts)


SHAPES = {"chain": (chain, floor_chain), "fan-out": (fan, floor_fan), "map-reduce": (map_reduce, floor_map_reduce)}
