"""The root of a storage folder: make it, recognise it, and refuse one that is not safe to use."""

from __future__ import annotations

import json
import os
import sys
import warnings
from typing import Any

from nbflow.errors import StorageDamaged, StorageError

from .failures import storage_errors
from .foreign import parse
from .os_calls import CREATE_NEW, OS, discard, make_folder, put_in_place, write_file

VERSION = 1
MARK = "nbflow.json"
_DRIVE = "/content/drive"


class Root:
    """The top folder of a storage, checked once per process before anything in it is used."""

    def __init__(self, calls: OS, path: str, signed: bool = False) -> None:
        self.path = path
        self._signed = signed
        self._calls = calls
        self._readable = False
        self._writable = False

    def check_readable(self) -> bool:
        """Return False when there is no storage yet; raise StorageError when it must not be used."""
        if not self._readable:
            mark = self._mark()
            if mark is None:
                return False
            self._check_version(mark, "min_reader")
            with storage_errors(f"The storage {self.path!r}"):
                self._refuse_if_open_to_others()
            self._readable = True
        return True

    def check_writable(self) -> None:
        """Make the storage if need be and write to it; raise StorageReadOnly or StorageError with the remedy."""
        with storage_errors(f"The storage {self.path!r}"):
            if not self._writable:
                self._make()
            try:
                self._probe()
            except FileNotFoundError:
                # Somebody removed the whole folder while this process lived.
                self._make()
                self._probe()
            self._writable = True

    def make_ready(self) -> None:
        """Make the storage if this process has not done so yet."""
        with storage_errors(f"The storage {self.path!r}"):
            ready = self._writable and self._calls.exists(f"{self.path}/runs")
        if not ready:
            self.check_writable()

    def _make(self) -> None:
        warn_if_drive(self.path)
        mark = self._mark()
        if mark is None:
            self._make_folders(self.path)
        else:
            self._check_version(mark, "min_writer")
        self._refuse_if_open_to_others()
        self._refuse_if_another_owns_it()
        for folder in ("runs", "trash", "cache"):
            make_folder(self._calls, f"{self.path}/{folder}")
        if mark is None:
            self._write_mark()
        empty_trash(self._calls, self.path)

    def _mark(self) -> dict[str, Any] | None:
        try:
            mark = parse(self._calls.read_all(f"{self.path}/{MARK}"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StorageError(f"The storage {self.path!r} cannot be read: {error.strerror}.") from error
        except ValueError:
            mark = None
        if not isinstance(mark, dict) or mark.get("format") != "nbflow":
            raise StorageDamaged(
                f"{self.path}/{MARK} is not that of a storage: choose another folder or remove the file."
            )
        return mark

    def _make_folders(self, path: str) -> None:
        """Make a folder and those above it, and make all their names durable, whoever made them."""
        parent = os.path.dirname(path)
        if parent == path:
            return
        self._make_folders(parent)
        if not self._calls.exists(path):
            make_folder(self._calls, path)
        try:
            self._calls.fsync_dir(parent)
        except PermissionError:
            pass  # a folder that one may pass through but not read was made by somebody else, long ago

    def _write_mark(self) -> None:
        mark = {"format": "nbflow", "version": VERSION, "min_reader": 1, "min_writer": 1}
        mark |= {"uuid": self._calls.random_hex(16), "probe": {"exclusive": self._creates_exclusively()}}
        temporary = f"{self.path}/{MARK}.{self._calls.random_hex(4)}"
        try:
            write_file(self._calls, temporary, json.dumps(mark).encode("ascii"), sync=True)
            put_in_place(self._calls, temporary, f"{self.path}/{MARK}")
        finally:
            discard(self._calls, temporary)
        self._calls.fsync_dir(self.path)

    def _creates_exclusively(self) -> bool:
        probe = f"{self.path}/probe-{self._calls.random_hex(4)}"
        self._calls.close(self._calls.open(probe, CREATE_NEW))
        try:
            self._calls.close(self._calls.open(probe, CREATE_NEW))
        except FileExistsError:
            return True
        finally:
            discard(self._calls, probe)
        # Without this promise of the file system two owners could both believe that a run is theirs.
        raise StorageError(f"The file system of {self.path!r} cannot make a file exclusively: choose a local folder.")

    def _probe(self) -> None:
        probe = f"{self.path}/cache/probe-{self._calls.random_hex(4)}"
        try:
            write_file(self._calls, probe, b"nbflow", sync=False)
        finally:
            discard(self._calls, probe)

    def _check_version(self, mark: dict[str, Any], need: str) -> None:
        if mark.get(need, 1) > VERSION:
            raise StorageError(
                f"The storage {self.path!r} was made by a newer nbflow (format {mark.get('version')}): install it with "
                "pip install -U nbflow, or choose another folder."
            )

    def _refuse_if_open_to_others(self) -> None:
        # Whoever can write a pickle here can run code in the kernel that loads it.
        if sys.platform == "win32" or not self._calls.stat(self.path).st_mode & 0o002 or self._knows_no_modes():
            return
        raise StorageError(
            f"Everybody may write to {self.path!r}, and a storage holds code: run `chmod o-w {self.path}`, or choose a "
            "folder of your own."
        )

    def _refuse_if_another_owns_it(self) -> None:
        # The owner of a folder can write to it at any time. Whoever runs as root trusts everybody already.
        me = os.geteuid() if hasattr(os, "geteuid") else 0
        owner = getattr(self._calls.stat(self.path), "st_uid", me)
        if self._signed or me == 0 or owner in (0, me):
            return
        probe = f"{self.path}/probe-{self._calls.random_hex(4)}"
        try:
            self._calls.close(self._calls.open(probe, CREATE_NEW, 0o600))
            mine = getattr(self._calls.stat(probe), "st_uid", me)
        finally:
            discard(self._calls, probe)
        if mine != owner:  # a network mount shows all that is mine under another number
            raise StorageError(
                f"{self.path!r} belongs to somebody else (user {owner}), and a storage holds code: choose a folder of "
                "your own, or sign what you store: nbflow.init(sign=True)."
            )

    def _knows_no_modes(self) -> bool:
        # Some mounts (Windows drives, cloud drives) show everything as open to all, a private file too.
        probe = f"{self.path}/probe-{self._calls.random_hex(4)}"
        try:
            self._calls.close(self._calls.open(probe, CREATE_NEW, 0o600))
            return bool(self._calls.stat(probe).st_mode & 0o002)
        except OSError:
            return False
        finally:
            discard(self._calls, probe)


def warn_if_drive(path: str) -> None:
    """Warn about a folder on a mounted Google Drive, which reorders and loses writes."""
    if path == _DRIVE or path.startswith(f"{_DRIVE}/"):
        warnings.warn(
            f"The storage {path!r} is on a mounted Google Drive: checkpoints written shortly before the machine goes "
            "away can be lost. Keep the storage on the machine's own disk and copy it, or use an object store.",
            stacklevel=2,
        )


def empty_trash(calls: OS, root: str) -> None:
    """Remove what deletions left; whatever resists stays for the next time."""
    try:
        names = calls.listdir(f"{root}/trash")
        if names:
            # The move here may not be on the disk yet: a power cut must not bring back a run that is half removed.
            calls.fsync_dir(f"{root}/runs")
            calls.fsync_dir(f"{root}/trash")
    except OSError:
        return
    for name in names:
        remove_tree(calls, f"{root}/trash/{name}")


def remove_tree(calls: OS, path: str) -> None:
    """Remove a folder and all that is in it, as far as possible; of a link only the link, and nothing behind it."""
    try:
        calls.unlink(path)
        return
    except (IsADirectoryError, PermissionError):
        pass  # a real folder
    except OSError:
        return
    try:
        names = calls.listdir(path)
    except OSError:
        return
    for name in names:
        remove_tree(calls, f"{path}/{name}")
    try:
        calls.rmdir(path)
    except OSError:
        pass
