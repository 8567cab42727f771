"""One process that runs bodies, seen from the engine: start it, call it, kill it, notice its death."""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

from nbflow.executors import guard, wire
from nbflow.executors.worker import LEAVE_SECONDS, kill_group

_BOOTSTRAP = (
    "import json, sys; path, parent = json.loads(sys.argv.pop()); sys.path[:] = path; "
    "from nbflow.executors.worker import main; main(parent)"
)
_PACKAGE_ROOT = str(Path(__file__).parents[2])
_LOOK_MS = 1000
_PIPE_BYTES = 1 << 20

Place = tuple[list[str], str, dict[str, str]]
"""The import path, working folder and environment that a process was started in."""


def here() -> Place:
    """Return the place of this process now."""
    try:
        folder = os.getcwd()
    except FileNotFoundError:
        folder = os.path.sep  # the working folder was removed; a process needs one that exists
    # Not dict(os.environ), which fails when another thread removes a variable meanwhile.
    environment = {name: value for name in list(os.environ) if (value := os.environ.get(name)) is not None}
    return [entry for entry in sys.path if isinstance(entry, str)], folder, environment


class ChildDied(Exception):
    """The process ended; ``started`` tells whether the body had begun, ``how`` says what ended it."""

    def __init__(self, pid: int, started: bool, how: str) -> None:
        self.pid = pid
        self.started = started
        self.how = how
        super().__init__(f"process {pid} {how}")


class Child:
    """A process that serves one call at a time, for the thread that made it.

    That thread must outlive it: Linux kills the process when the thread ends.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        path, folder, environment = place
        if _PACKAGE_ROOT not in path:
            path = [*path, _PACKAGE_ROOT]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _BOOTSTRAP, json.dumps([path, os.getpid()])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            cwd=folder,
            env=environment,
            # In its own group it is not hit by the Ctrl-C or the kernel interrupt that is meant for the engine,
            # and what its bodies start can be killed with it.
            process_group=0 if os.name == "posix" else None,
        )
        guard.guard.watch(self._process.pid)
        assert self._process.stdin and self._process.stdout
        self._requests, self._replies = self._process.stdin.fileno(), cast(io.FileIO, self._process.stdout)
        self._poll = select.poll() if hasattr(select, "poll") else None
        _widen(self._requests, self._replies.fileno())
        if self._poll:
            self._poll.register(self._replies, select.POLLIN)

    @property
    def pid(self) -> int:
        """The id of the process, and of its process group."""
        return self._process.pid

    def call(self, payload: bytes, on_message: Callable[[wire.Bytes], None]) -> wire.Reply:
        """Carry an encoded call over and return the encoded reply. Raises ChildDied."""
        started = False
        try:
            wire.write_frame(self._requests, wire.CALL, payload)
            del payload  # it may be large, and the body may run for hours
            while True:
                kind, reply = wire.read_frame(self._replies, self._wait_readable)
                if kind == wire.STARTED:
                    started = True
                elif kind == wire.SAID:
                    on_message(reply)
                else:
                    return kind, reply
        except (EOFError, OSError):
            raise ChildDied(self.pid, started, self._bury()) from None

    def kill(self) -> None:
        """End the process at once, and all that its bodies started. Any thread may call it."""
        if self._process.returncode is None:
            kill_group(self.pid)

    def leave(self) -> None:
        """Hang up on an idle process and wait until it is gone: killed, if it does not leave by itself."""
        assert self._process.stdin
        self._process.stdin.close()
        self._reap()

    def _wait_readable(self) -> None:
        # The end of the pipe is not enough: a process that the body forked may hold it open after a kill.
        while self._poll and not self._poll.poll(_LOOK_MS):
            if self._process.poll() is not None:
                raise EOFError

    def _bury(self) -> str:
        kill_group(self.pid)
        self._reap()
        code = self._process.returncode
        if code >= 0:
            return f"exited with code {code}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"was killed by {name}" + (" (by hand, or for want of memory)" if name == "SIGKILL" else "")

    def _reap(self) -> None:
        assert self._process.stdin and self._process.stdout
        try:
            self._process.wait(LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        guard.guard.forget(self.pid)
        self._process.stdin.close()
        self._process.stdout.close()


def _widen(*pipes: int) -> None:
    """Let pipes hold more, where the system allows it: large values then travel in fewer turns."""
    if sys.platform == "linux":
        import fcntl

        with contextlib.suppress(OSError):  # the share of this user is used up
            for pipe in pipes:
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
