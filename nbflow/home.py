"""The default host: chosen by ``init``, or made on first use with what the environment says."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

from . import door
from .engine.host import Host, Limits
from .engine.loop import EngineLoop
from .executors import resolve
from .storage.base import Storage

_lock = threading.RLock()
"""Guards the default host: two threads may use nbflow for the first time at once."""
_host: Host | None = None
_settings: dict[str, Any] = {}


def init(
    *, storage: Any = None, executor: Any = None, loop: str | None = None, durability: str | None = None,
    max_running_workflows: int | None = None, max_pending_workflows: int | None = None,
) -> None:  # fmt: skip
    """Choose where checkpoints are kept and how runs go. Call it first, or not at all.

    ``storage`` is a folder (default ``NBFLOW_STORAGE``, else ``./.nbflow``) or a storage object; ``executor`` is
    where plain functions run: "thread" (default), "process", "inline" or a concurrent.futures executor;
    ``loop="notebook"`` runs coroutines on the notebook's own loop; ``durability`` is "group" (default: every commit
    is synced) or "lazy" (safe against a dead kernel, not against a power cut). ``max_running_workflows`` and
    ``max_pending_workflows`` limit how many runs go and wait; -1 or None is without end. Calling it again with the
    same values does nothing. Raises TypeError, ValueError.
    """
    settings = {
        "storage": storage, "executor": executor, "loop": loop, "durability": durability,
        "max_running_workflows": _limit("max_running_workflows", max_running_workflows, least=1),
        "max_pending_workflows": _limit("max_pending_workflows", max_pending_workflows, least=0),
    }  # fmt: skip
    if loop not in (None, "engine", "notebook"):
        raise ValueError(f"loop must be 'engine' or 'notebook', not {loop!r}.")
    if durability not in (None, "group", "lazy"):
        raise ValueError(f"durability must be 'group' or 'lazy', not {durability!r}.")
    given = {name: value for name, value in settings.items() if value is not None}
    with _lock:
        if _host is not None:
            changed = sorted(name for name, value in given.items() if _settings.get(name) != value)
            if changed:
                raise ValueError(
                    f"init() was called before with other values of {', '.join(changed)}; "
                    "call nbflow.shutdown() first, or restart the kernel."
                )
            return
        _make(given)


def shutdown() -> None:
    """Let every live run go (it can be resumed) and forget what ``init`` chose. Idempotent."""
    global _host
    with _lock:
        if _host is not None:
            _host.on_http = None
            _host.say_farewell()
            _host.engine.call(_host.close)
            _host.say_farewell()  # an endpoint may just have been on its way
            _host.engine.close()
        _host = None
        _settings.clear()


def is_open() -> bool:
    """Tell whether there is a default host yet."""
    return _host is not None


def default_host() -> Host:
    """Return the host that the functions of the package use, made when it is not there yet."""
    with _lock:
        return _host if _host is not None else _make({})


def _make(given: dict[str, Any]) -> Host:
    global _host
    storage = open_storage(given.get("storage"), given.get("durability"))
    limits = Limits(
        *(None if n == -1 else n for n in (given.get("max_running_workflows"), given.get("max_pending_workflows")))
    )
    loop = _running_loop() if given.get("loop") == "notebook" else None
    executor = resolve(given.get("executor"))
    host = _host = Host(storage, EngineLoop(), executor=executor, limits=limits, notebook_loop=loop)
    host.tell = door.tell
    if os.environ.get("NBFLOW_HTTP", "").lower() not in ("0", "off", "no", "false"):
        host.on_http = lambda: door.open_endpoint(host)
    _settings.update(given)
    if "storage" not in given:
        door.tell(f"nbflow keeps its checkpoints in {near(storage.url)}")
    return _host


def open_storage(where: Any = None, durability: str | None = None) -> Storage:
    """Return the storage that a path, a URL or an object means. Raises ValueError."""
    if where is not None and not isinstance(where, (str, os.PathLike)):
        return where  # type: ignore[no-any-return]
    path = os.fspath(where if where is not None else os.environ.get("NBFLOW_STORAGE", "./.nbflow"))
    if "://" in path:
        scheme = path.split("://", 1)[0]
        if scheme == "memory":
            from .storage.memory import MemoryStorage

            return MemoryStorage()
        raise ValueError(f"storage={path!r}: there is no storage for {scheme}:// yet; give a folder.")
    from .storage.folder import FolderStorage

    return FolderStorage(os.path.abspath(path), durability=durability or os.environ.get("NBFLOW_DURABILITY", "group"))


def near(path: str) -> str:
    """Return a folder as a person here would type it."""
    there = os.path.relpath(path)
    return path if there.startswith(os.pardir) else os.path.join(os.curdir, there)


def _running_loop() -> asyncio.AbstractEventLoop:
    loop = door.running_loop()
    if loop is None:
        raise ValueError("loop='notebook' needs a notebook: call nbflow.init(loop='notebook') in a cell.")
    return loop


def _limit(name: str, value: Any, *, least: int) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, not {value!r}.")
    if value != -1 and value < least:
        raise ValueError(f"{name} must be {least} or more, or -1 for no limit, not {value}.")
    return value


def _forget_after_fork() -> None:
    global _host, _lock
    _lock = threading.RLock()  # the thread that held it is not in the child, as little as the engine's
    _host = None
    _settings.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
