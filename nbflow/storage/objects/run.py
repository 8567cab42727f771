"""One run of an object store, open for writing. The promises are those of ``RunJournal``."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from typing import Any

from nbflow.errors import Fenced, StorageError

from ..base import InboxItem, Json
from .blobs import RunBlobs
from .catalog import write_row
from .claims import Claim
from .entries import Header
from .inbox import ObjectInbox
from .journal import ObjectJournal
from .place import ObjectPlace
from .printed import Printed
from .reading import Log, read_top
from .results import ObjectResults

WINDOW = 0.05
"""Seconds at least between the beginnings of two commits: each is a request, and costs."""
STATUS_PAUSE = 2.0
"""Seconds at least between two writes of the row in the listing, but for the last."""


class ObjectRun:
    """One run, owned until ``close`` or until Fenced is raised."""

    window = WINDOW

    def __init__(self, place: ObjectPlace, journal: ObjectJournal, log: Log, claim: Claim) -> None:
        header = journal.header
        self.workflow_id = place.workflow_id
        self.epoch = header.number
        self.life = header.life
        self.records: Sequence[Json] = log.records
        self._place = place
        self._journal = journal
        self._claim = claim
        self._blobs = blobs_of(place, header.life, header.number)
        self.inbox = ObjectInbox(place._replace(signer=header.signer), header)
        self.printed = Printed(place.bucket, f"{place.life(header.life)}printed/", header.number, journal.is_ours)
        self._results = ObjectResults(place.bucket, header.signer)
        self._status: Json | None = None
        self._status_lock = threading.Lock()
        self._next_status = 0.0

    @property
    def used(self) -> bool:
        """True when something was ever committed to the run."""
        return self._journal.used

    def append(self, records: Sequence[str]) -> None:
        """Commit encoded JSON records as one unit; they are durable when this returns."""
        self._journal.append(records)

    def put_blob(self, head: Json, buffers: Sequence[Any]) -> tuple[str, int]:
        """Store one value durably; return (sha256, size in bytes). Idempotent."""
        return self._blobs.put_blob(head, buffers)

    def get_blob(self, sha256: str) -> tuple[Json, list[bytearray]]:
        """Return the head and the writable buffers of a stored value."""
        return self._blobs.get_blob(sha256)

    def compact(self, records: Sequence[str], blobs: Collection[str], young: float = 0.0) -> None:
        """Replace all records by these in one piece, and remove the large values that are not among ``blobs``."""
        # Before the header of the compaction: later, values of who takes the run over may be among them.
        unneeded = self._blobs.unneeded(blobs, young)
        self._journal.compact(records)
        self._blobs.forget(unneeded, self._journal.header.number)

    def share_blobs(self, workflow_id: str, blobs: Collection[str]) -> None:
        """Make large values of another run those of this one too; the store copies them."""
        if blobs:
            self._blobs.share(current_blobs(self._place._replace(workflow_id=workflow_id)), blobs)

    def read_result(self, key: str) -> Json | None:
        """Return the result that some run kept under a key, None when there is none or it is not whole."""
        return self._results.read(key, self._blobs)

    def keep_result(self, key: str, entry: Json) -> None:
        """Keep a result of this run for all runs of the storage."""
        self._results.write(key, entry, self._blobs)

    def poll_inbox(self) -> list[InboxItem]:
        """Return the events that other processes left and that were not returned before, oldest first.

        What was sent is returned a second later, and five seconds when nothing has come for a while: so often the
        store is asked whether somebody rang. What a sender left that died before it rang comes within a minute.
        """
        self._write_status()
        self.printed.flush()
        return self.inbox.poll()

    def hurry(self) -> None:
        """Let the next ``poll_inbox`` ask the store, however short ago it has."""
        self.inbox.hurry()

    def inbox_folder(self) -> str:
        """Return '': a store does not tell."""
        return ""

    def ack_inbox(self, tokens: Sequence[str]) -> None:
        """Forget events whose receipt is committed."""
        if tokens:
            self.inbox.acknowledge(tokens)

    def write_status(self, status: Json) -> None:
        """Replace the row of this run in the listing, if it is still ours; soon, or when the run is closed."""
        with self._status_lock:
            self._status = status
        self._write_status()

    def write_log(self, entries: Sequence[tuple[str, str]]) -> bool:
        """Keep what tasks have printed, if the run is still ours; return False when it could not be kept."""
        return self._journal.healthy and self.printed.write(entries)

    def heartbeat(self) -> None:
        """Say that the owner is alive; raise Fenced when it is not the owner any more."""
        if self._journal.healthy:
            self._journal.check_fence()
            self._claim.beat()

    def close(self) -> None:
        """Give the run up. Idempotent."""
        if self._journal.healthy:
            self._next_status = 0.0
            self._write_status()
            self.printed.flush(at_once=True)
        self._journal.close()
        self._claim.release()

    def _write_status(self) -> None:
        now = self._place.bucket.now()
        with self._status_lock:
            if self._status is None or now < self._next_status:
                return
            status, self._status = self._status, None
            self._next_status = now + STATUS_PAUSE
            try:
                self._journal.check_fence()
                write_row(self._place, self.life, status)
            except Fenced:
                pass
            except StorageError:
                self._status = status


def blobs_of(place: ObjectPlace, life: int, epoch: int = 0) -> RunBlobs:
    """Return the large values of one life of a run; those that are stored belong to an epoch."""
    return RunBlobs(place.bucket, f"{place.life(life)}blobs/", f"run {place.workflow_id!r}", epoch)


def current_blobs(place: ObjectPlace) -> RunBlobs:
    """Return the large values of a run as it is now. Raises WorkflowNotFoundError."""
    own = read_top(place).own
    if not isinstance(own, Header):
        raise place.not_found()
    return blobs_of(place, own.life)
