"""Real processes in tests: how one is started, and how to see that it is gone."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

import psutil

Start = Callable[..., "subprocess.Popen[str]"]
"""Start a Python program, given as text, and return its process."""


def is_alive(pid: int) -> bool:
    """Tell whether a process can still do something."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def dies_within(pid: int, seconds: float) -> bool:
    """Wait for the end of a process that may be nobody's child; return False when it goes on."""
    deadline = time.monotonic() + seconds
    while is_alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
