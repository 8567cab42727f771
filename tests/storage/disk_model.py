"""A disk that does to a program all that real ones may: forget, tear, reorder, fill up, fail, and stop at any call.

Every process is a ``ModelOS`` on one ``Disk``. What was written but not synced is only in the cache: it survives the
death of a process and is lost, torn or reordered by a power cut. A name in a folder is synced by its folder alone. A
sync that fails drops what it should have written and reports success the next time. All choices come from one seeded
random.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from random import Random
from typing import Any

from nbflow.storage.os_calls import OS
from nbflow.storage.processes import Process

from .disk_nodes import Change, File, Folder, Node, Stat, apply, files_in, forget, make_durable, put

OPEN_READ = 0
WRITING = frozenset(
    {"open", "write", "fdatasync", "fsync", "fsync_dir", "mkdir", "rename", "link", "truncate", "utime", "unlink"}
)
FULL = frozenset({"open", "write", "fdatasync", "mkdir", "rename", "link"})


class PowerCut(BaseException):
    """The machine stopped."""


class Killed(BaseException):
    """The process stopped; the machine goes on."""


class Disk:
    """One machine's disk and its processes. ``gate(process, call)`` runs before every call and may raise."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.calls = 0
        self.numbers = 1
        self.clock = 1_000_000_000_000_000_000
        self.root = Folder(0, self.clock)
        self.pending: list[list[Change]] = []
        self.processes: dict[int, ModelOS] = {}
        self.gate: Callable[[ModelOS, str], None] = lambda process, call: None
        self.on_create: Callable[[str, int], None] = lambda path, number: None
        self.on_rename: Callable[[str, str], None] = lambda old, new: None
        self.separate_caches = False
        """Every process is on a machine of its own: it sees what another one wrote after that one's sync or close."""
        self.misjudgement = 0.0
        """How often a process that lives is taken for dead, as after a suspended laptop."""

    def boot(self) -> ModelOS:
        """Start a process."""
        process = ModelOS(self, 1000 + len(self.processes))
        self.processes[process.identity.pid] = process
        return process

    def lay_out(self, *folders: str, **files: bytes) -> None:
        """Make durable folders, and durable files in the last of them."""
        folder = self.root
        for path in folders:
            folder = self.root
            for name in path.strip("/").split("/"):
                folder = folder.names.setdefault(name, Folder(self._number(), self.clock))  # type: ignore[assignment]
        for name, content in files.items():
            file = File(self._number(), self.clock)
            file.cache[:] = file.durable[:] = content
            folder.names[name.replace("_", ".")] = file
        make_durable(self.root)

    def power_cut(self) -> None:
        """Stop all processes; leave on the disk what was synced, and an arbitrary part of the rest."""
        for process in self.processes.values():
            process.dead = True
        for changes in self.pending:
            if self.random.random() < 0.5:
                apply(changes)
        self.pending.clear()
        files = files_in(self.root, set())
        stale = bytes(files[0].durable).replace(b"\n", b" ") if files else b""
        for file in files:
            file.lose(self.random, stale)
            file.cache = bytearray(file.durable)
        forget(self.root)

    def find(self, path: str) -> Node:
        """Return what is at a path. Raises FileNotFoundError."""
        node: Node = self.root
        for name in path.split("/")[1:]:
            if type(node) is not Folder:
                raise NotADirectoryError(errno.ENOTDIR, "Not a directory", path)
            try:
                node = node.names[name]
            except KeyError:
                if name:
                    raise FileNotFoundError(errno.ENOENT, "No such file or directory", path) from None
        return node

    def parent(self, path: str) -> tuple[Folder, str]:
        """Return the folder that a path is in and its name there."""
        above, _, name = path.rpartition("/")
        folder = self.find(above)
        if type(folder) is not Folder:
            raise NotADirectoryError(errno.ENOTDIR, "Not a directory", path)
        return folder, name

    def change(self, *changes: Change) -> None:
        """Change names in folders, in the cache only."""
        for folder, name, node in changes:
            if node is None:
                del folder.names[name]
            else:
                folder.names[name] = node
        self.pending.append(list(changes))

    def sync_names(self, folder: Folder) -> None:
        """Put all changes of the names of a folder on the disk; a rename between two folders goes as one."""
        rest = []
        for changes in self.pending:
            if any(change[0] is folder for change in changes):
                apply(changes)
            else:
                rest.append(changes)
        self.pending = rest

    def _number(self) -> int:
        self.numbers += 1
        return self.numbers


