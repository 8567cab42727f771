"""Run a shell command as the body of a task, in the group of its process, which a stop kills as a whole."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from typing import IO, Any

from nbflow.core.masking import is_secret
from nbflow.errors import CommandFailed

LINES = 20
"""The last lines that the error of a failed command tells."""
LINGER = 0.5
"""Seconds without a line after which nothing more is awaited of a command that has ended; a program that it left behind
may keep its output open."""


def run_command(command: str, env: Mapping[str, Any], cwd: str | None = None) -> str:
    """Run a command, print what it prints line by line, and return its last line. Raises CommandFailed."""
    shell = shutil.which("bash") or "sh"
    process = subprocess.Popen(
        [shell, "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **{name: value.get() if is_secret(value) else value for name, value in env.items()}},
        cwd=cwd,
        text=True,
        encoding="utf-8",
        errors="backslashreplace",
    )
    assert process.stdout and process.stderr
    guard = _Guard()
    out: deque[str] = deque(maxlen=LINES)
    tail: deque[str] = deque(maxlen=LINES)
    readers = [
        _Reader(pipe, stream, kept, tail)
        for pipe, stream, kept in ((process.stdout, "stdout", out), (process.stderr, "stderr", deque[str](maxlen=1)))
    ]
    for reader in readers:
        reader.start()
    code = process.wait()
    guard.leave()
    for reader in readers:
        reader.finish()
    if code:
        said = "".join(tail)
        raise CommandFailed(code, f"The command ended with exit code {code}" + (f":\n{said}" if said else "."))
    return out[-1].rstrip("\n") if out else ""


class _Guard:
    """A program in the process group of this one that outlives it for a moment, in order to kill what it has started.

    Linux kills this process with the engine's, at once and alone: a command would be left behind.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        if os.name == "posix" and os.getpgrp() == os.getpid():  # else the group is not ours to kill
            self._process = subprocess.Popen(
                ["sh", "-c", "read -r _; kill -KILL 0"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

    def leave(self) -> None:
        """Let the guard go without harm."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


class _Reader(threading.Thread):
    """Prints the lines of a pipe as they come, and keeps the last ones."""

    def __init__(self, pipe: IO[str], stream: str, *kept: deque[str]) -> None:
        super().__init__(daemon=True)
        self._pipe, self._stream, self._kept = pipe, stream, kept
        self._lines = 0
        self._telling = False

    def run(self) -> None:
        for line in self._pipe:
            self._telling = True
            self._lines += 1
            for kept in self._kept:
                kept.append(line)
            getattr(sys, self._stream).write(line)
            self._telling = False

    def finish(self) -> None:
        """Return when all is read, or nothing comes any more; who listens may be slow, and is waited for."""
        seen = -1
        while self.is_alive() and (self._telling or self._lines != seen):
            seen = self._lines
            self.join(LINGER)
