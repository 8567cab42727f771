"""Runs in memory, for tests and trials: the same promises as a folder, and gone with the process."""

from __future__ import annotations

import hashlib
import itertools
import json
import threading
import time
import weakref
from collections.abc import Callable, Collection, Sequence
from typing import Any

from nbflow.core.tail import tail_of
from nbflow.errors import (
    Fenced,
    InboxFull,
    RunIsLive,
    StorageDamaged,
    StorageError,
    WorkflowNotFoundError,
    WorkflowStillActiveError,
)

from .base import Blobs, EventStream, InboxItem, Json, RunEntry, RunJournal, Salvage
from .blob_content import blob_pieces
from .frames import encode_frame
from .inbox import MAX_PENDING
from .memory_stream import MemoryStream
from .names import check_namespace, check_workflow_id


class _Stored:
    """What is kept of one run."""

    def __init__(self, workflow_id: str) -> None:
        self.workflow_id = workflow_id
        self.records: list[str] = []
        self.blobs: dict[str, tuple[str, list[bytes]]] = {}
        self.inbox: dict[str, str] = {}
        self.logs: dict[str, str] = {}
        self.status = "{}"
        self.changed = time.time()
        self._owner: weakref.ref[MemoryRun] | None = None

    @property
    def owner(self) -> MemoryRun | None:
        """The owner; a run that was dropped without ``close`` has none."""
        return self._owner() if self._owner is not None else None

    @owner.setter
    def owner(self, run: MemoryRun | None) -> None:
        self._owner = weakref.ref(run) if run is not None else None

    def put_blob(self, head: Json, buffers: Sequence[Any]) -> tuple[str, int]:
        """Store one value; return (sha256, size in bytes). Idempotent."""
        digest, size = hashlib.sha256(), 0
        for piece in blob_pieces(head, buffers):
            digest.update(piece)
            size += piece.nbytes
        self.blobs[digest.hexdigest()] = (json.dumps(head), [bytes(memoryview(buffer)) for buffer in buffers])
        return digest.hexdigest(), size

    def get_blob(self, sha256: str) -> tuple[Json, list[bytearray]]:
        """Return the head and the writable buffers of a stored value."""
        if sha256 not in self.blobs:
            raise StorageDamaged(f"A value of run {self.workflow_id!r} is missing: blob {sha256}.")
        head, buffers = self.blobs[sha256]
        return json.loads(head), [bytearray(buffer) for buffer in buffers]


