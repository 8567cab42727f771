"""A guard beside this process: when it dies, even by kill -9, whatever its workers have started dies too.

Linux kills the workers themselves with their parent, but not what a body has started, such as a program. That is in the
process group of its worker, and the guard, a shell of one megabyte, kills the groups when the pipe from here closes.
"""

from __future__ import annotations

import os
import subprocess
import threading

_SCRIPT = 'while read -r line; do groups=$line; done; for group in $groups; do kill -KILL "-$group"; done 2>/dev/null'
_WAIT = 5.0


class Guard:
    """Knows the process groups that must not outlive this process. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: set[int] = set()
        self._shell: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the guard, None while there is none."""
        return self._shell.pid if self._shell else None

    def watch(self, group: int) -> None:
        """Kill this group when this process dies. Where there is no shell, nothing happens."""
        with self._lock:
            self._groups.add(group)
            self._tell()

    def forget(self, group: int) -> None:
        """Leave this group alone from now on: all of it has ended. Idempotent."""
        with self._lock:
            if group in self._groups:
                self._groups.discard(group)
                self._tell()

    def close(self) -> None:
        """Let the guard kill what is left, and go. Idempotent."""
        with self._lock:
            shell, self._shell = self._shell, None
        if shell is not None and shell.stdin is not None:
            shell.stdin.close()
            try:
                shell.wait(_WAIT)
            except subprocess.TimeoutExpired:
                shell.kill()
                shell.wait()

    def _tell(self) -> None:
        if os.name != "posix":
            return
        line = (" ".join(map(str, sorted(self._groups))) + "\n").encode()
        try:
            if self._shell is None and self._groups:
                self._shell = _start()
            if self._shell is not None and self._shell.stdin is not None:
                self._shell.stdin.write(line)
        except OSError:  # no shell here, or somebody killed it: then only Linux' own way is left
            self._shell = None


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["/bin/sh", "-c", _SCRIPT],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        cwd="/",
        start_new_session=True,  # neither a Ctrl-C nor the end of a terminal is meant for it
    )


guard = Guard()
"""The guard of this process."""


def _forget_after_fork() -> None:
    global guard
    guard = Guard()  # that of the parent, which watches the parent's workers


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
