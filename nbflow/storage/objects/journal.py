"""Append to the log of a run: one object a commit, created under the next number, which is the fence and the order.

Whoever owns the run knows the next number. A new owner takes it with a header, and the older owner's create of that
number fails. Headers and tombstones are never removed, so a number that fences somebody is never free again, however
long that process slept. Each object is by a nonce: after a lost answer an owner knows its own.

The number of a commit is free again when it was rolled up. So who is no owner, and creates the number that he found to
be the next, looks once more whether that is the end of the log: in its middle an object counts for nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from platform import python_version

from nbflow import __version__
from nbflow.errors import Fenced, StorageError

from ..failures import poisoned
from .bucket import create_once, exists
from .claims import Claim
from .entries import Header, Tombstone, encode_commit, encode_header, encode_snapshot
from .place import ObjectPlace
from .reading import Log, Top, read_log, read_top, refuse_damage
from .rolling import Rolling


class ObjectJournal:
    """The log of a run, open for appending by its owner. Any error poisons it for ever: open the run again."""

    def __init__(self, place: ObjectPlace, header: Header, log: Log) -> None:
        self.header = header
        self.top = log.top
        self._place = place
        self._name = f"run {place.workflow_id!r}"
        self._healthy = True
        self._cause: StorageError | None = None
        self._lock = threading.Lock()
        self._rolling = Rolling(place, log)

    @property
    def healthy(self) -> bool:
        """True until the journal is closed or something fails."""
        return self._healthy

    @property
    def used(self) -> bool:
        """True when something was ever committed to the run."""
        return self.header.used or self.top > self.header.number

    def append(self, records: Sequence[str]) -> None:
        """Commit encoded JSON records as one unit; they are durable when this returns."""
        with self._lock:
            if not self._healthy:
                raise poisoned(self._name, self._cause)
            if not records:
                return
            content = encode_commit(self._place, self.header, self.top + 1, records)
            self._create(content)
            self._rolling.grown(self.top)

    def compact(self, records: Sequence[str]) -> None:
        """Replace all records by these in one piece: a header that begins anew, behind a snapshot that holds them."""
        with self._lock:
            if not self._healthy:
                raise poisoned(self._name, self._cause)
            number, nonce = self.top + 1, self._place.bucket.random_hex(16)
            snapshot = f"{number:012d}-{nonce}.json"
            header = self.header._replace(
                number=number, nonce=nonce, start=number, snapshot=snapshot, used=True,
                owner={**self.header.owner, "epoch": number},
            )  # fmt: skip
            # Before the header that names it; without the header it counts for nothing.
            content = encode_snapshot(self._place, header, records)
            key = f"{self._place.snapshots}{snapshot}"
            self._healthy = False
            try:
                self._place.bucket.put_pieces(key, [memoryview(content)])
            except StorageError as error:
                self._cause = error
                raise
            try:
                self._create(encode_header(self._place, header, _versions()))
            except Fenced:
                self._discard(key)
                raise
            self.header = header
            self._rolling.begin_anew(header)

    def check_fence(self) -> None:
        """Raise Fenced when somebody else has taken the next number."""
        with self._lock:
            if not self._healthy:
                raise poisoned(self._name, self._cause)
            if exists(self._place.bucket, self._place.number(self.top + 1)):
                self._healthy, self._cause = False, self._fenced()
                raise self._cause

    def is_ours(self) -> bool:
        """Tell whether nobody else has taken the run, as far as the store can be asked."""
        try:
            self.check_fence()
        except StorageError:
            return False
        return True

    def close(self) -> None:
        """Take no more commits. Idempotent."""
        with self._lock:
            self._healthy = False
        self._rolling.wait()

    def _create(self, content: bytes) -> None:
        # Set back only at the end: whatever leaves this block early, a stop by the user too, leaves it poisoned.
        self._healthy = False
        try:
            if not create_once(self._place.bucket, self._place.number(self.top + 1), content):
                raise self._fenced()
        except StorageError as error:
            self._cause = error
            raise
        self.top += 1
        self._healthy = True

    def _discard(self, key: str) -> None:
        try:
            self._place.bucket.delete([key])
        except StorageError:
            pass

    def _fenced(self) -> Fenced:
        try:
            gone = isinstance(read_top(self._place).own, Tombstone)
        except StorageError:
            gone = False
        if gone:
            return Fenced(f"Somebody deleted {self._name}; this process stops writing to it.")
        return Fenced(f"Another process has taken {self._name} over; this one stops writing to it.")


def open_journal(
    place: ObjectPlace, claim: Claim, *, takeover: bool = False, new: bool = False
) -> tuple[ObjectJournal, Log]:
    """Take a run over, or make it; return its journal and what was committed before.

    Raises RunIsLive (unless ``takeover``), FileExistsError when ``new`` and it has records, WorkflowNotFoundError when
    not ``new`` and it has none, StorageDamaged, Fenced, StorageError.
    """
    try:
        header = _take(place, claim, takeover=takeover, new=new)
        log = read_log(place)
        if log.header is None or log.header.nonce != header.nonce or max(log.fences, default=0) > header.number:
            raise Fenced(f"Another process took run {place.workflow_id!r} over at the same moment.")
        refuse_damage(place, log)
    except BaseException:
        claim.release()
        raise
    claim.drop_others()
    return ObjectJournal(place._replace(signer=header.signer), header, log), log


def _take(place: ObjectPlace, claim: Claim, *, takeover: bool, new: bool) -> Header:
    """Create the next header and return it."""
    while True:
        top = read_top(place)
        if new and top.used:
            raise FileExistsError(f"Run {place.workflow_id!r} exists already.")
        if not new and not top.used:
            raise place.not_found()
        if not takeover:
            claim.refuse_if_live(top.own)
        header = next_header(place, top, claim.stake(top.number + 1))
        if create_once(place.bucket, place.number(header.number), encode_header(place, header, _versions())):
            return header
        # Somebody has committed, or taken the run, since the log was listed: see who that is.


def next_header(place: ObjectPlace, top: Top, owner: dict[str, object]) -> Header:
    """Return the header of who goes on with a log, or begins a life of the run."""
    number, nonce = top.number + 1, place.bucket.random_hex(16)
    before = top.own
    if not isinstance(before, Header):
        run = place.bucket.random_hex(16)
        return Header(number, nonce, run, number, number, "", False, owner, place.signer)
    return before._replace(
        number=number, nonce=nonce, used=top.used, owner=owner, signer=place.signer or before.signer
    )  # fmt: skip


def _versions() -> dict[str, object]:
    return {"py": python_version(), "nbflow": __version__}
