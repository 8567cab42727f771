"""Say who is at work on a run, so that a second kernel asks before it takes the run over. Politeness only.

A claim is an object that is there before its owner's header and goes when the owner gives the run up; written anew, it
is a heartbeat. On this machine the process is asked for, on another the last heartbeat, by the store's clock.
"""

from __future__ import annotations

import json
import threading
import weakref

from nbflow.errors import RunIsLive, StorageError

from .. import ownership
from ..base import Json
from ..foreign import parse
from .bucket import Bucket, Listed
from .entries import Header, Tombstone
from .place import ObjectPlace

PAUSE = 15.0
"""Seconds at least between two heartbeats: each is a write, and a run may wait for weeks."""


def claims_of(place: ObjectPlace) -> list[Listed]:
    """Return the claims on a run, those of owners that died too."""
    return place.bucket.find(place.live)


def live_owner(place: ObjectPlace, own: Header | Tombstone | None) -> Json | None:
    """Return the owner that a header names when it is at work."""
    if not isinstance(own, Header):
        return None
    key = _key(place, own.owner["claim"])
    claim = next((each for each in claims_of(place) if each.key == key), None)
    if claim is None or not is_live(place.bucket, own.owner, claim.changed):
        return None
    return {**own.owner, "epoch": own.number}


def is_live(bucket: Bucket, owner: Json, heartbeat: float) -> bool:
    """Tell whether an owner is at work: certain on this machine, by its heartbeat on another."""
    me = bucket.process()
    if owner["kernel_id"] == me.kernel_id:
        return owner["claim"] in ownership._held
    if owner["host"] == me.host and owner["boot_id"] == me.boot_id:
        return bucket.is_alive(owner["pid"], owner["pid_start"])
    return bucket.now() + bucket.clock_offset() - heartbeat < ownership.STALE_SECONDS


class Claim:
    """The claim of this process on one run."""

    def __init__(self, place: ObjectPlace) -> None:
        self._place = place
        self._name = place.bucket.random_hex(8)
        self._lock = threading.Lock()
        self.owner: Json = {}
        self._written = 0.0
        # A run that was dropped without ``close`` is not at work any more.
        weakref.finalize(self, ownership._held.discard, self._name)

    def refuse_if_live(self, own: Header | Tombstone | None) -> None:
        """Raise RunIsLive when somebody else is at work on the run."""
        owner = live_owner(self._place, own)
        if owner is None or owner["claim"] == self._name:
            return
        same = owner["kernel_id"] == self._place.bucket.process().kernel_id
        where = "this kernel already" if same else f"process {owner['pid']} on {owner['host']!r}"
        workflow_id = self._place.workflow_id
        raise RunIsLive(
            workflow_id,
            f"Run {workflow_id!r} is live in {where}. Use it there, or take it over with takeover=True: the other one "
            "then stops at its next checkpoint.",
            owner,
        )

    def stake(self, epoch: int) -> Json:
        """Write the claim; return what the header says of its owner."""
        bucket = self._place.bucket
        with self._lock:
            self.owner = {**bucket.process()._asdict(), "claim": self._name, "epoch": epoch, "since": bucket.now()}
            ownership._held.add(self._name)
            self._write()
        return self.owner

    def drop_others(self) -> None:
        """Remove the claims of owners that were fenced off; a failure leaves what nobody believes.

        That of a newer owner stays: without it who deletes the run would take it for a run that nobody has.
        """
        bucket = self._place.bucket
        try:
            others = [each.key for each in claims_of(self._place) if each.key != self._key]
            if others:
                older = [key for key, raw in zip(others, bucket.get_many(others), strict=True) if self._is_older(raw)]
                bucket.delete(older)
        except StorageError:
            pass

    def _is_older(self, raw: bytes | None) -> bool:
        try:
            return raw is not None and bool(parse(raw)["epoch"] < self.owner["epoch"])
        except (ValueError, KeyError, TypeError):
            return True

    def beat(self) -> None:
        """Renew the heartbeat, if it is not young. Nothing after ``release``."""
        with self._lock:
            if self.owner and abs(self._place.bucket.now() - self._written) >= PAUSE:
                self._write()

    def release(self) -> None:
        """Take the claim away. Idempotent; a claim that could not be taken away is one that no process holds."""
        with self._lock:
            if not self.owner:
                return
            self.owner = {}
            ownership._held.discard(self._name)
            try:
                self._place.bucket.delete([self._key])
            except StorageError:
                pass

    def _write(self) -> None:
        bucket = self._place.bucket
        bucket.put(self._key, json.dumps(self.owner).encode("ascii"))
        self._written = bucket.now()

    @property
    def _key(self) -> str:
        return _key(self._place, self._name)


def _key(place: ObjectPlace, claim: str) -> str:
    return f"{place.live}{claim}.json"
