"""What the tasks of one run have printed: whole lines, in memory until the storage has them.

Nothing here may harm a task: a storage that cannot keep a log costs its lines, and nothing else.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from ..core.masking import mask
from ..core.tail import LINES, SIZE, tail_of
from ..storage.base import Storage

if TYPE_CHECKING:
    from .runner import Runner

PAUSE = 0.5
"""Seconds at least between two writes to the storage: so much can be lost with the process."""

Source = tuple[int, str]
"""A thread and a stream: what one of them prints is one line after the other."""


class Logs:
    """The logs of one live run. Use it from any thread."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._lock = threading.Lock()  # never held while something is read or written
        self._storing = threading.Lock()  # else a reader could miss lines on their way to the storage
        self._tasks: dict[str, _TaskLog] = {}
        self._closed = False
        self._next = 0.0

    def add(self, node_id: str, attempt: int, stream: str, text: str) -> None:
        """Take what an attempt has just written to a stream."""
        source = (threading.get_ident(), stream)
        with self._lock:
            if self._closed:
                return
            log = self._tasks.get(node_id)
            if log is None:
                log = self._tasks[node_id] = _TaskLog()
            log.add(attempt, source, text[-2 * SIZE :])

    def text(self, node_id: str) -> str:
        """Return the last lines of a task, those of earlier processes too. It may read a file."""
        with self._storing:
            runner = self._runner
            stored = stored_log(runner.host.storage, runner.workflow_id, node_id)
            with self._lock:
                log = self._tasks.get(node_id)
                fresh = "" if log is None else log.text()
        return tail_of(stored + fresh)

    @property
    def waiting(self) -> bool:
        """True while there is something that the storage has not got."""
        return bool(self._tasks)

    def store(self) -> None:
        """Give the storage what is new, if it is time for that. It may write a file."""
        if self._tasks and time.monotonic() >= self._next:
            self._store()
            self._next = time.monotonic() + PAUSE

    def close(self) -> None:
        """Store the rest, unfinished lines too; what is printed from now on is not kept. Idempotent."""
        with self._lock:
            self._closed = True
            for log in self._tasks.values():
                log.finish()
        self._store()

    def _store(self) -> None:
        with self._storing:
            with self._lock:
                entries = [(node_id, text) for node_id, log in self._tasks.items() if (text := log.take())]
                self._tasks = {node_id: log for node_id, log in self._tasks.items() if log.open}
            if not entries:
                return
            try:
                kept = self._runner.journal.write_log(entries)
            except Exception:
                kept = False
            if kept:
                return
            with self._lock:
                for node_id, text in entries:
                    self._tasks.setdefault(node_id, _TaskLog()).put_back(text)


def stored_log(storage: Storage, workflow_id: str, node_id: str) -> str:
    """Return what a storage has of a task's log; '' when it has none or cannot say."""
    try:
        return storage.read_log(workflow_id, node_id)
    except Exception:
        return ""


class _TaskLog:
    """The lines of one task that are not stored yet, and the lines that it has begun."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque()
        self._size = 0
        self._begun: dict[Source, str] = {}
        self._attempt = 0

    @property
    def open(self) -> bool:
        """True while a line is begun and not finished."""
        return bool(self._begun)

    def add(self, attempt: int, source: Source, text: str) -> None:
        if attempt != self._attempt:
            self.finish()
            self._attempt = attempt
        *whole, rest = (self._begun.pop(source, "") + text).split("\n")
        for line in whole:
            self._keep(_seen(line))
        if rest:
            self._begun[source] = _seen(rest)[-SIZE:]

    def text(self) -> str:
        return "".join([*self._lines, *(line.rstrip("\r") + "\n" for line in self._begun.values())])

    def take(self) -> str:
        text = "".join(self._lines)
        self._lines.clear()
        self._size = 0
        return text

    def put_back(self, text: str) -> None:
        newer = self.take()
        for line in (text + newer).split("\n")[:-1]:
            self._keep(line)

    def finish(self) -> None:
        for line in self._begun.values():
            self._keep(line)
        self._begun.clear()

    def _keep(self, line: str) -> None:
        line = mask(line.rstrip("\r"))[-SIZE + 1 :] + "\n"  # once more: it may have been written in pieces
        self._lines.append(line)
        self._size += len(line)
        while len(self._lines) > LINES or self._size > SIZE:
            self._size -= len(self._lines.popleft())


def _seen(line: str) -> str:
    """Return what a terminal would show of a line in which a carriage return begins it anew, as progress bars do."""
    if "\r" not in line:
        return line
    end = "\r" if line.endswith("\r") else ""
    return line.rstrip("\r").rpartition("\r")[2] + end
