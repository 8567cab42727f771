"""One bell for many folders: Linux says which of them got a new name, so that nobody has to look into all of them."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterator

from .inotify import add_watch, library, open_watches

_EVENT = struct.Struct("iIII")
_IGNORED, _OVERFLOW = 0x8000, 0x4000
_LOCAL = frozenset(
    [
        *("ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "bcachefs", "jfs", "reiserfs", "tmpfs", "ramfs"),
        *("overlay", "aufs", "vfat", "exfat", "ntfs3"),
    ]
)
"""File systems of which this kernel sees every change. Of others, those of a network above all, only its own."""


class Bell:
    """Rings when a name comes into one of its folders. Raises OSError where the system cannot tell.

    ``fd`` can be read from when it has rung. Not safe to use from several threads.
    """

    def __init__(self) -> None:
        self.fd = open_watches()
        self._folders: dict[int, str] = {}

    def add(self, folder: str) -> int:
        """Listen to a folder too; return its number, under which it rings. Raises OSError, also when there are many."""
        number = add_watch(self.fd, folder)
        self._folders[number] = folder
        return number

    def remove(self, number: int) -> None:
        """Listen to a folder no more. Idempotent."""
        if self._folders.pop(number, None) is not None:
            library().inotify_rm_watch(self.fd, number)

    def rung(self) -> set[int]:
        """Return the folders that got a new name since the last call; all when there were too many to tell."""
        found: set[int] = set()
        for number, mask in self._events():
            if mask & _OVERFLOW:
                found.update(self._folders)
            elif mask & _IGNORED:
                self._folders.pop(number, None)  # the folder is gone
            else:
                found.add(number)
        return found

    def close(self) -> None:
        """Give it up. Idempotent."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def _events(self) -> Iterator[tuple[int, int]]:
        while True:
            try:
                raw = os.read(self.fd, 1 << 16)
            except BlockingIOError:
                return
            place = 0
            while place < len(raw):
                number, mask, _, length = _EVENT.unpack_from(raw, place)
                yield number, mask
                place += _EVENT.size + length


def is_local(folder: str) -> bool:
    """Tell whether this computer alone changes the file system of a folder; False when that is not known."""
    if sys.platform != "linux":
        return False
    best, kind = "", ""
    path = os.path.realpath(folder)
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
            for line in mounts:
                fields, _, rest = line.partition(" - ")
                point = fields.split(" ")[4].replace("\\040", " ")
                inside = path == point or path.startswith(point.rstrip("/") + "/")
                if inside and len(point) >= len(best):  # of several at one place the last one is on top
                    best, kind = point, rest.split(" ")[0]
    except (OSError, IndexError):
        return False
    return kind in _LOCAL