class ModelOS(OS):
    """One process on a model disk."""

    def __init__(self, disk: Disk, pid: int) -> None:
        self.disk = disk
        self.dead = False
        self.identity = Process("host", "boot", pid, "1", f"kernel-{pid}")
        self._files: dict[int, tuple[File, int]] = {}
        self._fd = 2
        self._appending: set[int] = set()

    def _call(self, name: str) -> None:
        if self.dead:
            raise Killed
        self.disk.calls += 1
        self.disk.clock += 1_000_000
        self.disk.gate(self, name)

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        self._call("open" if flags & os.O_CREAT else "open to read")
        folder, name = self.disk.parent(path)
        node = folder.names.get(name)
        if node is None:
            if not flags & os.O_CREAT:
                raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
            node = File(self.disk._number(), self.disk.clock, self)
            self.disk.change((folder, name, node))
            self.disk.on_create(path, node.number)
        elif flags & os.O_EXCL:
            raise FileExistsError(errno.EEXIST, "File exists", path)
        assert type(node) is File
        self._fd += 1
        self._files[self._fd] = (node, 0)
        if flags & os.O_APPEND:
            self._appending.add(self._fd)
        return self._fd

    def write(self, fd: int, chunk: Any) -> int:
        self._call("write")
        file, offset = self._files[fd]
        if fd in self._appending:
            offset = len(file.cache)
        size = len(chunk)
        if size > 1 and self.disk.random.random() < 0.05:
            size = self.disk.random.randrange(1, size)
        piece = bytes(chunk[:size])
        put(file.cache, offset, piece)
        file.dirty.append((offset, piece))
        file.mtime = self.disk.clock
        self._files[fd] = (file, offset + size)
        return size

    def read(self, fd: int, size: int) -> bytes:
        self._call("read")
        file, offset = self._files[fd]
        piece = bytes(self._content(file)[offset : offset + size])
        self._files[fd] = (file, offset + len(piece))
        return piece

    def read_all(self, path: str) -> bytes:
        self._call("read")
        node = self.disk.find(path)
        if type(node) is not File:
            raise IsADirectoryError(errno.EISDIR, "Is a directory", path)
        return bytes(self._content(node))

    def read_plain(self, path: str, most: int) -> bytes:
        return self.read_all(path)

    def _content(self, file: File) -> bytearray:
        return file.durable if self.disk.separate_caches and file.writer is not self else file.cache

    def truncate(self, fd: int, size: int = 0) -> None:
        self._call("truncate")
        file = self._files[fd][0]
        del file.cache[size:]
        file.dirty = [(offset, piece[: size - offset]) for offset, piece in file.dirty if offset < size]
        if self.disk.random.random() < 0.5:
            del file.durable[size:]

    def seek(self, fd: int, offset: int) -> None:
        self._call("seek")
        self._files[fd] = (self._files[fd][0], offset)

    def fdatasync(self, fd: int) -> None:
        file = self._files[fd][0]
        try:
            self._call("fdatasync")
        except OSError:
            file.lose(self.disk.random, b"")
            raise
        file.sync()

    def fsync(self, fd: int) -> None:
        self.fdatasync(fd)

    def begin_sync(self, fd: int, offset: int, size: int) -> None:
        """Promise nothing: this disk writes what it likes, when it likes."""

    def fsync_dir(self, path: str) -> None:
        self._call("fsync_dir")
        folder = self.disk.find(path)
        assert type(folder) is Folder
        self.disk.sync_names(folder)

    def close(self, fd: int) -> None:
        self._call("close")
        file, _ = self._files.pop(fd)
        if self.disk.separate_caches:
            file.sync()

    def stat(self, path: str) -> Any:
        self._call("stat")
        return Stat(self.disk.find(path))

    def fstat(self, fd: int) -> Any:
        self._call("fstat")
        return Stat(self._files[fd][0])

    def exists(self, path: str) -> bool:
        self._call("stat")
        try:
            self.disk.find(path)
        except FileNotFoundError:
            return False
        return True

    def listdir(self, path: str) -> list[str]:
        self._call("listdir")
        folder = self.disk.find(path)
        if type(folder) is not Folder:
            raise NotADirectoryError(errno.ENOTDIR, "Not a directory", path)
        return list(folder.names)

    def mkdir(self, path: str, mode: int = 0o700) -> None:
        self._call("mkdir")
        folder, name = self.disk.parent(path)
        if name in folder.names:
            raise FileExistsError(errno.EEXIST, "File exists", path)
        self.disk.change((folder, name, Folder(self.disk._number(), self.disk.clock)))

    def rmdir(self, path: str) -> None:
        self._call("rmdir")
        folder, name = self.disk.parent(path)
        node = self.disk.find(path)
        if type(node) is Folder and node.names:
            raise OSError(errno.ENOTEMPTY, "Directory not empty", path)
        self.disk.change((folder, name, None))

    def unlink(self, path: str) -> None:
        self._call("unlink")
        if type(self.disk.find(path)) is Folder:
            raise IsADirectoryError(errno.EISDIR, "Is a directory", path)
        self.disk.change((*self.disk.parent(path), None))

    def rename(self, old: str, new: str) -> None:
        self._call("rename")
        node = self.disk.find(old)
        self.disk.change((*self.disk.parent(old), None), (*self.disk.parent(new), node))
        self.disk.on_rename(old, new)

    def link(self, old: str, new: str) -> None:
        self._call("link")
        node = self.disk.find(old)
        folder, name = self.disk.parent(new)
        if name in folder.names:
            raise FileExistsError(errno.EEXIST, "File exists", new)
        self.disk.change((folder, name, node))

    def utime(self, path: str) -> None:
        self._call("utime")
        self.disk.find(path).mtime = self.disk.clock

    def now(self) -> float:
        return self.disk.clock / 1e9

    def random_hex(self, size: int) -> str:
        return self.disk.random.randbytes(size).hex()

    def process(self) -> Process:
        return self.identity

    def is_alive(self, pid: int, started: str) -> bool:
        return not self.disk.processes[pid].dead and self.disk.random.random() >= self.disk.misjudgement