class MemoryRun:
    """One run in memory, open for writing. The promises are those of ``RunJournal``."""

    def __init__(self, storage: MemoryStorage, stored: _Stored, epoch: int) -> None:
        self.workflow_id = stored.workflow_id
        self.epoch = epoch
        self.records: Sequence[Json] = [json.loads(record) for record in stored.records]
        self._storage = storage
        self._stored = stored
        self._delivered: set[str] = set()
        self._failure: StorageError | None = None
        self.put_blob = stored.put_blob
        self.get_blob = stored.get_blob

    def append(self, records: Sequence[str]) -> None:
        """Commit encoded JSON records as one unit."""
        encode_frame(0, records, 0)  # raises ValueError for what a folder would refuse
        with self._storage.lock:
            self._check()
            self._stored.records.extend(records)

    def compact(self, records: Sequence[str], blobs: Collection[str], young: float = 0.0) -> None:
        """Replace all records by these, and remove the large values that are not among ``blobs``.

        With ``young`` none is removed: nobody knows here when it was stored.
        """
        encode_frame(0, records, 0)
        with self._storage.lock:
            self._check()
            self._stored.records = list(records)
            if not young:
                self._stored.blobs = {name: blob for name, blob in self._stored.blobs.items() if name in blobs}

    def share_blobs(self, workflow_id: str, blobs: Collection[str]) -> None:
        """Make large values of another run those of this one too."""
        with self._storage.lock:
            source = self._storage._existing(workflow_id).blobs
            for sha256 in blobs:
                if sha256 not in source:
                    raise StorageDamaged(f"A value to be shared is missing: blob {sha256} of run {workflow_id!r}.")
                self._stored.blobs[sha256] = source[sha256]

    def read_result(self, key: str) -> Json | None:
        """Return the result that some run kept under a key, None when there is none."""
        with self._storage.lock:
            found = self._storage.results.get(key)
            if found is None:
                return None
            self._stored.blobs.update(found[1])
            entry: Json = json.loads(found[0])
            return entry

    def keep_result(self, key: str, entry: Json) -> None:
        """Keep a result of this run for all runs of the storage."""
        with self._storage.lock:
            blob = entry["value"].get("blob")
            self._storage.results[key] = (json.dumps(entry), {blob: self._stored.blobs[blob]} if blob else {})

    def poll_inbox(self) -> list[InboxItem]:
        """Return the events that were not returned before, oldest first."""
        if not self._stored.inbox:
            return []
        with self._storage.lock:
            new = [token for token in self._stored.inbox if token not in self._delivered]
            self._delivered.update(new)
            return [InboxItem(token, json.loads(self._stored.inbox[token])) for token in new]

    def inbox_folder(self) -> str:
        """Return '': memory has no folder."""
        return ""

    def ack_inbox(self, tokens: Sequence[str]) -> None:
        """Forget events whose receipt is committed."""
        with self._storage.lock:
            for token in tokens:
                self._stored.inbox.pop(token, None)
                self._delivered.discard(token)

    def write_status(self, status: Json) -> None:
        """Replace the listing cache of this run, if it is still ours."""
        with self._storage.lock:
            if self._stored.owner is self:
                self._stored.status = json.dumps(status)
                self._stored.changed = time.time()

    def write_log(self, entries: Sequence[tuple[str, str]]) -> bool:
        """Keep what tasks have printed, if the run is still ours; return False when it is not."""
        with self._storage.lock:
            logs = self._stored.logs
            if self._stored.owner is self:
                for node_id, text in entries:
                    logs[node_id] = tail_of(logs.get(node_id, "") + text)
            return self._stored.owner is self

    def heartbeat(self) -> None:
        """Say that the owner is alive; raise Fenced when it is not the owner any more."""
        with self._storage.lock:
            self._check()

    def close(self) -> None:
        """Give the run up. Idempotent."""
        with self._storage.lock:
            if self._stored.owner is self:
                self._stored.owner = None
            self._failure = self._failure or StorageError(
                f"The journal of run {self.workflow_id!r} is closed: open the run again to go on."
            )

    def fence(self, why: str) -> None:
        """Refuse all further commits: the run has another owner or none."""
        self._failure = Fenced(f"{why} run {self.workflow_id!r}; this one stops writing to it.")

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure


