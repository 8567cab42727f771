"""Every call that the storage makes to the outside: files, clock, chance and processes go through one ``OS``."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import sys
import time
from collections.abc import Callable
from typing import Any

from . import processes

Buffer = bytes | bytearray | memoryview
CREATE_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
"""Open flags of a file that must not exist: every file of the storage is made this way."""
READ_ONLY = os.O_RDONLY | getattr(os, "O_BINARY", 0)
READ_PLAIN = READ_ONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""Open flags of a file that others may have put there: no link is followed, and no pipe is waited for."""
CHANGE = os.O_RDWR | getattr(os, "O_BINARY", 0)
READ_CHUNK = 1 << 24
_BEGINS_SYNC = sys.platform == "linux"
_NO_SUCH_CALL = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})


class OS:
    """The real operating system.

    The methods keep the meaning of the calls of the same name in ``os`` and raise OSError as they do. ``write``
    may write less than it was given. Paths are absolute strings.
    """

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        """Open a file and return its descriptor."""
        return os.open(path, flags, mode)

    def write(self, fd: int, chunk: Buffer) -> int:
        """Write some of ``chunk`` and return how many bytes were taken."""
        return os.write(fd, chunk)

    def read(self, fd: int, size: int) -> bytes:
        """Read up to ``size`` bytes; empty at the end of the file."""
        return os.read(fd, size)

    def read_all(self, path: str) -> bytes:
        """Return the whole content of a file."""
        fd = os.open(path, READ_ONLY)
        try:
            content = os.read(fd, max(os.fstat(fd).st_size, 1))
            while more := os.read(fd, READ_CHUNK):
                content += more
            return content
        finally:
            os.close(fd)

    def read_plain(self, path: str, most: int) -> bytes:
        """Return the content of a file that somebody else may have put there.

        No link is followed and no pipe is waited for. Raises ValueError when it is no file or has over ``most`` bytes.
        """
        try:
            fd = os.open(path, READ_PLAIN)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise ValueError(f"it cannot be read: {error.strerror}") from error
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise ValueError("it is no file")
            content = b""
            while len(content) <= most and (piece := os.read(fd, most + 1)):
                content += piece
            if len(content) > most:
                raise ValueError(f"it has over {most} bytes")
            return content
        finally:
            os.close(fd)

    def fdatasync(self, fd: int) -> None:
        """Return when the content of a file is on the disk."""
        _sync_content(fd)

    def fsync(self, fd: int) -> None:
        """Return when the content and the attributes of a file are on the disk."""
        _sync_all(fd)

    def begin_sync(self, fd: int, offset: int, size: int) -> None:
        """Let the system begin to bring a part of a file to the disk, where it can be asked to; do not wait for it."""
        if _BEGINS_SYNC:
            try:
                # Linux then begins to write; of its cache it drops only what is on the disk by now: next to nothing
                os.posix_fadvise(fd, offset, size, os.POSIX_FADV_DONTNEED)
            except OSError:
                pass

    def fsync_dir(self, path: str) -> None:
        """Return when the names in a folder are on the disk; file systems without such a call are taken as they are."""
        if sys.platform == "win32":
            return
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _sync_all(fd)
        except OSError as error:
            if error.errno not in _NO_SUCH_CALL:
                raise
        finally:
            os.close(fd)

    def truncate(self, fd: int, size: int = 0) -> None:
        """Cut an open file off; what is appended next comes behind."""
        os.ftruncate(fd, size)

    def seek(self, fd: int, offset: int) -> None:
        """Go on reading at a byte of an open file."""
        os.lseek(fd, offset, os.SEEK_SET)

    def close(self, fd: int) -> None:
        """Close a descriptor."""
        os.close(fd)

    def stat(self, path: str) -> os.stat_result:
        """Return the attributes of a path."""
        return os.stat(path)

    def fstat(self, fd: int) -> os.stat_result:
        """Return the attributes of an open file."""
        return os.fstat(fd)

    def exists(self, path: str) -> bool:
        """Tell whether a path is there. Any other doubt is an error: a fence must not pass on a failing disk."""
        try:
            os.stat(path)
        except FileNotFoundError:
            return False
        return True

    def listdir(self, path: str) -> list[str]:
        """Return the names in a folder, in no order."""
        return os.listdir(path)

    def mkdir(self, path: str, mode: int = 0o700) -> None:
        """Make one folder."""
        os.mkdir(path, mode)

    def rmdir(self, path: str) -> None:
        """Remove an empty folder."""
        _patiently(os.rmdir, path)

    def unlink(self, path: str) -> None:
        """Remove a file."""
        _patiently(os.unlink, path)

    def rename(self, old: str, new: str) -> None:
        """Move a path, in place of a file that is there."""
        _patiently(os.replace, old, new)

    def link(self, old: str, new: str) -> None:
        """Give a file a second name that must not exist."""
        os.link(old, new)

    def utime(self, path: str) -> None:
        """Set the modification time of a file to now, by the clock of its file system."""
        os.utime(path)

    def now(self) -> float:
        """Return the wall clock, in UTC seconds."""
        return time.time()

    def random_hex(self, size: int) -> str:
        """Return ``size`` random bytes as hexadecimal digits."""
        return secrets.token_hex(size)

    def process(self) -> processes.Process:
        """Say which process this is."""
        return processes.this_process()

    def is_alive(self, pid: int, started: str) -> bool:
        """Tell whether a process of this machine still runs."""
        return processes.is_alive(pid, started)


