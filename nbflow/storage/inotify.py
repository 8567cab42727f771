"""Wait until something changes in a folder, where the system can say so: Linux, and changes by this computer alone."""

from __future__ import annotations

import os
import select
import sys

_CREATE, _MOVED_TO = 0x100, 0x80
_NONBLOCK, _CLOEXEC = 0o4000, 0o2000000


class Changes:
    """New names in one folder. Raises OSError when nobody can tell of them: then one has to look now and then."""

    def __init__(self, folder: str) -> None:
        if sys.platform != "linux":
            raise OSError("only Linux has inotify")
        import ctypes  # lazily: few processes listen

        system = ctypes.CDLL(None, use_errno=True)
        self._fd = system.inotify_init1(_NONBLOCK | _CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        if system.inotify_add_watch(self._fd, os.fsencode(folder), _CREATE | _MOVED_TO) < 0:
            error = ctypes.get_errno()
            os.close(self._fd)
            raise OSError(error, "inotify_add_watch", folder)
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
