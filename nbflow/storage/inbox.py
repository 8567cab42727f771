"""A maildir for the events that other processes send to a run: one file an event, stored once by its id.

Nothing that lies there can stop the owner: what is no event (too large, nested too deep, a link, a pipe) goes to
``bad/``. Of a signed run every event must be signed, for that run and by the same key: a payload can be a pickle.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
from collections.abc import Sequence
from typing import Any

from nbflow.errors import EventRejected, SignatureError, WorkflowNotFoundError

from .base import InboxItem
from .chain import newest_run
from .failures import storage_errors
from .frames import check_seal, with_mac
from .os_calls import discard, make_folder, put_in_place, write_file
from .place import RunPlace
from .signing import signer_for

_log = logging.getLogger("nbflow")

_TAKEN = frozenset({errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR})
MAX_EVENT_BYTES = 1 << 20
LARGEST = MAX_EVENT_BYTES + 1024
"""Bytes that the file of an event has at most, with its signature."""
MAX_PENDING = 1000


def send_event(place: RunPlace, event: dict[str, Any]) -> bool:
    """Leave an event for the owner of a run; return False when one with the same id is there already.

    Durable when it returns, either way. Raises StorageError when it is too large or too many wait,
    WorkflowNotFoundError when the run is deleted meanwhile.
    """
    inbox = f"{place.folder}/inbox"
    with storage_errors(f"the inbox of run {place.workflow_id!r}"):
        try:
            content, name = _envelope(place, event)
            return _store(place, inbox, name, content)
        except FileNotFoundError:
            raise WorkflowNotFoundError(
                place.workflow_id, f"Run {place.workflow_id!r} was deleted meanwhile."
            ) from None


class Inbox:
    """The owner's end of the inbox of a run."""

    def __init__(self, place: RunPlace, run: str) -> None:
        self._place = place
        self._run = run
        self._folder = f"{place.folder}/inbox"
        self._delivered: set[str] = set()

    def open(self) -> str:
        """Return the folder into which events come; it is there from now on, unless the run is deleted."""
        for folder in (self._folder, f"{self._folder}/new"):
            make_folder(self._place.calls, folder)
        return f"{self._folder}/new"

    def poll(self) -> list[InboxItem]:
        """Return the events that were not returned before, oldest first."""
        calls = self._place.calls
        try:
            names = calls.listdir(f"{self._folder}/new")
        except FileNotFoundError:
            return []
        found: list[tuple[int, int, str, Any]] = []
        for name in names:
            if name not in self._delivered and (read := self._read(name)) is not None:
                found.append(read)
        found.sort(key=lambda read: read[:3])
        self._delivered.update(read[2] for read in found)
        return [InboxItem(token, event) for _, _, token, event in found]

    def acknowledge(self, tokens: Sequence[str]) -> None:
        """Forget events whose receipt is committed; one that comes back after a power cut is seen as a repetition."""
        for token in tokens:
            self._delivered.discard(token)
            try:
                self._place.calls.unlink(f"{self._folder}/new/{token}")
            except FileNotFoundError:
                pass

    def _read(self, name: str) -> tuple[int, int, str, Any] | None:
        calls, path = self._place.calls, f"{self._folder}/new/{name}"
        try:
            content = calls.read_plain(path, LARGEST)
            # One clock orders the senders: that of the file system. What one of them sent goes by its own count.
            arrived = calls.stat(path).st_mtime_ns
            self._check_seal(name, content)
            envelope = json.loads(content)
            event = envelope["event"]
            if not isinstance(event, dict) or not isinstance(event.get("id"), str) or "key" not in event:
                raise ValueError(name)
            return arrived, int(envelope["sent"]), name, event
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError, SignatureError) as error:
            self._put_aside(name, error)
            return None

    def _put_aside(self, name: str, error: Exception) -> None:
        calls, path, bad = self._place.calls, f"{self._folder}/new/{name}", f"{self._folder}/bad"
        make_folder(calls, bad)
        try:
            calls.rename(path, f"{bad}/{name}")
        except FileNotFoundError:
            return
        except OSError as trouble:
            if trouble.errno not in _TAKEN:
                raise
            calls.rename(path, f"{bad}/{name}.{calls.random_hex(4)}")
        _log.warning(
            "run %r: a file in its inbox is no event and was put into bad/: %s (%s)",
            self._place.workflow_id, name, error, extra={"action": "inbox"},
        )  # fmt: skip

    def _check_seal(self, name: str, content: bytes) -> None:
        seal = self._place.seals.event(self._run, name)
        if seal is not None:
            check_seal(content[:-1], seal)


def _envelope(place: RunPlace, event: dict[str, Any]) -> tuple[bytes, str]:
    run, signed = newest_run(place.calls, place.folder)
    signer = signer_for(place.signer, signed, f"Run {place.workflow_id!r}", f"nbflow sign {place.workflow_id}")
    content = json.dumps({"sent": int(place.calls.now() * 1e9), "event": event}, allow_nan=False).encode("ascii")
    if len(content) > MAX_EVENT_BYTES:
        raise EventRejected(
            f"An event for run {place.workflow_id!r} has {len(content)} bytes and the limit is {MAX_EVENT_BYTES}: put "
            "the content into a file and send its name."
        )
    identity = json.dumps([place.workflow_id, event["key"], event["id"]]).encode("ascii")
    name = f"{hashlib.sha256(identity).hexdigest()[:40]}.json"
    return with_mac(content[:-1], place._replace(signer=signer).seals.event(run, name)) + b"}", name


def _store(place: RunPlace, inbox: str, name: str, content: bytes) -> bool:
    calls = place.calls
    for folder in (inbox, f"{inbox}/tmp", f"{inbox}/new"):
        make_folder(calls, folder)
    if len(calls.listdir(f"{inbox}/new")) >= MAX_PENDING:
        raise EventRejected(
            f"{MAX_PENDING} events wait for run {place.workflow_id!r} already: nobody takes them. Resume the run first."
        )
    temporary = f"{inbox}/tmp/{calls.random_hex(8)}"
    try:
        write_file(calls, temporary, content, sync=True)
        stored = put_in_place(calls, temporary, f"{inbox}/new/{name}")
    finally:
        discard(calls, temporary)
    # Also when another sender made the folders or the event: it may not have come this far.
    for folder in (f"{inbox}/new", inbox, place.folder):
        calls.fsync_dir(folder)
    return stored
