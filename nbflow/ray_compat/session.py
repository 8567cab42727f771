"""What ``ray.init`` chose, kept for the first use of the engine: the limits come later, with ``workflow.init``."""

from __future__ import annotations

import logging
import sys
import threading
from typing import Any

from .. import door, home

_lock = threading.RLock()
_chosen: dict[str, Any] = {}
_begun = False


def init(
    address: str | None = None, *, storage: Any = None, executor: Any = None, logging_level: Any = None,
    ignore_reinit_error: bool = False, **others: Any,
) -> None:  # fmt: skip
    """Choose where workflows are stored; there is no cluster to start. May be left out.

    ``storage`` is a folder, also as ``file://folder`` (default ``NBFLOW_STORAGE``, else ``./.nbflow``), ``executor``
    is nbflow's ("thread", "process", ...). With a ``logging_level`` such as "INFO" each step of each task is said on
    stderr, as Ray does it unasked. Ray's other arguments are accepted, and one line says that they have no meaning
    here. Calling it again with the same storage does nothing; another raises ValueError before ``ray.shutdown()``.

    >>> from nbflow.ray_compat import ray
    >>> ray.init(ignore_reinit_error=True)
    >>> ray.is_initialized()
    True
    """
    global _begun
    given = {"storage": _folder(storage), "executor": executor}
    named = {name for name, value in others.items() if value is not None} | ({"address"} if address else set())
    with _lock:
        fresh = {name: value for name, value in given.items() if value is not None and _chosen.get(name) != value}
        changed = sorted(set(fresh) & set(_chosen))
        if changed and not ignore_reinit_error:
            raise ValueError(f"ray.init() was called before with another {changed[0]}: call ray.shutdown() first.")
        fresh = {name: value for name, value in fresh.items() if name not in changed}
        if fresh and home.is_open():
            home.init(**fresh)
        _chosen.update(fresh)
        _begun = True
    if named:
        door.tell(f"nbflow.ray_compat: ray.init has no use for {', '.join(sorted(named))}: there is no cluster.")
    if logging_level is not None:
        _log_to_stderr(logging_level)


def begin(**limits: Any) -> None:
    """Make the engine with what was chosen. Idempotent. Raises ValueError when it was made with other values."""
    global _begun
    with _lock:
        if limits or _chosen:
            home.init(**_chosen, **limits)
        _begun = True


def is_initialized() -> bool:
    """Tell whether ``ray.init``, or what needs it, was called."""
    return _begun or home.is_open()


def shutdown() -> None:
    """Let every live workflow go, so that it can be resumed, and forget what ``ray.init`` chose. Idempotent."""
    global _begun
    with _lock:
        home.shutdown()
        _chosen.clear()
        _begun = False


def _folder(storage: Any) -> Any:
    if isinstance(storage, str) and storage.startswith("file://"):
        return storage.removeprefix("file://")
    return storage


def _log_to_stderr(level: Any) -> None:
    log = logging.getLogger("nbflow")
    log.setLevel(level)
    if not any(getattr(each, "of_ray_compat", False) for each in log.handlers):
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s\t%(levelname)s -- %(message)s"))
        handler.of_ray_compat = True  # type: ignore[attr-defined]
        log.addHandler(handler)
