"""A storage in an object store: the promises of ``Storage``, by conditional creates alone."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Mapping
from os import getpid
from typing import Any

from nbflow.errors import StorageDamaged, StorageError

from ..base import Blobs, EventStream, Json, RunEntry, RunJournal, Salvage
from ..names import check_namespace, folder_name
from ..signing import find_signer
from .bucket import Bucket, create_once
from .catalog import ObjectCatalog, write_row
from .claims import Claim
from .entries import Header
from .inbox import send_event
from .journal import open_journal
from .place import ObjectPlace
from .printed import read_printed
from .reading import read_log, read_top, refuse_damage
from .removal import delete_run, empty_trash
from .results import ObjectResults
from .run import ObjectRun, current_blobs
from .salvage import salvage
from .sign_run import sign_run
from .streams import ObjectStream, namespaces

FORMAT, VERSION = "nbflow-objects", 1
MARK = "nbflow.json"


def open_objects(url: str, *, sign: bool | None = None, options: Mapping[str, Any] | None = None) -> ObjectStorage:
    """Return the storage at a URL. Raises ModuleNotFoundError without obstore, ValueError for a bad URL or option.

    >>> storage = open_objects("memory:///", sign=False)
    >>> run = storage.create_run("churn")
    >>> run.append(['{"t":"one"}'])
    >>> storage.read_run("churn")
    [{'t': 'one'}]
    """
    from .obstore_bucket import ObstoreBucket

    return ObjectStorage(ObstoreBucket(url, options), sign=sign, options=options)


class ObjectStorage:
    """A storage below one prefix of an object store. Making one asks the store nothing.

    All that is written is signed with the key of this user, unless ``sign=False`` or ``NBFLOW_SIGN=0``: whoever can
    write to a bucket could else bring code into the kernel that opens a run. Use ``open_objects`` to make one by URL.
    """

    durability = "group"
    writers = 8
    """Runs whose commits may be on their way at once."""

    def __init__(self, bucket: Bucket, *, sign: bool | None = None, options: Mapping[str, Any] | None = None) -> None:
        self.bucket = bucket
        self.url = bucket.url
        self.options = dict(options) if options else None
        """What a process of a task needs to come here too."""
        self._signer = find_signer(sign, default=True)
        self._catalog = ObjectCatalog(bucket)
        self._readable = self._writable = False
        self._open: weakref.WeakValueDictionary[str, ObjectRun] = weakref.WeakValueDictionary()
        self._streams: dict[tuple[int, str], ObjectStream] = {}

    @property
    def signed(self) -> bool:
        """True when all that is written is signed, and nothing else is loaded."""
        return self._signer is not None

    def check_writable(self) -> None:
        """Make the storage if need be and write to it; raise StorageReadOnly or StorageError with the remedy."""
        if not self._writable and not self.check_readable():
            self._make()
        probe = f"cache/probe-{self.bucket.random_hex(4)}"
        if not self._writable:
            self._probe(probe)
            empty_trash(self.bucket)
        else:
            self.bucket.put(probe, b"nbflow")
            self.bucket.delete([probe])
        self._writable = self._readable = True

    def check_readable(self) -> bool:
        """Return False when there is no storage yet; raise StorageError when it must not be used."""
        if not self._readable:
            raw = self.bucket.get(MARK)
            if raw is None:
                self.bucket.find("trash/")  # says when the bucket is not there: a missing object tells nothing
                return False
            self._check_mark(raw)
            self._readable = True
        return True

    def create_run(self, workflow_id: str) -> RunJournal:
        """Make and own a new run. Raises FileExistsError when it exists, RunIsLive, StorageError."""
        place = self._place(workflow_id)
        self._make_ready()
        top = read_top(place)
        life = top.own.life if isinstance(top.own, Header) else top.number + 1
        if not top.used:
            write_row(place, life, None)  # before the first commit: no run is missed by a listing
        run = self._own(place, new=True)
        if run.life != life:
            write_row(place, run.life, None)
        return run

    def open_run(self, workflow_id: str, *, takeover: bool = False) -> RunJournal:
        """Own an existing run. Raises WorkflowNotFoundError, RunIsLive (unless takeover), StorageDamaged, Fenced."""
        place = self._place(workflow_id)
        if not self.check_readable():
            raise place.not_found()
        self._make_ready()
        return self._own(place, takeover=takeover)

    def read_run(self, workflow_id: str, pause: Callable[[], None] | None = None) -> list[Json]:
        """Return the committed records without owning the run. Raises WorkflowNotFoundError, StorageDamaged."""
        place = self._place(workflow_id)
        top = read_top(place)
        if not top.used:
            raise place.not_found()
        log = refuse_damage(place, read_log(place, top))
        if log.header is None:
            raise place.not_found()  # deleted while it was read
        return log.records

    def read_log(self, workflow_id: str, node_id: str) -> str:
        """Return the last lines that a task has printed. Raises WorkflowNotFoundError."""
        mine = self._open.get(workflow_id)
        text = mine.printed.text(node_id) if mine is not None and mine.used else None
        if text is not None:
            return text
        place = self._place(workflow_id)
        own = self._header(place)
        return read_printed(self.bucket, f"{place.life(own.life)}printed/", node_id)

    def blobs(self, workflow_id: str) -> Blobs:
        """Return read access to the values of a run that somebody else may own."""
        place = self._place(workflow_id)
        self._header(place)
        return current_blobs(place)

    def exists(self, workflow_id: str) -> bool:
        """Tell whether the run has ever been committed."""
        place = self._place(workflow_id)
        return self.check_readable() and read_top(place).used

    def list_runs(self) -> list[RunEntry]:
        """Return every run, by last change, newest first."""
        return self._catalog.list_runs() if self.check_readable() else []

    def entry(self, workflow_id: str) -> RunEntry | None:
        """Return one run as ``list_runs`` would, or None."""
        return self._catalog.entry(self._place(workflow_id)) if self.check_readable() else None

    def delete_run(self, workflow_id: str) -> None:
        """Remove a run for good. Raises WorkflowNotFoundError, WorkflowStillActiveError."""
        delete_run(self._place(workflow_id))

    def send(self, workflow_id: str, event: Json) -> bool:
        """Leave an event for the owner, durably; return False when the same id is already there."""
        inbox, stored = send_event(self._place(workflow_id), event)
        mine = self._open.get(workflow_id)
        if mine is not None and mine.inbox.prefix == inbox:
            mine.hurry()
        return stored

    def salvage_run(self, workflow_id: str) -> Salvage:
        """Make a damaged run usable again from the records before the damage; keep copies of all objects behind it."""
        return salvage(self._place(workflow_id))

    def sign_run(self, workflow_id: str) -> int:
        """Sign a run as it stands; return how many records, 0 when it was signed. Raises WorkflowNotFoundError."""
        signer = self._signer or find_signer(True, default=True)
        assert signer is not None
        self._make_ready()
        return sign_run(self._place(workflow_id), signer)

    def forget_results(self, task: str = "") -> int:
        """Remove the results that runs kept for each other, all or those of one task's name; return how many."""
        return ObjectResults(self.bucket, self._signer).clear(task)

    def stream(self, namespace: str) -> EventStream:
        """Return the events of a namespace; always the same object, but another one in a fork."""
        check_namespace(namespace)
        key = (getpid(), namespace)
        if key not in self._streams:
            self._streams.setdefault(key, ObjectStream(self.bucket, self._make_ready, namespace, self._signer))
        return self._streams[key]

    def namespaces(self) -> list[str]:
        """Return the namespaces that have events, sorted."""
        return namespaces(self.bucket) if self.check_readable() else []

    def _own(self, place: ObjectPlace, *, takeover: bool = False, new: bool = False) -> ObjectRun:
        claim = Claim(place)
        journal, log = open_journal(place, claim, takeover=takeover, new=new)
        run = self._open[place.workflow_id] = ObjectRun(place, journal, log, claim)
        return run

    def _place(self, workflow_id: str) -> ObjectPlace:
        folder_name(workflow_id)  # refuses what is no id
        return ObjectPlace(self.bucket, workflow_id, self._signer)

    def _header(self, place: ObjectPlace) -> Header:
        top = read_top(place)
        if not top.used or not isinstance(top.own, Header):
            raise place.not_found()
        return top.own

    def _make_ready(self) -> None:
        if not self._writable:
            self.check_writable()

    def _make(self) -> None:
        mark = {"format": FORMAT, "version": VERSION, "min_reader": 1, "min_writer": 1}
        mark |= {"uuid": self.bucket.random_hex(16)}
        if not create_once(self.bucket, MARK, json.dumps(mark).encode("ascii")):
            self.check_readable()

    def _probe(self, probe: str) -> None:
        """Refuse a store that does not know conditional creates: two owners could both believe that a run is theirs."""
        try:
            create_once(self.bucket, probe, b"nbflow")
            if self.bucket.create(probe, b"other"):
                raise StorageError(
                    f"{self.url} makes an object in the place of one that is there, though it was asked not to "
                    "(If-None-Match): two kernels could not be kept apart. Choose another object store, or a folder."
                )
        finally:
            self.bucket.delete([probe])

    def _check_mark(self, raw: bytes) -> None:
        try:
            mark = json.loads(raw)
        except ValueError:
            mark = None
        if not isinstance(mark, dict) or mark.get("format") != FORMAT:
            raise StorageDamaged(
                f"{self.url}/{MARK} is not that of a storage of objects: choose another prefix, or give a folder of "
                "nbflow by its path, without file://."
            )
        if max(mark.get("min_reader", 1), mark.get("min_writer", 1)) > VERSION:
            raise StorageError(
                f"The storage {self.url} was made by a newer nbflow (format {mark.get('version')}): install it with "
                "pip install -U nbflow, or choose another prefix."
            )