class LazyOS(OS):
    """The real operating system without the waiting: safe against a dead kernel, not against a power cut."""

    def fdatasync(self, fd: int) -> None:
        """Leave it to the system when content is written."""

    def fsync(self, fd: int) -> None:
        """Leave it to the system when content is written."""

    def begin_sync(self, fd: int, offset: int, size: int) -> None:
        """Leave it to the system when content is written."""

    def fsync_dir(self, path: str) -> None:
        """Leave it to the system when names are written."""


def write_all(calls: OS, fd: int, content: Buffer) -> None:
    """Write everything: a call may take less than it was given, without any error, on a full disk or past 2 GiB."""
    written = calls.write(fd, content)
    size = memoryview(content).nbytes
    if written == size:
        return
    rest = memoryview(content).cast("B")
    while written < size:
        written += calls.write(fd, rest[written:])


def write_file(calls: OS, path: str, content: bytes, *, sync: bool) -> None:
    """Write a new file; a leftover of the same name is replaced."""
    try:
        fd = calls.open(path, CREATE_NEW)
    except FileExistsError:
        calls.unlink(path)
        fd = calls.open(path, CREATE_NEW)
    try:
        write_all(calls, fd, content)
        if sync:
            calls.fsync(fd)
    finally:
        calls.close(fd)


def make_folder(calls: OS, path: str) -> None:
    """Make a folder that may be there already."""
    try:
        calls.mkdir(path)
    except FileExistsError:
        pass


def put_in_place(calls: OS, temporary: str, path: str) -> bool:
    """Give a finished file its name; return False when that is taken. ``temporary`` may stay."""
    try:
        calls.link(temporary, path)
    except FileExistsError:
        return False
    except FileNotFoundError:
        raise
    except OSError:
        # No hard links here. Two equal files at one moment replace each other, which is as good.
        if calls.exists(path):
            return False
        calls.rename(temporary, path)
    return True


def discard(calls: OS, path: str) -> None:
    """Remove a file that nobody needs; a failure does not matter."""
    try:
        calls.unlink(path)
    except OSError:
        pass


def _patiently(call: Callable[..., None], *paths: str) -> None:
    # On Windows a virus scanner or an indexer that looks into a file makes unlink and rename fail for a moment.
    for pause in (0.01, 0.02, 0.05, 0.1, 0.2) if sys.platform == "win32" else ():
        try:
            return call(*paths)
        except PermissionError:
            time.sleep(pause)
    return call(*paths)


def _make_sync(name: str) -> Callable[[int], Any]:
    # macOS: fsync only hands the content to the drive, which may keep it in its own memory; F_FULLFSYNC waits.
    if sys.platform == "darwin":
        import fcntl

        def full_sync(fd: int) -> None:
            try:
                fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
            except OSError as error:
                if error.errno not in _NO_SUCH_CALL:
                    raise
                os.fsync(fd)

        return full_sync
    return getattr(os, name, os.fsync)


_sync_content = _make_sync("fdatasync")
_sync_all = _make_sync("fsync")
