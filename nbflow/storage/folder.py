"""Runs in a folder of a local or network file system: safe against dead kernels, power cuts and full disks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from os import PathLike, fspath, getpid, path
from typing import Any

from nbflow.errors import Fenced, WorkflowNotFoundError, WorkflowStillActiveError

from .base import Blobs, EventStream, InboxItem, Json, RunEntry, RunJournal, Salvage
from .blobs import FolderBlobs
from .catalog import Catalog, write_status
from .chain import Chain, peek, read_chain, refuse_damage
from .compaction import compacted, empty_older
from .failures import storage_errors
from .inbox import Inbox, send_event
from .journal import Journal, open_journal
from .log import RunLog, read_log
from .names import check_namespace, folder_name
from .os_calls import OS, LazyOS, make_folder
from .ownership import Ownership, live_owner
from .place import RunPlace
from .results import ResultCache
from .root import Root, remove_tree
from .salvage import salvage
from .shared import SharedBlobs, mark_of
from .sign_run import sign_run
from .signing import find_signer
from .stream_files import namespace_in
from .streams import FolderStream

THOROUGH = 10
"""Of so many heartbeats one looks at the journal too: who takes a run over may die before its claim is there."""


class FolderRun:
    """One run of a folder, open for writing. The promises are those of ``RunJournal``."""

    def __init__(self, place: RunPlace, journal: Journal, chain: Chain, ownership: Ownership) -> None:
        self.workflow_id = place.workflow_id
        self.epoch = journal.number
        self.records: Sequence[Json] = chain.records
        self._place = place
        self._journal = journal
        self._ownership = ownership
        self._blobs = FolderBlobs(place, packed=True)
        self._inbox = Inbox(place, journal.run)
        self._log = RunLog(place)
        self._results = ResultCache(place.calls, place.parents[1], place.signer)
        self._status_lock = threading.Lock()
        self._mark = ""
        self._beats = 0
        self._blobs.sweep()

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
        with storage_errors(f"run {self.workflow_id!r}"), self._status_lock:
            before = self._journal
            before.check_fence()
            self._journal = compacted(self._place, before, records)
            before.close()
            empty_older(self._place, self._journal)
            self._blobs.keep_only(blobs, self._journal.check_fence, young)

    def share_blobs(self, workflow_id: str, blobs: Collection[str]) -> None:
        """Make large values of another run those of this one too, durably, and for as long as this run lives."""
        source = f"{self._place.parents[0]}/{folder_name(workflow_id)}"
        self._blobs.share(self._place._replace(folder=source, workflow_id=workflow_id), blobs)

    def shared_blobs(self) -> SharedBlobs | None:
        """Return the values of this run for other processes; None when the disk is not the real one."""
        calls, root = self._place.calls, self._place.parents[1]
        if type(calls) not in (OS, LazyOS):
            return None
        self._blobs.pack_no_more()
        return SharedBlobs(
            root, self._place.folder, self.workflow_id, self._mark or self._find_mark(), type(calls) is OS,
            copy=self._place.signer is not None,
        )  # fmt: skip

    def _find_mark(self) -> str:
        self._mark = mark_of(self._place.parents[1])
        return self._mark

    def read_result(self, key: str) -> Json | None:
        """Return the result that some run kept under a key, None when there is none or it is not whole."""
        return self._results.read(key, self._blobs)

    def keep_result(self, key: str, entry: Json) -> None:
        """Keep a result of this run for all runs of the storage."""
        self._results.write(key, entry, self._place)

    def poll_inbox(self) -> list[InboxItem]:
        """Return the events that other processes left and that were not returned before, oldest first."""
        with storage_errors(f"the inbox of run {self.workflow_id!r}"):
            return self._inbox.poll()

    def inbox_folder(self) -> str:
        """Return the folder in which a name appears when an event is left; it is made if need be."""
        with storage_errors(f"the inbox of run {self.workflow_id!r}"):
            return self._inbox.open()

    def ack_inbox(self, tokens: Sequence[str]) -> None:
        """Forget events whose receipt is committed."""
        with storage_errors(f"the inbox of run {self.workflow_id!r}"):
            self._inbox.acknowledge(tokens)

    def write_status(self, status: Json) -> None:
        """Replace the listing cache of this run, if it is still ours."""
        with self._status_lock:
            if self._still_owned():
                write_status(self._place, self.epoch, self._journal.seq, status)

    def write_log(self, entries: Sequence[tuple[str, str]]) -> bool:
        """Keep what tasks have printed, if the run is still ours; return False when it could not be kept."""
        return self._still_owned() and self._log.write(entries)

    def heartbeat(self) -> None:
        """Say that the owner is alive; raise Fenced when it is not the owner any more."""
        journal = self._journal
        if not journal.healthy:
            return
        self._beats += 1
        self._blobs.rest()
        with storage_errors(f"run {self.workflow_id!r}"):
            if self._ownership.beat() and self._beats % THOROUGH:
                return  # who takes a run over puts its own claim there, once it has made its segment
            try:
                journal.check_fence()
            except Fenced as error:
                journal.poison(error)
                raise
            self._ownership.renew()

    def close(self) -> None:
        """Give the run up. Idempotent."""
        self._log.close()
        self._blobs.pack_no_more()
        self._journal.close()
        self._ownership.release()

    def _still_owned(self) -> bool:
        try:
            self._journal.check_fence()
        except (Fenced, OSError):
            return False
        return self._journal.healthy


class FolderStorage:
    """A storage in a folder. Making one touches nothing; the folder is made by the first run.

    ``durability`` is ``"group"`` (a commit is on the disk before it counts) or ``"lazy"`` (nobody waits for the disk:
    safe against a dead kernel, not against a power cut). ``sign=True`` signs all that is written with the key of this
    user, and loads nothing else (None: what ``NBFLOW_SIGN`` says). ``os`` stands in for the operating system in tests.
    """

    def __init__(
        self, root: str | PathLike[str], *, durability: str = "group", sign: bool | None = None, os: OS | None = None
    ) -> None:
        if durability not in ("group", "lazy"):
            raise ValueError(f"durability={durability!r}: choose 'group' or 'lazy' (or storage='memory://').")
        top = path.abspath(path.expanduser(fspath(root)))
        self.url = top
        self.durability = durability
        self._signer = find_signer(sign, default=False)
        self._calls = os or (LazyOS() if durability == "lazy" else OS())
        self._root = Root(self._calls, top, self.signed)
        self._catalog = Catalog(self._calls, top)
        self._parents = (f"{top}/runs", top, path.dirname(top))
        self._streams: dict[tuple[int, str], FolderStream] = {}

    def __repr__(self) -> str:
        return f"<storage {self.url!r}{' signed' if self.signed else ''}>"

    @property
    def signed(self) -> bool:
        """True when all that is written is signed, and nothing else is loaded."""
        return self._signer is not None

    def check_writable(self) -> None:
        """Raise StorageReadOnly or StorageError with the remedy, before a run begins."""
        self._root.check_writable()

    def create_run(self, workflow_id: str) -> RunJournal:
        """Make and own a new run. Raises FileExistsError when it exists, RunIsLive, StorageError."""
        place = self._place(workflow_id)
        self._root.make_ready()
        with storage_errors(f"run {workflow_id!r}"):
            make_folder(self._calls, place.folder)
            if peek(self._calls, place.folder)[1]:
                raise FileExistsError(f"Run {workflow_id!r} exists already.")
            run = _open(place)
        if run.records:
            run.close()
            raise FileExistsError(f"Run {workflow_id!r} exists already.")
        return run

    def open_run(self, workflow_id: str, *, takeover: bool = False) -> RunJournal:
        """Own an existing run. Raises WorkflowNotFoundError, RunIsLive (unless takeover), StorageDamaged, Fenced."""
        place = self._existing(workflow_id)
        self._root.make_ready()
        with storage_errors(f"run {workflow_id!r}"):
            try:
                return _open(place, takeover=takeover)
            except FileNotFoundError:
                raise self._not_found(workflow_id) from None

    def read_run(self, workflow_id: str, pause: Callable[[], None] | None = None) -> Sequence[Json]:
        """Return the committed records without owning the run. Raises WorkflowNotFoundError, StorageDamaged."""
        place = self._existing(workflow_id)
        with storage_errors(f"run {workflow_id!r}"):
            chain = read_chain(self._calls, place.folder, place.seals, pause)
            if (chain.damage or not chain.newest) and not self._calls.exists(place.folder):
                raise self._not_found(workflow_id)  # deleted while it was read
            return refuse_damage(chain, workflow_id).records

    def read_log(self, workflow_id: str, node_id: str) -> str:
        """Return the last lines that a task has printed. Raises WorkflowNotFoundError."""
        return read_log(self._existing(workflow_id), node_id)

    def blobs(self, workflow_id: str) -> Blobs:
        """Return read access to the values of a run that somebody else may own."""
        return FolderBlobs(self._existing(workflow_id))

    def exists(self, workflow_id: str) -> bool:
        """Tell whether the run has ever been committed."""
        place = self._place(workflow_id)
        with storage_errors(f"run {workflow_id!r}"):
            return self._root.check_readable() and peek(self._calls, place.folder)[1]

    def list_runs(self) -> list[RunEntry]:
        """Return every run, by last change, newest first."""
        with storage_errors(f"The storage {self.url!r}"):
            return self._catalog.list_runs() if self._root.check_readable() else []

    def entry(self, workflow_id: str) -> RunEntry | None:
        """Return one run as ``list_runs`` would, or None."""
        name = folder_name(workflow_id)
        return self._catalog.entry(name) if self._root.check_readable() else None

    def delete_run(self, workflow_id: str) -> None:
        """Remove a run for good. Raises WorkflowNotFoundError, WorkflowStillActiveError."""
        place = self._existing(workflow_id)
        self._root.make_ready()
        owner = live_owner(self._calls, place.folder)
        if owner is not None:
            raise WorkflowStillActiveError(
                workflow_id,
                f"Run {workflow_id!r} is live in process {owner.get('pid')} on {owner.get('host')!r}: cancel it first.",
            )
        trash = f"{self.url}/trash"
        grave = f"{trash}/{folder_name(workflow_id)}.{self._calls.random_hex(8)}"
        with storage_errors(f"run {workflow_id!r}"):
            try:
                # In one piece, so that no owner and no crash ever sees half a run.
                self._calls.rename(place.folder, grave)
            except FileNotFoundError:
                raise self._not_found(workflow_id) from None
            self._calls.fsync_dir(f"{self.url}/runs")
            self._calls.fsync_dir(trash)
        remove_tree(self._calls, grave)

    def send(self, workflow_id: str, event: Json) -> bool:
        """Leave an event for the owner, durably; return False when the same id is already there."""
        return send_event(self._existing(workflow_id), event)

    def forget_results(self, task: str = "") -> int:
        """Remove the results that runs kept for each other, all or those of one task's name; return how many."""
        return ResultCache(self._calls, self.url).clear(task)

    def salvage_run(self, workflow_id: str) -> Salvage:
        """Make a damaged run usable again from the records before the damage; keep all files."""
        place = self._existing(workflow_id)
        self._root.make_ready()
        with storage_errors(f"run {workflow_id!r}"):
            return salvage(place)

    def sign_run(self, workflow_id: str) -> int:
        """Sign a run as it stands, because its folder is trusted; return how many records, 0 when it is signed.

        Raises WorkflowNotFoundError, RunIsLive, StorageDamaged, SignatureError.
        """
        signer = self._signer or find_signer(True, default=True)
        assert signer is not None
        place = self._existing(workflow_id)
        self._root.make_ready()
        return sign_run(place, signer)

    def stream(self, namespace: str) -> EventStream:
        """Return the events of a namespace; always the same object, but another one in a fork."""
        check_namespace(namespace)
        # By process: a lock that another thread held at a fork is held in the child for ever.
        key = (getpid(), namespace)
        if key not in self._streams:
            events = f"{self.url}/events"
            place = RunPlace(
                self._calls,
                f"{events}/{folder_name(namespace)}",
                f"events of {namespace}",
                (events, *self._parents[1:]),
                self._signer,
            )
            self._streams.setdefault(key, FolderStream(self._root, place, namespace))
        return self._streams[key]

    def namespaces(self) -> list[str]:
        """Return the namespaces that have events, sorted."""
        events = f"{self.url}/events"
        with storage_errors(f"The storage {self.url!r}"):
            try:
                names = self._calls.listdir(events) if self._root.check_readable() else []
            except FileNotFoundError:
                return []
        found = (namespace_in(self._calls, f"{events}/{name}") for name in names)
        return sorted(namespace for namespace in found if namespace is not None)

    def _place(self, workflow_id: str) -> RunPlace:
        folder = f"{self._parents[0]}/{folder_name(workflow_id)}"
        return RunPlace(self._calls, folder, workflow_id, self._parents, self._signer)

    def _existing(self, workflow_id: str) -> RunPlace:
        if not self.exists(workflow_id):
            raise self._not_found(workflow_id)
        return self._place(workflow_id)

    def _not_found(self, workflow_id: str) -> WorkflowNotFoundError:
        return WorkflowNotFoundError(
            workflow_id, f"There is no run {workflow_id!r} in {self.url}: list_runs() shows those that are there."
        )


def _open(place: RunPlace, *, takeover: bool = False) -> FolderRun:
    ownership = Ownership(place)
    journal, chain = open_journal(place, ownership, takeover=takeover)
    return FolderRun(place._replace(signer=journal.signer), journal, chain, ownership)
