"""Wait until something changes in a folder, where the system can say so: Linux, and changes by this computer alone."""

from __future__ import annotations

import os
import select
import sys
from functools import cache
from typing import Any

CREATE, MOVED_TO = 0x100, 0x80
_NONBLOCK, _CLOEXEC = 0o4000, 0o2000000


@cache
def library() -> Any:
    """Return the system's library. Raises OSError where it has no inotify."""
    if sys.platform != "linux":
        raise OSError("only Linux has inotify")
    import ctypes  # lazily: few processes listen

    return ctypes.CDLL(None, use_errno=True)


def open_watches() -> int:
    """Return a descriptor that can be read from when a watched folder changed. Raises OSError."""
    fd = library().inotify_init1(_NONBLOCK | _CLOEXEC)
    if fd < 0:
        raise _error("inotify_init1")
    return int(fd)


def add_watch(fd: int, folder: str) -> int:
    """Watch for new names in a folder, and return the number under which they are told. Raises OSError."""
    number = library().inotify_add_watch(fd, os.fsencode(folder), CREATE | MOVED_TO)
    if number < 0:
        raise _error("inotify_add_watch", folder)
    return int(number)


def _error(*what: str) -> OSError:
    import ctypes

    return OSError(ctypes.get_errno(), *what)


class Changes:
    """New names in one folder. Raises OSError when nobody can tell of them: then one has to look now and then."""

    def __init__(self, folder: str) -> None:
        self._fd = open_watches()
        try:
            add_watch(self._fd, folder)
        except OSError:
            self.close()
            raise
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)

    def wait(self, timeout: float) -> None:
        """Return when a name has come, or after ``timeout`` seconds."""
        if self._poll.poll(timeout * 1000):
            try:
                while os.read(self._fd, 65536):
                    pass
            except BlockingIOError:
                pass

    def close(self) -> None:
        """Give it up. Idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
