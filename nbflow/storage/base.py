"""What a storage promises to the engine: the two protocols that every kind of storage keeps."""

from __future__ import annotations

from collections.abc import Sequence
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
    records: list[Json]
    """All records of the run that were committed before it was opened; the engine may clear the list."""

    def append(self, records: Sequence[str]) -> None:
        """Commit encoded JSON records as one unit; they are durable when this returns.

        Raises Fenced, StorageFull or StorageError; after any of them the handle is poisoned for ever: close it, open
        the run again and take the state from its ``records``, where the failed commit is found whole or not at all.
        Raises ValueError, with nothing written, when a record is not one line of ASCII.
        """

    def poll_inbox(self) -> list[InboxItem]:
        """Return the events that other processes left, oldest first. Cheap when there are none.

        Each is returned once to each owner; what was not acknowledged comes again to the next one.
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

    def read_run(self, workflow_id: str) -> list[Json]:
        """Return the committed records without owning the run. Raises WorkflowNotFoundError, StorageDamaged."""

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

    def salvage_run(self, workflow_id: str) -> Salvage:
        """Make a damaged run usable again from the records before the damage; keep all files.

        Raises WorkflowNotFoundError, RunIsLive, and StorageDamaged when nothing can be read.
        """
