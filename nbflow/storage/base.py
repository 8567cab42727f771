"""What a storage promises to the engine: the two protocols that every kind of storage keeps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunEntry:
    """One run as a listing shows it. ``status`` is a cache: the journal is the truth."""

    workflow_id: str
    status: Json = field(default_factory=dict)
    owner: Json | None = None
    live: bool = False
    changed: float = 0.0


@dataclass(frozen=True, slots=True)
class InboxItem:
    """One event that another process left: ``token`` acknowledges it, ``event`` is its JSON."""

    token: str
    event: Json


@dataclass(frozen=True, slots=True)
class Salvage:
    """What a salvage did: ``kept`` records go on; ``left`` are those behind the ``damage`` that could still be read.

    ``aside`` names the files that hold what was left; ``damage`` is empty when there was nothing to do.
    """

    workflow_id: str
    kept: int
    damage: str = ""
    aside: tuple[str, ...] = ()
    left: list[Json] = field(default_factory=list)


class Blobs(Protocol):
    """The immutable large values of one run, named by their content."""

    def put_blob(self, head: Json, buffers: Sequence[Any]) -> tuple[str, int]:
        """Store one value durably; return (sha256, size in bytes). Idempotent."""

    def get_blob(self, sha256: str) -> tuple[Json, list[bytearray]]:
        """Return the head and the writable buffers of a stored value."""


class RunJournal(Blobs, Protocol):
    """One run, open for writing: the holder is the owner until ``close`` or until Fenced is raised."""

    workflow_id: str
    epoch: int
    """Rises with every owner of the run."""
    records: Sequence[Json]
    """All records of the run that were committed before it was opened, to be read in order; they may be dropped."""

    def append(self, records: Sequence[str]) -> None:
        """Commit encoded JSON records as one unit; they are durable when this returns.

        Raises Fenced, StorageFull or StorageError; after any of them the handle is poisoned for ever: close it, open
        the run again and take the state from its ``records``, where the failed commit is found whole or not at all.
        Raises ValueError, with nothing written, when a record is not one line of ASCII.
        """

    def compact(self, records: Sequence[str], blobs: Collection[str], young: float = 0.0) -> None:
        """Replace all records by these in one piece, and remove the large values that are not among ``blobs``.

        One that was stored less than ``young`` seconds ago stays: the run goes on, and may be about to name it.

        Raises what ``append`` raises; after that, too, the handle is poisoned, and the run is as before or as wanted.
        """

    def share_blobs(self, workflow_id: str, blobs: Collection[str]) -> None:
        """Make large values of another run those of this one too, durably, and for as long as this run lives.

        They are not copied where the file system knows hard links. Raises StorageDamaged when one is not there.
        """

    def read_result(self, key: str) -> Json | None:
        """Return the result that some run kept under a key, None when there is none or it is not whole.

        Its large value is one of this run's when this returns, durably. No failure is raised.
        """

    def keep_result(self, key: str, entry: Json) -> None:
        """Keep a result of this run for all runs of the storage, in the place of what was kept under that key.

        ``entry`` has the stored ``value`` and the name of its ``task``. Never durable; no failure of it is raised.
        """

    def poll_inbox(self) -> list[InboxItem]:
        """Return the events that other processes left, oldest first. Cheap when there are none.

        Each is returned once to each owner; what was not acknowledged comes again to the next one.
        """

    def inbox_folder(self) -> str:
        """Return a folder of this computer in which a name appears when an event is left; '' when there is none.

        Then one has to ask ``poll_inbox`` now and then.
        """

    def ack_inbox(self, tokens: Sequence[str]) -> None:
        """Forget events whose receipt is committed. A power cut can bring one back: its id tells."""

    def write_status(self, status: Json) -> None:
        """Replace the listing cache of this run; never durable, never the truth, and no failure of it is raised."""

    def write_log(self, entries: Sequence[tuple[str, str]]) -> bool:
        """Keep (node id, whole lines) that tasks have printed; return False when they could not be kept.

        Never durable and bounded in size: of each task, and of a run that prints much, only the last lines stay. No
        failure of it is raised.
        """

    def heartbeat(self) -> None:
        """Say that the owner is alive, every 10 s. Raises Fenced when somebody else took the run."""

    def close(self) -> None:
        """Give the run up. Idempotent."""


class EventStream(Blobs, Protocol):
    """The keyed events of one namespace: any number of writers and readers, one order, offsets from 1 without gaps.

    A stored event has at least ``id`` and ``at``, its time in UTC seconds; with ``x`` its id is the sender's own, and
    counts once for as long as its event is kept. Safe to use from several threads; all of it may block.
    """

    namespace: str

    def append(self, events: Sequence[Json]) -> list[tuple[int, Json]]:
        """Store events durably, all or none, and return each with its offset, or the first event of its id.

        Raises StorageFull or StorageError: an event may then be stored or not, and its id tells when it is sent again.
        """

    def read(self, begin: int, limit: int = 1000) -> list[tuple[int, Json]]:
        """Return up to ``limit`` events from offset ``begin`` on; none only at the end. What is read is durable.

        Raises EventsPruned when that offset is not kept any more, StorageDamaged.
        """

    def bounds(self) -> tuple[int, int]:
        """Return the first offset that is there and the one that the next event will get."""

    def offset_at(self, at: float) -> int:
        """Return the offset of the first event whose time is ``at`` or later, or the end."""

    def prune(self, before: int) -> int:
        """Remove all events below an offset for good; return how many were there."""

    def wait(self, offset: int, timeout: float) -> bool:
        """Return True once the event of an offset is there, False after ``timeout`` seconds."""

    def watch(self, ring: Callable[[int], None]) -> Callable[[], None]:
        """Call ``ring`` with the new end whenever the stream has grown, in some thread; return what ends that."""


class Storage(Protocol):
    """A place where runs are kept."""

    url: str
    """How a person names this storage."""

    def check_writable(self) -> None:
        """Raise StorageReadOnly or StorageError with the remedy, before a run begins."""

    def create_run(self, workflow_id: str) -> RunJournal:
        """Make and own a new run, which exists from its first commit on.

        Raises FileExistsError when it exists, RunIsLive, ValueError for an id that is empty or too long.
        """

    def open_run(self, workflow_id: str, *, takeover: bool = False) -> RunJournal:
        """Own an existing run. Raises WorkflowNotFoundError, RunIsLive (unless takeover), StorageDamaged, Fenced."""

    def read_run(self, workflow_id: str, pause: Callable[[], None] | None = None) -> Sequence[Json]:
        """Return the committed records without owning the run, to be read in order.

        Those of a long run are decoded as they are read, each time. Where reading takes long ``pause`` is called now
        and then, by which a thread in the background lets others go on. Raises WorkflowNotFoundError, StorageDamaged.
        """

    def read_log(self, workflow_id: str, node_id: str) -> str:
        """Return the last lines that a task has printed, '' when there are none. Raises WorkflowNotFoundError."""

    def blobs(self, workflow_id: str) -> Blobs:
        """Return read access to the values of a run that somebody else may own."""

    def exists(self, workflow_id: str) -> bool:
        """Tell whether the run has ever been committed."""

    def list_runs(self) -> list[RunEntry]:
        """Return every run, by last change, newest first. Light on 10 000 runs."""

    def entry(self, workflow_id: str) -> RunEntry | None:
        """Return one run as ``list_runs`` would, or None."""

    def delete_run(self, workflow_id: str) -> None:
        """Remove a run for good. Raises WorkflowNotFoundError, WorkflowStillActiveError."""

    def send(self, workflow_id: str, event: Json) -> bool:
        """Leave an event for the owner, durably; return False when the same id is already there.

        ``event`` has at least ``id`` and ``key``. Raises WorkflowNotFoundError, StorageError.
        """

    def forget_results(self, task: str = "") -> int:
        """Remove the results that runs kept for each other, all or those of one task's name; return how many."""

    def salvage_run(self, workflow_id: str) -> Salvage:
        """Make a damaged run usable again from the records before the damage; keep all files.

        Raises WorkflowNotFoundError, RunIsLive, and StorageDamaged when nothing can be read.
        """

    def sign_run(self, workflow_id: str) -> int:
        """Sign a run as it stands, because its place is trusted; return how many records, 0 when it is signed.

        Raises WorkflowNotFoundError, RunIsLive, StorageDamaged, SignatureError for another's key.
        """

    def stream(self, namespace: str) -> EventStream:
        """Return the events of a namespace, which exists from its first event on; always the same object.

        Raises ValueError for a name that is empty, too long, or ``*``.
        """

    def namespaces(self) -> list[str]:
        """Return the namespaces that have events, sorted."""
