"""The threads in which plain handlers run: as many as there are handlers at it, since one may wait for another run."""

from __future__ import annotations

import os
import threading

from ...executors.thread import ThreadExecutor

MOST = 10_000
"""Plain handlers that may run at once in a process."""
IDLE = 5.0
"""Seconds after which an idle thread leaves."""

_lock = threading.Lock()
_threads: ThreadExecutor | None = None


def threads() -> ThreadExecutor:
    """Return the threads of this process, made on first use. They are daemons and hinder nobody's exit."""
    global _threads
    with _lock:
        if _threads is None:
            _threads = ThreadExecutor(MOST, name="handler", idle_seconds=IDLE)
        return _threads


def _forget() -> None:
    global _threads, _lock
    _threads, _lock = None, threading.Lock()  # its threads are not in a forked child


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
