"""Values of up to some MB one after the other in a file that only grows: each costs one sync, and no new name.

A pack is ``blobs/<16 hex digits>.nbp``. An entry begins at a multiple of 4096 bytes with a frame, filled up to 256
bytes, that gives the size of its value and the name of the value *before* it; the content of the value follows. A name
is known only when its content is written, so it comes to the disk with the next value and needs no write of its own.
A value that nothing follows is known by its content.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Collection, Sequence
from typing import NamedTuple

from .blob_content import PAGE, SLICE, write_content
from .frames import Frame, decode_frame, encode_frame
from .os_calls import CREATE_NEW, OS, READ_ONLY, discard

SUFFIX = ".nbp"
HEADER = 256
PACK_BYTES = 64 << 20
"""The size at which a pack is full."""
LARGEST = 4 << 20
"""The size in bytes up to which a value goes into a pack; of a larger one a file of its own is the smaller part."""


class Spot(NamedTuple):
    """Where the content of a value lies."""

    path: str
    start: int
    size: int


class Pack:
    """The pack that an owner writes, one value at a time. Safe to use from several threads.

    After any error it goes on in a new file: what a sync that failed has left cannot be known.
    """

    def __init__(self, calls: OS, folder: str) -> None:
        self._calls = calls
        self._folder = folder
        self._turn = threading.Lock()
        self._closed = self._used = False
        self._fd = -1
        self._end = 0
        self._last = self.path = ""
        self._spots: dict[str, Spot] = {}

    def put(self, pieces: Sequence[memoryview], size: int) -> str | None:
        """Store one value of ``size`` bytes durably and return its sha256.

        Returns None when it is too large, or when another one is being stored right now. Raises OSError.
        """
        if size > LARGEST or not self._turn.acquire(blocking=False):
            return None
        try:
            return None if self._closed else self._append(pieces, size)
        except BaseException:
            self._abandon()
            raise
        finally:
            self._turn.release()

    def find(self, sha256: str) -> Spot | None:
        """Return where a value lies that is in the open file."""
        return self._spots.get(sha256)

    def roll(self) -> None:
        """Let what is stored next begin another file. This one is not touched any more, nor is its time."""
        with self._turn:
            self._release()

    def rest(self) -> None:
        """End the file when nothing was stored since the last call: who only waits keeps none open."""
        if self._turn.acquire(blocking=False):
            try:
                if not self._used:
                    self._finish()
                self._used = False
            finally:
                self._turn.release()

    def close(self) -> None:
        """Take no value any more. Idempotent."""
        with self._turn:
            self._closed = True
            self._finish()

    # ---- in its turn ----

    def _append(self, pieces: Sequence[memoryview], size: int) -> str:
        calls = self._calls
        if self._end + size > PACK_BYTES:
            self._finish()
        if self._fd < 0:
            self._begin()
        self._used = True
        front = self._front(size)
        start = self._end + len(front)
        sha256 = write_content(calls, self._fd, pieces, start, front)
        if sha256 in self._spots:
            calls.truncate(self._fd, self._end)
        else:
            calls.fdatasync(self._fd)
            self._spots[sha256] = Spot(self.path, start, size)
            self._end, self._last = start + size, sha256
        return sha256

    def _begin(self) -> None:
        name = self._calls.random_hex(8)
        self.path = f"{self._folder}/{name}{SUFFIX}"
        self._fd = self._calls.open(self.path, CREATE_NEW | os.O_APPEND)
        self._calls.fsync_dir(self._folder)

    def _front(self, size: int) -> bytes:
        """Return what stands between the last value and one of ``size`` bytes."""
        record = json.dumps({"size": size, "before": self._last})
        frame = encode_frame(len(self._spots), [record], _salt(self.path))
        return bytes(-self._end % PAGE) + frame.ljust(HEADER)

    def _finish(self) -> None:
        if self._fd < 0:
            return
        try:
            # the name of the last value: it saves readers a look at the content, and nothing hangs on it
            self._calls.write(self._fd, self._front(0))
        except OSError:
            pass
        self._release()

    def _abandon(self) -> None:
        if self._fd < 0:
            return
        try:
            self._calls.truncate(self._fd, self._end)  # the space is needed, perhaps: the disk may be full
        except OSError:
            pass
        if not self._spots:
            discard(self._calls, self.path)
        self._release()

    def _release(self) -> None:
        fd = self._fd
        self._forget()
        if fd >= 0:
            try:
                self._calls.close(fd)
            except OSError:
                pass  # every value was synced before it counted

    def _forget(self) -> None:
        self._fd, self._end, self._last, self.path, self._spots = -1, 0, "", "", {}


class Packs:
    """Where the values in the packs of a folder lie, whoever wrote them. Safe to use from several threads."""

    def __init__(self, calls: OS, folder: str) -> None:
        self._calls = calls
        self.folder = folder
        self._turn = threading.Lock()
        self._indexes: dict[str, _Index] = {}

    def paths(self) -> list[str]:
        """Return the packs that are there. Raises OSError."""
        try:
            names = self._calls.listdir(self.folder)
        except FileNotFoundError:
            return []
        return [f"{self.folder}/{name}" for name in names if name.endswith(SUFFIX)]

    def find(self, sha256: str) -> Spot | None:
        """Return where a value lies, None when it is in no pack. Raises OSError."""
        with self._turn:
            paths = self.paths()
            for gone in self._indexes.keys() - set(paths):
                del self._indexes[gone]
            indexes = [index for path in paths if (index := self._index(path))]
            named = (index.spots[sha256] for index in indexes if sha256 in index.spots)
            others = (spot for index in indexes for spot in index.nameless if name_of(self._calls, spot) == sha256)
            return next(named, None) or next(others, None)

    def inside(self, path: str) -> dict[str, Spot]:
        """Return the values of one pack. Raises OSError."""
        with self._turn:
            index = self._index(path)
            if index is None:
                return {}
            return {**{name_of(self._calls, spot): spot for spot in index.nameless}, **index.spots}

    def worth_linking(self, path: str, names: Collection[str]) -> set[str]:
        """Return those of some values for which a pack is worth a link: half of what it holds, or may come to hold.

        Only what is on the disk for certain counts, as is all that something follows: it was synced before that began.
        The rest may lie in the memory of the system alone, left there by a process that died. Raises OSError.
        """
        with self._turn:
            index = self._index(path)
            if index is None:
                return set()
            wanted = index.spots.keys() & set(names)
            room = sum(spot.size for spot in index.spots.values()) if index.ended else PACK_BYTES
            return wanted if 2 * sum(index.spots[sha256].size for sha256 in wanted) >= room else set()

    def _index(self, path: str) -> _Index | None:
        index = self._indexes.setdefault(path, _Index(path))
        try:
            index.go_on(self._calls)
        except FileNotFoundError:  # removed meanwhile
            del self._indexes[path]
            return None
        return index


class _Index:
    """What is known of one pack, which may still grow; what nothing follows may even be taken back."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.spots: dict[str, Spot] = {}
        self.ended = False
        self._unnamed: list[Spot] = []
        self._last: Spot | None = None
        self._at = self._seen = 0

    @property
    def nameless(self) -> list[Spot]:
        """The values that nothing gives a name."""
        return self._unnamed if self._last is None else [*self._unnamed, self._last]

    def go_on(self, calls: OS) -> None:
        """Look at what was added since, and once more at the last entry. Raises OSError."""
        size = calls.stat(self.path).st_size
        if size == self._seen:
            return
        fd = calls.open(self.path, READ_ONLY)
        try:
            last, at, looked_again = None, self._at, False
            following = at
            while at < size:
                calls.seek(fd, at)
                frame = _entry(calls.read(fd, HEADER), _salt(self.path))
                if frame is None:  # a value that is just being written, or what a crash or bad luck has left
                    at += PAGE
                elif at > following and not looked_again:  # the value between has been written meanwhile, perhaps
                    at, looked_again = following, True
                else:
                    if last is not None:
                        self._follow(last, frame)
                    last, self._at, looked_again = frame, at, False
                    at += HEADER + frame.records[0]["size"]
                    at += -at % PAGE
                    following = at
        finally:
            calls.close(fd)
        self._seen = size
        self.ended = last is not None and not last.records[0]["size"]
        self._last = None if last is None or self.ended else self._spot(last)

    def _follow(self, frame: Frame, following: Frame) -> None:
        spot = self._spot(frame)
        if following.seq == frame.seq + 1:
            self.spots[following.records[0]["before"]] = spot
        else:
            self._unnamed.append(spot)

    def _spot(self, frame: Frame) -> Spot:
        return Spot(self.path, self._at + HEADER, frame.records[0]["size"])


def name_of(calls: OS, spot: Spot) -> str:
    """Return the sha256 of what lies somewhere. Raises OSError."""
    digest, rest = hashlib.sha256(), spot.size
    fd = calls.open(spot.path, READ_ONLY)
    try:
        calls.seek(fd, spot.start)
        while rest and (piece := calls.read(fd, min(SLICE, rest))):
            digest.update(piece)
            rest -= len(piece)
    finally:
        calls.close(fd)
    return digest.hexdigest()


def _entry(raw: bytes, salt: int) -> Frame | None:
    """Return the frame with which an entry begins; None when it is none, whoever wrote it."""
    frame = decode_frame(raw, 0, salt)
    if frame is None or len(frame.records) != 1 or type(frame.records[0]) is not dict:
        return None
    size, before = frame.records[0].get("size"), frame.records[0].get("before")
    return frame if type(size) is int and size >= 0 and type(before) is str else None


def _salt(path: str) -> int:
    return int(path[-len(SUFFIX) - 8 : -len(SUFFIX)], 16)
