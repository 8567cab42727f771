"""What the tasks of one run have printed: one object for each owner, written anew every few seconds. Never durable."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from nbflow.core.tail import tail_of
from nbflow.errors import StorageError

from ..log import _entry, _line, _worth_keeping
from .bucket import Bucket

LIMIT = 1 << 20
"""Bytes of lines that are kept."""
PAUSE = 5.0
"""Seconds at least between two writes: so much can be lost with the process."""
Entry = tuple[str, str]


class Printed:
    """The log of one run, open for writing. Safe to use from several threads."""

    def __init__(self, bucket: Bucket, prefix: str, epoch: int, is_ours: Callable[[], bool]) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._key = f"{prefix}{epoch:012d}.jsonl"
        self._is_ours = is_ours
        self._lock = threading.Lock()
        self._entries: list[Entry] = []
        self._size = 0
        self._begun = False
        self._dirty = False
        self._next = 0.0

    def write(self, entries: Sequence[Entry]) -> bool:
        """Add what tasks have printed; return False, and do not keep it, when the store is away, or the run lost."""
        with self._lock:
            if not self._begun:
                try:
                    self._entries = read_entries(self._bucket, self._prefix)
                except StorageError:
                    return False
                self._begun = True
            self._entries += entries
            self._size += sum(len(text) for _, text in entries)
            if self._size > LIMIT:
                self._entries = _worth_keeping(self._entries)
                self._size = sum(len(text) for _, text in self._entries)
            self._dirty = True
            return self._store(self._bucket.now() >= self._next)

    def flush(self, *, at_once: bool = False) -> None:
        """Write what is new, if it is time for that."""
        with self._lock:
            self._store(at_once or self._bucket.now() >= self._next)

    def text(self, node_id: str) -> str | None:
        """Return the last lines of a task, None when nothing was printed yet under this owner."""
        with self._lock:
            return _text(self._entries, node_id) if self._begun else None

    def _store(self, due: bool) -> bool:
        if not (due and self._dirty):
            return True
        if not self._is_ours():
            return False
        try:
            self._bucket.put(self._key, b"".join(_line(*entry) for entry in self._entries))
            self._dirty = False
        except StorageError:
            pass
        self._next = self._bucket.now() + PAUSE
        return True


def read_printed(bucket: Bucket, prefix: str, node_id: str) -> str:
    """Return the last lines that a task has printed; empty when there are none or they cannot be read."""
    try:
        return _text(read_entries(bucket, prefix), node_id)
    except StorageError:
        return ""


def read_entries(bucket: Bucket, prefix: str) -> list[Entry]:
    """Return what the last owner that printed has kept."""
    listed = bucket.find(prefix)
    raw = bucket.get(listed[-1].key) if listed else None
    return [entry for line in (raw or b"").splitlines() if (entry := _entry(line)) is not None]


def _text(entries: Sequence[Entry], node_id: str) -> str:
    return tail_of("".join(text for name, text in entries if name == node_id))
