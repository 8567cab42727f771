"""The smallest engine that keeps the rules: commit, then act; receive an event, commit the receipt, then forget it."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from nbflow.errors import Fenced, StorageDamaged, StorageError
from nbflow.storage.base import RunJournal, Storage

from .oracle import Oracle, Truth, Violation, encode_unit

RUN = "run"
VALUES = 5
"""So many different large values there are: equal ones are stored at the same time, and found after a crash."""


class Engine:
    """One owner of the run, with the rules that a mutant may break."""

    dedupe = True
    acknowledge_first = False

    def __init__(self, storage: Storage, oracle: Oracle, random: Random) -> None:
        self._storage = storage
        self._oracle = oracle
        self._random = random
        self._truth = Truth()
        self._seen: set[str] = set()
        self.run: RunJournal | None = None

    def open(self, *, takeover: bool) -> None:
        """Take the run, or make it, and check what it says."""
        truth, known = self._oracle.truth, bool(self._oracle.truth.known)
        exists = self._storage.exists(RUN)
        if truth is self._oracle.truth:
            self._oracle.found(known, exists)
        self.run = self._storage.open_run(RUN, takeover=takeover) if exists else self._storage.create_run(RUN)
        segment = self.run._journal._identity[1]  # type: ignore[attr-defined]
        self._truth = self._oracle.opened(segment, self.run.epoch, self.run.records)
        received = self._oracle.received
        self._seen = {received[record["u"]] for record in self.run.records if record["u"] in received}
        for record in self.run.records:
            if record["u"] in self._oracle.blobs:
                self._check_blob(self.run, record["u"])

    def step(self) -> None:
        """Do one of the things that an engine does."""
        assert self.run is not None
        luck = self._random.random()
        if luck < 0.6:
            self.commit()
        elif luck < 0.72:
            self.take_events()
        elif luck < 0.78:
            self.commit_blob()
        elif luck < 0.84:
            self.run.write_status({"n": len(self._truth.known)})
        elif luck < 0.88:
            self.run.heartbeat()
        elif luck < 0.92:
            self.compact()
        else:
            truth, known = self._oracle.truth, list(self._oracle.truth.known)
            records = self._storage.read_run(RUN)
            if truth is self._oracle.truth:
                truth.check(known, records)

    def commit(self) -> None:
        """Commit a unit."""
        self._append(self._oracle.new_unit(), self._random.choice((1, 1, 2, 4)))

    def commit_blob(self) -> None:
        """Store a large value and commit its name."""
        assert self.run is not None
        unit = self._oracle.new_unit()
        sha256, _ = self.run.put_blob(*_large(unit))
        self._oracle.blobs[unit] = sha256
        self._append(unit, 1, blob=sha256)

    def compact(self) -> None:
        """Replace the journal by one that says the same, and forget the large values that it does not name."""
        assert self.run is not None
        records = self._storage.read_run(RUN)
        self.run.compact([json.dumps(record) for record in records], {r["blob"] for r in records if "blob" in r})

    def take_events(self) -> None:
        """Receive what was sent."""
        assert self.run is not None
        for item in self.run.poll_inbox():
            event = item.event["id"]
            if self.acknowledge_first:
                self.run.ack_inbox([item.token])
            if event not in self._seen or not self.dedupe:
                unit = self._oracle.new_unit()
                self._oracle.received[unit] = event
                self._append(unit, 1)
                self._seen.add(event)
            if not self.acknowledge_first:
                self.run.ack_inbox([item.token])

    def _append(self, unit: int, size: int, **more: Any) -> None:
        assert self.run is not None
        self._truth.attempts[unit] = self.run.epoch
        try:
            self.run.append(encode_unit(unit, size, **more))
        except (StorageDamaged, Fenced):
            raise
        except StorageError:
            self._try_again_on_a_poisoned_handle(self.run)
            raise
        self._oracle.acknowledged(self._truth, self.run.epoch, unit)

    def _try_again_on_a_poisoned_handle(self, run: RunJournal) -> None:
        unit = self._oracle.new_unit()
        self._truth.attempts[unit] = run.epoch
        try:
            run.append(encode_unit(unit, 1))
        except StorageError:
            return
        self._oracle.acknowledged(self._truth, run.epoch, unit)

    def _check_blob(self, run: RunJournal, unit: int) -> None:
        try:
            head, buffers = run.get_blob(self._oracle.blobs[unit])
        except StorageDamaged as error:
            if self._truth is not self._oracle.truth:
                return  # deleted meanwhile
            raise Violation(f"the value of unit {unit} is gone") from error
        if (head, buffers) != _large(unit):
            raise Violation(f"the value of unit {unit} is another one: {head} {buffers}")


def _large(unit: int) -> tuple[dict[str, int], list[bytes]]:
    """Return the value of a unit; some units have equal ones, which are one file."""
    return {"n": unit % VALUES}, [b"blob %d" % (unit % VALUES) * 3]
