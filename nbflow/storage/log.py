"""What the tasks of one run have printed, in one file that is bounded and that nobody waits for the disk for.

Each line of ``log-<number>.jsonl`` is ``[node_id, text]``. An owner begins a file of its own, with what is worth
keeping of the one before and then the line ``[]``, and a new one when it has grown too large. The newest file that has
``[]`` counts; that of a process that died while it copied does not.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Sequence

from nbflow.core.tail import SIZE, tail_of

from .foreign import parse
from .os_calls import CREATE_NEW, OS, discard, write_all
from .place import RunPlace

LIMIT = 4 << 20
"""Bytes after which a file is begun anew; of the old one at most the newer half is kept."""

_COPIED = b"[]\n"
_NAME = re.compile(r"log-(\d{8})\.jsonl")
Entry = tuple[str, str]


class RunLog:
    """The log of one run, open for writing. Safe to use from several threads."""

    def __init__(self, place: RunPlace) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._fd = -1
        self._size = 0

    def write(self, entries: Sequence[Entry]) -> bool:
        """Add what tasks have printed; return False, and lose it, when that fails."""
        lines = b"".join(_line(*entry) for entry in entries)
        with self._lock:
            try:
                if self._fd < 0 or self._size > LIMIT:
                    self._begin()
                write_all(self._place.calls, self._fd, lines)
            except OSError:
                self._leave()  # perhaps with half a line at its end: the next write begins a new file
                return False
            self._size += len(lines)
        return True

    def close(self) -> None:
        """Give the file up. Idempotent."""
        with self._lock:
            self._leave()

    def _begin(self) -> None:
        calls, folder = self._place.calls, self._place.folder
        older = _numbers(calls, folder)
        kept = b"".join(_line(*entry) for entry in _worth_keeping(_read(calls, folder))) + _COPIED
        self._leave()
        self._fd = calls.open(_path(folder, next(iter(older), 0) + 1), CREATE_NEW)
        write_all(calls, self._fd, kept)
        self._size = len(kept)
        for number in older:
            discard(calls, _path(folder, number))

    def _leave(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            try:
                self._place.calls.close(fd)
            except OSError:
                pass


def read_log(place: RunPlace, node_id: str) -> str:
    """Return the last lines that a task has printed; empty when there are none or they cannot be read."""
    try:
        entries = _read(place.calls, place.folder)
    except OSError:
        return ""
    return tail_of("".join(text for name, text in entries if name == node_id))


def _path(folder: str, number: int) -> str:
    return f"{folder}/log-{number:08d}.jsonl"


def _numbers(calls: OS, folder: str) -> list[int]:
    return sorted((int(match[1]) for name in calls.listdir(folder) if (match := _NAME.fullmatch(name))), reverse=True)


def _read(calls: OS, folder: str) -> list[Entry]:
    for number in _numbers(calls, folder):
        try:
            lines = calls.read_all(_path(folder, number)).splitlines(keepends=True)
        except FileNotFoundError:
            return _read(calls, folder)  # its owner has begun a newer one since it was listed
        if _COPIED in lines:
            return [entry for line in lines if (entry := _entry(line)) is not None]
    return []


def _line(node_id: str, text: str) -> bytes:
    return json.dumps([node_id, text]).encode("ascii") + b"\n"


def _entry(line: bytes) -> Entry | None:
    try:
        node_id, text = parse(line)
    except (ValueError, TypeError):
        return None  # torn: the process died, or the disk was full
    return (node_id, text) if isinstance(node_id, str) and isinstance(text, str) else None


def _worth_keeping(entries: list[Entry]) -> list[Entry]:
    """Return the newest entries, of no task more than is ever shown, and of all together half a file."""
    kept: list[Entry] = []
    of_task: Counter[str] = Counter()
    total = 0
    for node_id, text in reversed(entries):
        if of_task[node_id] >= SIZE:
            continue
        total += len(text)
        if total > LIMIT // 2:
            break
        of_task[node_id] += len(text)
        kept.append((node_id, text))
    return kept[::-1]
