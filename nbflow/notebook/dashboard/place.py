"""The host that a dashboard works with: this kernel's, where that is on the same storage, else one apart."""

from __future__ import annotations

import threading

from ... import home
from ...engine.host import Host
from ...engine.loop import EngineLoop
from ...storage.base import Storage

_lock = threading.RLock()
"""May be taken twice: while a host is made, the garbage collector may close another dashboard in the same thread."""
_apart: list[Host] = []
"""Hosts on storages that are not the kernel's; they have runs only when some are resumed from a dashboard."""
_users: dict[int, int] = {}
"""How many dashboards use each of them, by its identity."""


class Place:
    """One storage, and whoever is its host now: that may change with ``nbflow.shutdown`` and ``nbflow.init``."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._own: Host | None = None

    def host(self) -> Host:
        """Return the host. From any thread."""
        kernels = home._host  # there may be none: looking at runs is no reason to make one
        if kernels is not None and _same(kernels.storage, self._storage):
            return kernels
        with _lock:
            if self._own is None or not self._own.engine.thread.is_alive():
                self._own = _shared(self._storage)
                _users[id(self._own)] = _users.get(id(self._own), 0) + 1
            return self._own

    def close(self) -> None:
        """Give the host up. One apart ends with its last dashboard, unless runs go on there. Idempotent."""
        with _lock:
            own, self._own = self._own, None
            if own is None:
                return
            _users[id(own)] -= 1
            if _users[id(own)] or own.runners:
                return
            del _users[id(own)]
            _apart.remove(own)
        own.engine.call(own.close)
        own.engine.close()


def _shared(storage: Storage) -> Host:
    """Return the host that dashboards have on this storage already, else a new one."""
    for host in _apart:
        if _same(host.storage, storage) and host.engine.thread.is_alive():
            return host
    _apart.append(Host(storage, EngineLoop()))
    return _apart[-1]


def _same(one: Storage, other: Storage) -> bool:
    return one is other or (one.url == other.url and not one.url.startswith("memory:"))
