"""The events that other processes send to a run: one object an event, created once under a name made from its id.

Who has left one rings: an object of the run, written anew. To ask for that is a read, which costs a twelfth of a
listing, and a run may wait for weeks. A bell that was not rung, since its sender died just then, costs a minute.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from typing import Any

from nbflow.errors import EventRejected, SignatureError, StorageError

from .. import inbox as maildir
from ..base import InboxItem, Json
from ..frames import check_seal, with_mac
from .bucket import Bucket, Listed, create_once
from .entries import Header
from .place import ObjectPlace
from .reading import read_top

_log = logging.getLogger("nbflow")
EAGER, CALM = 1.0, 5.0
"""Seconds between two looks at the bell: after an event came, and when none has come for a while."""
GROWTH = 1.3
PATROL = 60.0
"""Seconds after which the events are listed though nobody rang."""


def inbox_of(place: ObjectPlace, life: int) -> str:
    """Return the prefix of the events of one life of a run."""
    return f"{place.life(life)}inbox/"


def send_event(place: ObjectPlace, event: Json) -> tuple[str, bool]:
    """Leave an event for the owner of a run; return where, and False when one with the same id is there already.

    Raises EventRejected when it is too large or too many wait, WorkflowNotFoundError, ValueError, TypeError.
    """
    top = read_top(place)
    if not isinstance(top.own, Header) or not top.used:
        raise place.not_found()
    inbox = inbox_of(place, top.own.life)
    content = json.dumps(
        {"sent": int(place.bucket.now() * 1e9), "by": place.bucket.random_hex(8), "event": event}, allow_nan=False
    ).encode("ascii")
    if len(content) > maildir.MAX_EVENT_BYTES:
        raise EventRejected(
            f"An event for run {place.workflow_id!r} has {len(content)} bytes and the limit is "
            f"{maildir.MAX_EVENT_BYTES}: put the content into a file and send its name."
        )
    identity = json.dumps([place.workflow_id, event["key"], event["id"]]).encode("ascii")
    name = f"{hashlib.sha256(identity).hexdigest()[:40]}.json"
    if len(place.bucket.find(inbox)) >= maildir.MAX_PENDING:
        raise EventRejected(
            f"{maildir.MAX_PENDING} events wait for run {place.workflow_id!r} already: nobody takes them. Resume the "
            "run first."
        )
    seal = place._replace(signer=top.own.signer).seals.event(top.own.run, name)
    stored = create_once(place.bucket, f"{inbox}{name}", with_mac(content[:-1], seal) + b"}")
    _ring(place.bucket, inbox)  # also for one that was there: who left it may not have come this far
    return inbox, stored


def _ring(bucket: Bucket, inbox: str) -> None:
    try:
        bucket.put(_bell_of(inbox), bucket.random_hex(8).encode("ascii"))
    except StorageError:
        pass  # the event is stored, and is found a little later


def _bell_of(inbox: str) -> str:
    return f"{inbox.removesuffix('inbox/')}bell"


class ObjectInbox:
    """The owner's end of an inbox. It looks every second or so, and less often while nothing comes.

    An event of another process is returned by a ``poll`` at most ``CALM`` seconds after it was sent, and that of one
    that died before it rang within ``PATROL`` seconds more.
    """

    def __init__(self, place: ObjectPlace, header: Header) -> None:
        self.prefix = inbox_of(place, header.life)
        self._place = place
        self._run = header.run
        self._delivered: set[str] = set()
        self._bell = _bell_of(self.prefix)
        self._heard: bytes | None = None
        self._pause = EAGER
        self._next = self._patrol = 0.0

    def hurry(self) -> None:
        """Look at the next opportunity: somebody here has just sent something, or waits for it."""
        self._next, self._patrol, self._pause = 0.0, 0.0, EAGER

    def poll(self) -> list[InboxItem]:
        """Return the events that were not returned before, oldest first; none when it is not time to look."""
        now = self._place.bucket.now()
        if _is_early(now, self._next, CALM):
            return []
        # Before the listing: who rings meanwhile is heard at the next look.
        rung = self._place.bucket.get(self._bell)
        found: list[InboxItem] = []
        if rung != self._heard or not _is_early(now, self._patrol, PATROL):
            found = self._take()
            self._heard, self._patrol = rung, now + PATROL
        self._pause = EAGER if found else min(self._pause * GROWTH, CALM)
        self._next = now + self._pause
        return found

    def acknowledge(self, tokens: Sequence[str]) -> None:
        """Forget events whose receipt is committed."""
        self._place.bucket.delete([*tokens])
        self._delivered.difference_update(tokens)

    def _take(self) -> list[InboxItem]:
        new = [each for each in self._place.bucket.find(self.prefix) if each.key not in self._delivered]
        fitting = [each for each in new if each.size <= maildir.LARGEST]
        found = self._place.bucket.get_many([each.key for each in fitting])
        read = [(*each_read, each.key) for each, raw in zip(fitting, found, strict=True)
                if raw is not None and (each_read := self._read(each, raw))]  # fmt: skip
        for each in new:
            if each.size > maildir.LARGEST:
                self._put_aside(each.key, "it is too large")
        read.sort(key=lambda one: (one[0], one[1], one[3]))
        self._delivered.update(key for *_, key in read)
        return [InboxItem(key, event) for _, _, event, key in read]

    def _read(self, each: Listed, raw: bytes) -> tuple[float, int, Any] | None:
        name = each.key[len(self.prefix) :]
        try:
            seal = self._place.seals.event(self._run, name)
            if seal is not None:
                check_seal(raw[:-1], seal)
            envelope = json.loads(raw)
            event = envelope["event"]
            if not isinstance(event, dict) or not isinstance(event.get("id"), str) or "key" not in event:
                raise ValueError("it has no id or no key")
            # One clock orders the senders: that of the store. What one of them sent goes by its own count.
            return each.changed, int(envelope["sent"]), event
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError, SignatureError) as error:
            self._put_aside(each.key, str(error))
            return None

    def _put_aside(self, key: str, why: str) -> None:
        bad = f"{self.prefix.removesuffix('inbox/')}bad/{key[len(self.prefix) :]}"
        self._place.bucket.copy(key, bad)
        self._place.bucket.delete([key])
        _log.warning(
            "run %r: an object in its inbox is no event and was put into bad/: %s (%s)",
            self._place.workflow_id, key, why, extra={"action": "inbox"},
        )  # fmt: skip


def _is_early(now: float, due: float, longest: float) -> bool:
    """Tell whether something is not due yet; it is when the clock was set back."""
    return due - longest <= now < due
