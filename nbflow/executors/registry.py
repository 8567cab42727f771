"""Which executor a user means."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from typing import Any

from nbflow.executors.base import Executor
from nbflow.executors.futures import FuturesExecutor
from nbflow.executors.inline import InlineExecutor
from nbflow.executors.thread import ThreadExecutor

_BY_NAME: dict[str, Callable[[], Executor]] = {
    "thread": ThreadExecutor,
    "inline": InlineExecutor,
    "process": lambda: _process(),
    "loky": lambda: FuturesExecutor(_loky_pool(), name="loky", renew=_loky_pool),
    "dask": lambda: _dask(),
    "ray": lambda: _ray(),
}

BUILT_IN = tuple(_BY_NAME)
"""The names that are always there."""


def _loky_pool() -> concurrent.futures.Executor:
    """Return loky's reusable pool, for who wants that library's workers instead of our own."""
    try:
        import loky  # an extra
    except ImportError:
        raise ValueError(
            "executor='loky' needs loky: pip install 'nbflow[process]'. 'process' needs nothing."
        ) from None
    pool: concurrent.futures.Executor = loky.get_reusable_executor()
    return pool


def _process(processes: int | None = None) -> Executor:
    from nbflow.executors.process import ProcessExecutor  # lazily: most tasks run in threads

    return ProcessExecutor(processes)


def _dask(client: Any = None, **options: Any) -> Executor:
    from nbflow.executors.on_dask import DaskExecutor  # lazily, with all that a cluster needs

    return DaskExecutor(client, **options)


def _ray(**options: Any) -> Executor:
    from nbflow.executors.on_ray import RayExecutor

    return RayExecutor(**options)


def _is_dask_client(spec: Any) -> bool:
    """Tell whether this is a client of Dask, without importing Dask."""
    return any(kind.__module__ == "distributed.client" and kind.__name__ == "Client" for kind in type(spec).__mro__)


_CLUSTERS: dict[str, Callable[..., Executor]] = {"dask": _dask, "ray": _ray}


def _sized(spec: str) -> Executor | None:
    """Return the executor of a name with a number of workers or an address behind it, None when it is no such name."""
    name, _, number = spec.partition(":")
    if name in _CLUSTERS and number and not number.isdecimal():
        return _CLUSTERS[name](address=number)
    if name not in ("thread", "process", *_CLUSTERS) or not number.isdecimal() or int(number) < 1:
        return None
    if name in _CLUSTERS:
        return _CLUSTERS[name](processes=int(number))
    return ThreadExecutor(int(number)) if name == "thread" else _process(int(number))


def resolve(spec: Any = None) -> Executor:
    """Return the executor that ``spec`` means: a name, an Executor, or a ``concurrent.futures`` executor.

    None means "thread". A name makes a new executor, which the caller keeps for all bodies and closes; "process:8" and
    "thread:8" say how many bodies it runs at once, "dask:8" and "ray:8" make a cluster of so many processes on this
    computer, "dask:tcp://host:8786" and "ray:host:6379" are running ones; see DaskExecutor and RayExecutor. Raises
    ValueError that names the choices.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from nbflow.executors import resolve
    >>> resolve(ThreadPoolExecutor(2)).workers
    2
    """
    if spec is None:
        spec = "thread"
    if isinstance(spec, str) and spec in _BY_NAME:
        return _BY_NAME[spec]()
    if isinstance(spec, str) and (sized := _sized(spec)) is not None:
        return sized
    if _is_dask_client(spec):
        return _dask(spec)
    if isinstance(spec, concurrent.futures.Executor):
        return FuturesExecutor(spec)
    if isinstance(spec, Executor) and not isinstance(spec, type):
        return spec
    choices = ", ".join(f'"{name}"' for name in _BY_NAME)
    named = f" A name of yours comes by nbflow.init(executors={{{spec!r}: pool}})." if isinstance(spec, str) else ""
    raise ValueError(
        f"executor={spec!r} is not an executor. Give one of {choices}, any concurrent.futures executor, "
        f"a Dask client, or an object with submit, stop, close, name and same_process.{named}"
    )
