"""The default host: chosen by ``init``, or made on first use with what the environment says."""

from __future__ import annotations

import asyncio
import importlib
import os
import threading
from collections.abc import Mapping
from typing import Any

from . import door
from .engine.host import Host, Limits
from .engine.loop import EngineLoop
from .executors import resolve
from .executors.registry import BUILT_IN
from .storage.base import Storage

_lock = threading.RLock()
"""Guards the default host: two threads may use nbflow for the first time at once."""
_host: Host | None = None
_settings: dict[str, Any] = {}
_pid = 0
"""The process that has asked to be told of its end."""
EXIT_SECONDS = 5.0
"""How long the end of a process waits until its runs are let go."""
OBJECT_STORES = ("s3", "gs", "az", "file")
"""The schemes of URLs that name an object store."""


def init(
    *, storage: Any = None, executor: Any = None, loop: str | None = None, durability: str | None = None,
    max_running_workflows: int | None = None, max_pending_workflows: int | None = None, sign: bool | None = None,
    storage_options: dict[str, Any] | None = None, executors: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """Choose where checkpoints are kept and how runs go. Call it first, or not at all.

    ``storage`` is a folder (default ``NBFLOW_STORAGE``, else ``./.nbflow``), the URL of an object store such as
    ``s3://bucket/prefix`` (also gs, az, file; extra ``s3``), or a storage object; ``storage_options`` are what obstore
    takes for such a URL (``endpoint``, ``region``, ..), and credentials come from the environment; ``executor`` is
    where plain functions run: "thread" (default), "process", "inline", "loky", "dask", "ray", a Dask client, a
    concurrent.futures executor or one of your own (``nbflow.executors.Executor``); ``executors`` gives names to more of
    them, for ``@task(executor="name")``;
    ``loop="notebook"`` runs coroutines on the notebook's own loop; ``durability`` is "group" (default: every commit
    is synced) or "lazy" (safe against a dead kernel, not against a power cut). ``max_running_workflows`` and
    ``max_pending_workflows`` limit how many runs go and wait; -1 or None is without end. ``sign=True`` signs all that
    is stored with a key of yours, which is kept outside the storage, and loads nothing else (default: what
    ``NBFLOW_SIGN`` says; see SECURITY.md). Calling it again with the same values does nothing. Raises TypeError,
    ValueError, StorageError.

    >>> import nbflow as nf
    >>> nf.shutdown()
    >>> nf.init(storage="memory://", max_running_workflows=4)
    >>> nf.run(nf.put(7))
    7
    """
    settings = {
        "storage": storage, "executor": executor, "loop": loop, "durability": durability, "sign": sign,
        "storage_options": storage_options, "executors": _named(executors),
        "max_running_workflows": _limit("max_running_workflows", max_running_workflows, least=1),
        "max_pending_workflows": _limit("max_pending_workflows", max_pending_workflows, least=0),
    }  # fmt: skip
    _choice("loop", loop, "engine", "notebook")
    _choice("durability", durability, "group", "lazy")
    given = {name: value for name, value in settings.items() if value is not None}
    with _lock:
        if _host is None:
            _make(given)
        else:
            _refuse_change(given)


def _choice(name: str, value: str | None, *choices: str) -> None:
    if value is not None and value not in choices:
        raise ValueError(f"{name} must be {choices[0]!r} or {choices[1]!r}, not {value!r}.")


def _refuse_change(given: dict[str, Any]) -> None:
    changed = sorted(name for name, value in given.items() if _settings.get(name) != value)
    if changed:
        raise ValueError(
            f"init() was called before with other values of {', '.join(changed)}; "
            "call nbflow.shutdown() first, or restart the kernel."
        )


def _named(executors: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return executors by name. Raises ValueError for a name that means something already."""
    for name in executors or {}:
        if not isinstance(name, str) or not name or name.partition(":")[0] in BUILT_IN:
            raise ValueError(
                f"executors={{{name!r}: ...}}: choose another name; {', '.join(BUILT_IN)} mean something already."
            )
    return dict(executors) if executors else None


def shutdown() -> None:
    """Let every live run go (it can be resumed) and forget what ``init`` chose. Idempotent.

    >>> import nbflow as nf
    >>> run = nf.run_async(nf.wait_for_event("go"), workflow_id="let-go")
    >>> nf.shutdown()
    >>> nf.shutdown()
    """
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


def _leave() -> None:
    """Let the runs go when the process ends, before Python takes away the threads that they need to go on.

    Else a task would fail in that moment, and its run with it, for nothing but the end of its process.
    """
    host = _host
    if host is None or os.getpid() != _pid or not host.engine.thread.is_alive():
        return
    try:
        host.engine.start(host.close).result(EXIT_SECONDS)
    except Exception:
        pass  # what is not written down is as after a kill, which costs nothing either


def _leave_at_exit() -> None:
    """Have ``_leave`` called at the end of this process. Idempotent."""
    global _pid
    if _pid == os.getpid():
        return
    _pid = os.getpid()
    # Those of atexit come too late: the threads are gone by then. What was registered last is called first.
    register: Any = getattr(threading, "_register_atexit", None)
    if register is not None:
        importlib.import_module("concurrent.futures.thread")
        register(_leave)


def is_open() -> bool:
    """Tell whether there is a default host yet."""
    return _host is not None


def default_host() -> Host:
    """Return the host that the functions of the package use, made when it is not there yet."""
    with _lock:
        return _host if _host is not None else _make({})


def _make(given: dict[str, Any]) -> Host:
    global _host
    storage = open_storage(
        given.get("storage"), given.get("durability"), given.get("sign"), given.get("storage_options")
    )
    limits = Limits(
        *(None if n == -1 else n for n in (given.get("max_running_workflows"), given.get("max_pending_workflows")))
    )
    loop = _running_loop() if given.get("loop") == "notebook" else None
    executor = resolve(given.get("executor"))
    named = {name: resolve(spec) for name, spec in given.get("executors", {}).items()}
    host = _host = Host(storage, EngineLoop(), executor=executor, limits=limits, notebook_loop=loop, executors=named)
    _leave_at_exit()
    host.tell = door.tell
    if os.environ.get("NBFLOW_HTTP", "").lower() not in ("0", "off", "no", "false"):
        host.on_http = lambda: door.open_endpoint(host)
    _settings.update(given)
    if "storage" not in given and "NBFLOW_STORAGE" not in os.environ:  # else somebody has chosen it, and knows
        door.tell(f"nbflow keeps its checkpoints in {near(storage.url)}")
    return _host


def open_storage(
    where: Any = None, durability: str | None = None, sign: bool | None = None, options: dict[str, Any] | None = None
) -> Storage:
    """Return the storage that a path, a URL or an object means.

    ``options`` are those of an object store. Raises ValueError, StorageError, ModuleNotFoundError without obstore.
    """
    if sign is not None and not isinstance(sign, bool):
        raise TypeError(f"sign must be True or False, not {sign!r}.")
    if where is not None and not isinstance(where, (str, os.PathLike)):
        if sign is not None:
            raise ValueError(f"sign={sign}: say it to the storage itself, such as FolderStorage(path, sign={sign}).")
        return where  # type: ignore[no-any-return]
    path = os.fspath(where if where is not None else os.environ.get("NBFLOW_STORAGE", "./.nbflow"))
    if "://" in path:
        scheme = path.split("://", 1)[0]
        if scheme == "memory":
            from .storage.memory import MemoryStorage

            return MemoryStorage()
        if scheme not in OBJECT_STORES:
            raise ValueError(
                f"storage={path!r}: there is no storage for {scheme}://; give a folder, or the URL of an object store "
                f"({', '.join(f'{each}://' for each in OBJECT_STORES)})."
            )
        from .storage.objects.storage import open_objects

        return open_objects(path, sign=sign, options=options)
    if options:
        raise ValueError(
            "storage_options are for an object store: give its URL as storage, such as s3://bucket/prefix."
        )
    from .storage.folder import FolderStorage

    durability = durability or os.environ.get("NBFLOW_DURABILITY", "group")
    return FolderStorage(os.path.abspath(path), durability=durability, sign=sign)


def near(path: str) -> str:
    """Return a folder as a person here would type it."""
    if "://" in path or path.startswith("memory:"):
        return path
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