class MemoryStorage:
    """A storage that lives as long as the process. Safe to use from several threads.

    >>> import nbflow as nf
    >>> from nbflow.testing import MemoryStorage
    >>> nf.shutdown()
    >>> nf.init(storage=MemoryStorage())
    >>> nf.run(nf.put(7), workflow_id="seven")
    7
    """

    _numbers = itertools.count(1)

    def __init__(self) -> None:
        self.url = f"memory:{next(self._numbers)}"
        self.lock = threading.RLock()
        self._runs: dict[str, _Stored] = {}
        self._epochs = itertools.count(1)
        self._streams: dict[str, MemoryStream] = {}
        self.results: dict[str, tuple[str, dict[str, tuple[str, list[bytes]]]]] = {}

    def __repr__(self) -> str:
        return f"<storage {self.url!r}>"

    def check_writable(self) -> None:
        """Do nothing: memory can always be written."""

    def create_run(self, workflow_id: str) -> RunJournal:
        """Make and own a new run. Raises FileExistsError when it exists."""
        check_workflow_id(workflow_id)
        with self.lock:
            stored = self._runs.setdefault(workflow_id, _Stored(workflow_id))
            if stored.records:
                raise FileExistsError(f"Run {workflow_id!r} exists already.")
            return self._own(stored, takeover=False)

    def open_run(self, workflow_id: str, *, takeover: bool = False) -> RunJournal:
        """Own an existing run. Raises WorkflowNotFoundError, RunIsLive (unless takeover)."""
        with self.lock:
            return self._own(self._existing(workflow_id), takeover=takeover)

    def read_run(self, workflow_id: str, pause: Callable[[], None] | None = None) -> Sequence[Json]:
        """Return the committed records without owning the run. Raises WorkflowNotFoundError."""
        with self.lock:
            return [json.loads(record) for record in self._existing(workflow_id).records]

    def read_log(self, workflow_id: str, node_id: str) -> str:
        """Return the last lines that a task has printed. Raises WorkflowNotFoundError."""
        return self._existing(workflow_id).logs.get(node_id, "")

    def blobs(self, workflow_id: str) -> Blobs:
        """Return read access to the values of a run that somebody else may own."""
        return self._existing(workflow_id)

    def exists(self, workflow_id: str) -> bool:
        """Tell whether the run has ever been committed."""
        check_workflow_id(workflow_id)
        return workflow_id in self._runs and bool(self._runs[workflow_id].records)

    def list_runs(self) -> list[RunEntry]:
        """Return every run, by last change, newest first."""
        with self.lock:
            entries = [_entry(stored) for stored in self._runs.values() if stored.records]
        return sorted(entries, key=lambda entry: entry.changed, reverse=True)

    def entry(self, workflow_id: str) -> RunEntry | None:
        """Return one run as ``list_runs`` would, or None."""
        return _entry(self._runs[workflow_id]) if self.exists(workflow_id) else None

    def delete_run(self, workflow_id: str) -> None:
        """Remove a run for good. Raises WorkflowNotFoundError, WorkflowStillActiveError."""
        with self.lock:
            if self._existing(workflow_id).owner is not None:
                raise WorkflowStillActiveError(workflow_id, f"Run {workflow_id!r} is live: cancel it first.")
            del self._runs[workflow_id]

    def send(self, workflow_id: str, event: Json) -> bool:
        """Leave an event for the owner; return False when the same id is already there."""
        with self.lock:
            inbox = self._existing(workflow_id).inbox
            token = json.dumps([event["key"], event["id"]])
            if token in inbox:
                return False
            if len(inbox) >= MAX_PENDING:
                raise InboxFull(f"{MAX_PENDING} events wait for run {workflow_id!r} already: resume the run first.")
            inbox[token] = json.dumps(event, allow_nan=False)
            return True

    def forget_results(self, task: str = "") -> int:
        """Remove the results that runs kept for each other; return how many."""
        with self.lock:
            gone = [key for key, (entry, _) in self.results.items() if task in ("", json.loads(entry)["task"])]
            for key in gone:
                del self.results[key]
            return len(gone)

    def salvage_run(self, workflow_id: str) -> Salvage:
        """Do nothing: memory is never damaged."""
        return Salvage(workflow_id, kept=len(self._existing(workflow_id).records))

    def sign_run(self, workflow_id: str) -> int:
        """Do nothing: nobody else writes to this memory."""
        self._existing(workflow_id)
        return 0

    def stream(self, namespace: str) -> EventStream:
        """Return the events of a namespace; always the same object."""
        check_namespace(namespace)
        with self.lock:
            if namespace not in self._streams:
                self._streams[namespace] = MemoryStream(namespace, _Stored(f"events of {namespace}"))
            return self._streams[namespace]

    def namespaces(self) -> list[str]:
        """Return the namespaces that have events, sorted."""
        with self.lock:
            return sorted(name for name, stream in self._streams.items() if stream.bounds()[1] > 1)

    def _own(self, stored: _Stored, *, takeover: bool) -> MemoryRun:
        if stored.owner is not None:
            if not takeover:
                raise RunIsLive(
                    stored.workflow_id,
                    f"Run {stored.workflow_id!r} is live in this kernel already. Use it there, or take it over with "
                    "takeover=True: the other one then stops at its next checkpoint.",
                    {"epoch": stored.owner.epoch},
                )
            stored.owner.fence("Another owner has taken over")
        run = stored.owner = MemoryRun(self, stored, next(self._epochs))
        return run

    def _existing(self, workflow_id: str) -> _Stored:
        if not self.exists(workflow_id):
            raise WorkflowNotFoundError(
                workflow_id, f"There is no run {workflow_id!r} in {self.url}: list_runs() shows those that are there."
            )
        return self._runs[workflow_id]


def _entry(stored: _Stored) -> RunEntry:
    owner = {"epoch": stored.owner.epoch} if stored.owner is not None else None
    return RunEntry(stored.workflow_id, json.loads(stored.status), owner, owner is not None, stored.changed)
