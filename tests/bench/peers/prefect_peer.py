"""Prefect with persisted results and the server that it starts for itself: each task run is told to that server."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ.update(
    PREFECT_HOME=f"{sys.prefix}/home",  # kept: to make its database takes longer than all the steps
    PREFECT_LOCAL_STORAGE_PATH=f"{sys.argv[1]}/results",
    PREFECT_RESULTS_PERSIST_BY_DEFAULT="true",
    PREFECT_LOGGING_LEVEL="ERROR",
    PREFECT_SERVER_ANALYTICS_ENABLED="false",
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS="150",
    DO_NOT_TRACK="1",
)

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from work import Work, main, payload


@task(cache_policy=NO_CACHE, persist_result=True)
def start(i: int, size: int) -> Any:
    """Make a value."""
    return payload(size, i)


@task(cache_policy=NO_CACHE, persist_result=True)
def follow(before: Any, i: int, size: int) -> Any:
    """Follow on a value."""
    return payload(size, i)


@flow
def chain(n: int, size: int) -> None:
    """Do steps one after another."""
    value = start(0, size)
    for i in range(1, n):
        value = follow(value, i, size)


@flow
def fan_out(n: int, size: int) -> None:
    """Do steps side by side."""
    for future in [start.submit(i, size) for i in range(n)]:
        future.result()


@flow
def map_reduce(n: int, size: int) -> None:
    """Do two layers of steps."""
    made = [start.submit(i, size) for i in range(n // 2)]
    for future in [follow.submit(value, i, size) for i, value in enumerate(made)]:
        future.result()


def prepare(folder: Path) -> dict[str, Work]:
    """Return the works."""
    return {"chain": chain, "fan-out": fan_out, "map-reduce": map_reduce}


main(prepare)
