"""The calls of ``OS`` that event streams make, on an object store: small files that are created once and never changed.

A name below ``tmp/`` is a buffer in this process: a stream writes there what it then links to its real name. To link,
and to create exclusively, is a conditional create. What is there is durable, so nothing is ever synced.
"""

from __future__ import annotations

import os
import stat
import threading

from ..os_calls import OS, Buffer
from .bucket import Bucket


class ObjectOS(OS):
    """A stand-in for the operating system, for the files of event streams alone. Paths are keys."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._lock = threading.Lock()
        self._next = 1
        self._open: dict[int, tuple[str, bytearray]] = {}
        self._local: dict[str, bytes] = {}

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        """Begin a file; it is there when it is closed, where FileExistsError may be raised."""
        with self._lock:
            fd, self._next = self._next, self._next + 1
            self._open[fd] = path, bytearray()
            return fd

    def write(self, fd: int, chunk: Buffer) -> int:
        """Take all of ``chunk``."""
        self._open[fd][1].extend(chunk)
        return memoryview(chunk).nbytes

    def close(self, fd: int) -> None:
        """Create the file. Raises FileExistsError."""
        with self._lock:
            path, content = self._open.pop(fd)
            if "/tmp/" in path:
                self._local[path] = bytes(content)
                return
        if not self._bucket.create(path, bytes(content)):
            raise FileExistsError(path)

    def link(self, old: str, new: str) -> None:
        """Create an object from a finished file; one whose answer was lost is known again."""
        content = self._local[old]
        if self._bucket.create(new, content):
            return
        # Unless it was stored by an attempt whose answer was lost. Rolled up since, it is found in its segment.
        if self._bucket.get(new) != content:
            raise FileExistsError(new)

    def unlink(self, path: str) -> None:
        """Remove a file."""
        with self._lock:
            if self._local.pop(path, None) is not None:
                return
        self._bucket.delete([path])

    def read_all(self, path: str) -> bytes:
        """Return the whole content of a file."""
        found = self._bucket.get(path)
        if found is None:
            raise FileNotFoundError(path)
        return found

    def exists(self, path: str) -> bool:
        """Tell whether a file is there."""
        return self._bucket.get_part(path, 0, 1) is not None

    def listdir(self, path: str) -> list[str]:
        """Return the names of the files below a folder, and none of its folders; those below ``tmp/`` are nobody's."""
        if path.endswith("/tmp"):
            return []
        prefix = f"{path}/"
        names = (each.key[len(prefix) :] for each in self._bucket.find(prefix, shallow=True))
        return [name for name in names if "/" not in name]

    def stat(self, path: str) -> os.stat_result:
        """Return the attributes of a file: its time, and a number that no other has."""
        folder, _, name = path.rpartition("/")
        if path in self._local:
            return _attributes(hash(path), len(self._local[path]), self.now())
        for each in self._bucket.find(f"{folder}/", shallow=True):
            if each.key == path:
                offset = self._bucket.clock_offset()
                return _attributes(hash((name, each.version)), each.size, each.changed - offset)
        raise FileNotFoundError(path)

    def mkdir(self, path: str, mode: int = 0o700) -> None:
        """Do nothing: names need no folders."""

    def fsync(self, fd: int) -> None:
        """Do nothing: what is there is durable."""

    fdatasync = fsync

    def fsync_dir(self, path: str) -> None:
        """Do nothing: names are durable."""

    def now(self) -> float:
        """Return the wall clock, in UTC seconds."""
        return self._bucket.now()

    def random_hex(self, size: int) -> str:
        """Return ``size`` random bytes as hexadecimal digits."""
        return self._bucket.random_hex(size)


def _attributes(inode: int, size: int, changed: float) -> os.stat_result:
    return os.stat_result((stat.S_IFREG | 0o600, inode, 0, 1, 0, 0, size, int(changed), int(changed), int(changed)))
