"""What must hold of a run whatever happens, kept beside it in plain lists."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

Unit = int
PAYLOAD = "the quick brown fox jumps over the lazy dog and " * 2


class Violation(AssertionError):
    """The storage broke a promise."""


def encode_unit(unit: Unit, size: int, **more: Any) -> list[str]:
    """Return the records of one commit; each can be checked by itself."""
    return [
        json.dumps({"t": "unit", "u": unit, "k": k, "of": size, "p": _payload(unit, k), **more}) for k in range(size)
    ]


def decode_units(records: list[dict[str, Any]]) -> list[Unit]:
    """Return the units that records consist of. Raises Violation when one is torn, changed or out of its order."""
    units: list[Unit] = []
    place = 0
    for record in records:
        if not record.keys() >= {"u", "k", "of", "p"}:
            raise Violation(f"record {record} lost a part of itself")
        unit, k, size = record["u"], record["k"], record["of"]
        if k != place or (k and unit != units[-1]) or record["p"] != _payload(unit, k):
            raise Violation(f"record {record} stands at place {place} of a unit, after {units[-3:]}")
        if not k:
            units.append(unit)
        place = (k + 1) % size
    if place:
        raise Violation(f"unit {units[-1]} ends after {place} records")
    if len(set(units)) < len(units):
        raise Violation(f"a unit came twice: {units}")
    return units


def _payload(unit: Unit, k: int) -> str:
    return PAYLOAD[(unit + k) % 20 :]


class Truth:
    """One life of a run, from its making to its deletion."""

    def __init__(self) -> None:
        self.epoch = 0
        self.known: list[Unit] = []
        """What every reader must find first."""
        self.attempts: dict[Unit, int] = {}
        """All that was ever written, by the epoch of its writer: what may follow."""
        self.sent: set[str] = set()

    def check(self, known: list[Unit], records: list[dict[str, Any]]) -> list[Unit]:
        """Check what a reader found that began when ``known`` was acknowledged."""
        units = decode_units(records)
        if units[: len(known)] != known:
            raise Violation(f"{known} was acknowledged, and {units} is found")
        if strangers := [unit for unit in units if unit not in self.attempts]:
            raise Violation(f"units {strangers} are found, and nobody wrote them")
        late = Counter(self.attempts[unit] for unit in units if unit not in self.known)
        if any(count > 1 for count in late.values()):
            raise Violation(f"an owner went on after a failure: {units} after {known}")
        return units


class Oracle:
    """The truth about a run, and the one before it when a deletion is under way."""

    def __init__(self) -> None:
        self.truth = Truth()
        self.ghost: Truth | None = None
        self.lives: dict[int, Truth] = {}
        """The life of the run in which each segment file was made, by its inode."""
        self.all_sent: set[str] = set()
        self.received: dict[Unit, str] = {}
        self.blobs: dict[Unit, str] = {}
        self._next = 0

    def new_unit(self) -> Unit:
        """Return the number of the next commit."""
        self._next += 1
        return self._next

    def new_event(self) -> str:
        """Return the id of the next event."""
        event = f"e{len(self.all_sent)}"
        self.all_sent.add(event)
        return event

    def acknowledged(self, truth: Truth, epoch: int, unit: Unit) -> None:
        """Take note that a commit returned. An older owner may hear so late, but only of what the newer one found."""
        if truth is not self.truth:
            raise Violation(f"owner {epoch} acknowledged unit {unit} of a run that was deleted")
        if epoch == truth.epoch:
            truth.known.append(unit)
        elif unit not in truth.known:
            raise Violation(f"owner {epoch} acknowledged unit {unit} behind the back of owner {truth.epoch}")

    def opened(self, segment: int, epoch: int, records: list[dict[str, Any]]) -> Truth:
        """Take what a new owner found for the truth, when it may be; return the truth that its segment belongs to."""
        truth = self.lives.get(segment, self.truth)
        if epoch < truth.epoch:
            # Fenced already, and about to learn it: all that it can have is a part of the truth.
            units = decode_units(records)
            if units != truth.known[: len(units)]:
                raise Violation(f"owner {epoch} found {units}, and owner {truth.epoch} has {truth.known}")
        else:
            truth.known = truth.check(truth.known, records)
            truth.epoch = epoch
        return truth

    def found(self, known: bool, exists: bool) -> bool:
        """Check that a run that was known is there."""
        if known and not exists:
            raise Violation(f"the run is gone with {self.truth.known}")
        return exists

    def deleted(self) -> None:
        """Take note that the run moved to the trash, which a power cut may yet undo."""
        self.ghost, self.truth = self.truth, Truth()

    def deletion_returned(self) -> None:
        """Take note that the deletion is final."""
        self.ghost = None

    def power_cut(self, records: list[dict[str, Any]] | None) -> None:
        """See after a power cut whether a deletion that had not returned was undone."""
        if self.ghost is not None and any(record["u"] in self.ghost.attempts for record in records or ()):
            self.truth = self.ghost
        self.ghost = None

    def check_events(self) -> None:
        """Check that every event that was stored is received once, and none that was not sent."""
        counts = Counter(self.received[unit] for unit in self.truth.known if unit in self.received)
        for event, count in counts.items():
            if count > 1 or event not in self.all_sent:
                raise Violation(f"event {event} was received {count} times")
        if missing := self.truth.sent - counts.keys():
            raise Violation(f"events {missing} were stored and never received")
