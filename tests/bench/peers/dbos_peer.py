"""DBOS on SQLite, as it comes: each step of a workflow is a row of its system database."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from dbos import DBOS
from work import Work, main, payload


@DBOS.step()
async def start(i: int, size: int) -> Any:
    """Make a value."""
    return payload(size, i)


@DBOS.step()
async def follow(before: Any, i: int, size: int) -> Any:
    """Follow on a value."""
    return payload(size, i)


@DBOS.workflow()
async def chain(n: int, size: int) -> None:
    """Do steps one after another."""
    value = await start(0, size)
    for i in range(1, n):
        value = await follow(value, i, size)


@DBOS.workflow()
async def fan_out(n: int, size: int) -> None:
    """Do steps side by side."""
    await asyncio.gather(*[start(i, size) for i in range(n)])


@DBOS.workflow()
async def map_reduce(n: int, size: int) -> None:
    """Do two layers of steps."""
    made = await asyncio.gather(*[start(i, size) for i in range(n // 2)])
    await asyncio.gather(*[follow(value, i, size) for i, value in enumerate(made)])


def prepare(folder: Path) -> dict[str, Work]:
    """Start DBOS and return the works."""
    folder.mkdir(parents=True, exist_ok=True)
    DBOS(config={"name": "bench", "system_database_url": f"sqlite:///{folder}/dbos.sqlite", "log_level": "ERROR"})
    DBOS.launch()
    loop = asyncio.new_event_loop()
    works = {"chain": chain, "fan-out": fan_out, "map-reduce": map_reduce}
    return {name: lambda n, size, work=work: loop.run_until_complete(work(n, size)) for name, work in works.items()}


main(prepare)
DBOS.destroy()
