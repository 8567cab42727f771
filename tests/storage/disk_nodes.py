"""Files and folders of the model disk: what programs see, and what would be left after a power cut."""

from __future__ import annotations

import stat
from random import Random

SECTOR = 16
"""Bytes that a torn write leaves or loses together: small, since the frames of the tests are."""


class File:
    """A file: what programs see, what is on the disk, and the writes between the two."""

    __slots__ = ("cache", "dirty", "durable", "mtime", "number", "writer")

    def __init__(self, number: int, mtime: int, writer: object = None) -> None:
        self.number = number
        self.writer = writer
        self.mtime = mtime
        self.cache = bytearray()
        self.durable = bytearray()
        self.dirty: list[tuple[int, bytes]] = []

    def sync(self) -> None:
        """Put everything on the disk."""
        for offset, piece in self.dirty:
            put(self.durable, offset, piece)
        self.dirty.clear()

    def lose(self, random: Random, stale: bytes) -> None:
        """Put an arbitrary part of what is not on the disk there, and forget about the rest."""
        for offset, piece in self.dirty:
            _tear(self.durable, offset, piece, random, stale)
        self.dirty.clear()


class Folder:
    """A folder: the names that programs see and those that are on the disk."""

    __slots__ = ("durable", "mtime", "names", "number")

    def __init__(self, number: int, mtime: int) -> None:
        self.number = number
        self.mtime = mtime
        self.names: dict[str, File | Folder] = {}
        self.durable: dict[str, File | Folder] = {}


Node = File | Folder
Change = tuple[Folder, str, Node | None]


class Stat:
    """The attributes of a path that the storage looks at."""

    __slots__ = ("st_dev", "st_ino", "st_mode", "st_mtime", "st_mtime_ns", "st_size")

    def __init__(self, node: Node) -> None:
        self.st_dev, self.st_ino = 1, node.number
        self.st_mode = (stat.S_IFREG | 0o600) if type(node) is File else (stat.S_IFDIR | 0o700)
        self.st_size = len(node.cache) if type(node) is File else 0
        self.st_mtime_ns = node.mtime
        self.st_mtime = node.mtime / 1e9


def put(content: bytearray, offset: int, piece: bytes) -> None:
    """Put a piece into a content, with NULs before it where there was nothing."""
    if offset > len(content):
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(piece)] = piece


def _tear(content: bytearray, offset: int, piece: bytes, random: Random, stale: bytes) -> None:
    luck = random.random()
    if luck < 0.3:
        put(content, offset, piece)
    elif luck < 0.5:
        put(content, offset, piece[: random.randrange(len(piece) + 1)])
    elif luck < 0.8:
        torn, share = bytearray(piece), random.choice((0.1, 0.5))
        for start in range(0, len(piece), SECTOR):
            if random.random() < share:
                part = slice(start, min(start + SECTOR, len(piece)))
                # The length of a file may come to the disk before its content does: NULs, or what stood there before.
                old = stale[start : part.stop] if luck < 0.6 else b"7" * SECTOR if luck < 0.7 else b""
                torn[part] = old.ljust(part.stop - part.start, b"\0")[: part.stop - part.start]
        put(content, offset, bytes(torn))


def apply(changes: list[Change]) -> None:
    """Put changes of names on the disk."""
    for folder, name, node in changes:
        if node is None:
            folder.durable.pop(name, None)
        else:
            folder.durable[name] = node


def make_durable(folder: Folder) -> None:
    """Put all names below a folder on the disk."""
    folder.durable = dict(folder.names)
    for node in folder.names.values():
        if type(node) is Folder:
            make_durable(node)


def forget(folder: Folder) -> None:
    """Let programs see what is on the disk."""
    folder.names = dict(folder.durable)
    for node in folder.names.values():
        if type(node) is Folder:
            forget(node)


def files_in(folder: Folder, seen: set[int]) -> list[File]:
    """Return all files below a folder that have a name on the disk, each once."""
    found: list[File] = []
    for node in folder.durable.values():
        if type(node) is Folder:
            found += files_in(node, seen)
        elif node.number not in seen:
            seen.add(node.number)
            found.append(node)  # type: ignore[arg-type]
    return found
