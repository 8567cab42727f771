"""Append to the journal of a run: one frame and one fdatasync for each commit, acknowledged only behind the fence.

The fence is a file: to own a run is to have made its newest segment, exclusively. Whoever finds a newer segment than
its own, or another file in the place of its own, may not acknowledge anything more.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from platform import python_version

from nbflow import __version__
from nbflow.errors import Fenced, RunIsLive, StorageError

from .chain import VERSION, Chain, Tail, read_chain, refuse_damage, segment_numbers, segment_path
from .failures import poisoned, storage_error
from .frames import AT_ONCE, encode_frame
from .os_calls import CREATE_NEW, write_all
from .ownership import Ownership
from .place import RunPlace
from .signing import Seal

FRAME_LIMIT = AT_ONCE
"""The size in bytes past which a commit is split into several frames."""


class Journal:
    """The newest segment of a run, open for appending by its owner. With a ``signer`` all it writes is signed.

    Any error poisons it for ever, an error of fsync above all: the system then takes the unwritten pages for clean,
    and a second fsync would succeed for nothing. The only way on is to open the run again, which carries the last
    frame over. A commit that failed may or may not be found there.
    """

    def __init__(self, place: RunPlace, number: int, fd: int) -> None:
        self.number = number
        self.seq = 0
        self.run = ""
        self.signer = place.signer
        self._seals = place.seals
        self._seal: Seal | None = None
        self._calls = place.calls
        self._fd = fd
        self._salt = 0
        self._path = segment_path(place.folder, number)
        self._next = segment_path(place.folder, number + 1)
        self._name = f"run {place.workflow_id!r}"
        status = place.calls.fstat(fd)
        self._identity = (status.st_dev, status.st_ino)
        self._healthy = True
        self._cause: StorageError | None = None
        self._lock = threading.Lock()

    @property
    def healthy(self) -> bool:
        """True until the journal is closed or something fails."""
        return self._healthy

    def append(self, records: Sequence[str]) -> None:
        """Commit encoded JSON records as one unit; they are durable when this returns.

        Raises ValueError, with nothing written, when a record is not one line of ASCII.
        """
        with self._lock:
            if not self._healthy:
                raise poisoned(self._name, self._cause)
            if not records:
                return
            frames = self._frames(records)
            # Set back only at the end: whatever leaves this block early, a stop by the user too, leaves it poisoned.
            self._healthy = False
            try:
                for frame in frames:
                    self._commit(frame)
            except OSError as error:
                self._cause = storage_error(error, self._name)
                raise self._cause from error
            except Fenced as error:
                self._cause = error
                raise
            self.seq += len(frames)
            self._healthy = True

    def begin(self, tail: Tail, run: str, workflow_id: str, records: Sequence[str] = ()) -> None:
        """Write the header, with the records behind the seal and these; the run is owned when this returns."""
        self.run = run
        salt = int(self._calls.random_hex(4), 16)
        header = {
            "t": "seg",
            "v": VERSION,
            "e": self.number,
            "salt": salt,
            "prev": tail.prev,
            "seal": tail.seal,
            "run": run,
            "id": workflow_id,
            "py": python_version(),
            "nbflow": __version__,
        }
        lines = [json.dumps(record, separators=(",", ":")) for record in (header, *tail.carried)] + [*records]
        own = self._seals._replace(signer=self.signer).header(self.number, signed=self.signer is not None)
        self._commit(encode_frame(tail.seq, lines, 0, seal=own))
        self._seal = self._seals.frames(own, run, self.number, salt) if own is not None else None
        self._salt, self.seq = salt, tail.seq

    def check_fence(self) -> None:
        """Raise Fenced unless this is still the newest segment of the run, and in its place."""
        if self._calls.exists(self._next):
            raise Fenced(f"Another process has taken {self._name} over; this one stops writing to it.")
        self.check_place()

    def check_place(self) -> None:
        """Raise Fenced unless this segment is where it was made."""
        try:
            status = self._calls.stat(self._path)
        except FileNotFoundError:
            raise Fenced(f"Somebody deleted {self._name}; this process stops writing to it.") from None
        if (status.st_dev, status.st_ino) != self._identity:
            raise Fenced(f"Somebody deleted {self._name} and made it anew; this process stops writing to it.")

    def poison(self, cause: StorageError) -> None:
        """Refuse all further commits for a reason that was found elsewhere."""
        with self._lock:
            self._healthy, self._cause = False, cause

    def close(self) -> None:
        """Close the segment. Idempotent."""
        with self._lock:
            self._healthy = False
            if self._fd >= 0:
                fd, self._fd = self._fd, -1
                try:
                    self._calls.close(fd)
                except OSError:
                    pass  # every commit was synced before it counted, so nothing hangs on this

    def _commit(self, frame: bytes) -> None:
        write_all(self._calls, self._fd, frame)
        self._calls.fdatasync(self._fd)
        # After the fsync: an owner that opens between the two does not see the frame, and this one must not claim it.
        self.check_fence()

    def _frames(self, records: Sequence[str]) -> list[bytes]:
        frame = encode_frame(self.seq + 1, records, self._salt, seal=self._seal)
        if len(frame) <= FRAME_LIMIT or len(records) == 1:
            return [frame]
        parts: list[list[str]] = [[]]
        size = 0
        for record in records:
            if size + len(record) > FRAME_LIMIT and parts[-1]:
                parts.append([])
                size = 0
            parts[-1].append(record)
            size += len(record) + 1
        last = len(parts) - 1
        return [
            encode_frame(self.seq + 1 + place, part, self._salt, more=place < last, seal=self._seal)
            for place, part in enumerate(parts)
        ]


def open_journal(
    place: RunPlace, ownership: Ownership, *, takeover: bool = False, salvage: bool = False
) -> tuple[Journal, Chain]:
    """Take a run over and return its journal and what was committed before.

    ``salvage``: go on in front of the damage.
    Raises RunIsLive (unless ``takeover``), StorageDamaged, Fenced, OSError.
    """
    if takeover and not salvage:
        _refuse_unreadable(place)
    journal = None
    try:
        journal = _next_segment(place, ownership, takeover=takeover)
        _close_gaps(place, journal.number)
        ownership.claim()
        place.calls.fsync_dir(place.folder)
        # Only now: no older owner can acknowledge any more, so nothing can be missing from what is read here.
        chain = read_chain(place.calls, place.folder, place.seals)
        if chain.newest > journal.number:
            raise Fenced(f"Another process took run {place.workflow_id!r} over at the same moment.")
        if chain.damage and not salvage:
            journal.check_fence()  # what looks like damage may be a deletion
            refuse_damage(chain, place.workflow_id)
        if not chain.newest:
            # A commit must not be lost with the folder that it is in.
            for folder in place.parents:
                place.calls.fsync_dir(folder)
        journal.signer = place.signer or chain.signer
        # The last frame may stand in the page cache only, its fsync failed: the new header carries it over.
        journal.begin(chain.tail, chain.run or place.calls.random_hex(16), place.workflow_id)
    except BaseException:
        if journal is not None:
            journal.close()
        ownership.release()
        raise
    return journal, chain


def _refuse_unreadable(place: RunPlace) -> None:
    """Raise before anything is done what reading the run raises: its owner must not be stopped by who cannot go on."""
    chain = read_chain(place.calls, place.folder, place.seals)
    if chain.damage and place.calls.exists(place.folder):
        refuse_damage(chain, place.workflow_id)


def _next_segment(place: RunPlace, ownership: Ownership, *, takeover: bool) -> Journal:
    calls, folder, workflow_id = place.calls, place.folder, place.workflow_id
    while True:
        number = next(iter(segment_numbers(calls, folder)), 0) + 1
        if not takeover:
            ownership.refuse_if_live()
            # Claimed before the segment is there: who finds the segment finds its owner too, and keeps off. Whoever
            # was asked before this claim has listed before it as well, and will not get this number.
            ownership.prepare(number)
            ownership.claim()
        ownership.prepare(number)
        try:
            return Journal(place, number, calls.open(segment_path(folder, number), CREATE_NEW))
        except FileExistsError:
            if not takeover:
                raise RunIsLive(
                    workflow_id, f"Run {workflow_id!r} was opened by another process at this moment."
                ) from None


def _close_gaps(place: RunPlace, number: int) -> None:
    """Make all segments below ``number`` exist: an owner looks only for the one next to its own.

    A gap arises when the run is deleted and made anew between the listing and the creation of ``number``. The others
    are never removed, for the same reason.
    """
    for gap in sorted(set(range(1, number)).difference(segment_numbers(place.calls, place.folder))):
        try:
            place.calls.close(place.calls.open(segment_path(place.folder, gap), CREATE_NEW))
        except FileExistsError:
            pass
