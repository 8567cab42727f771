"""The rows of a stack's nodes, added up so that one changed node costs little."""

from __future__ import annotations

from collections import Counter
from math import inf

from .rows import NodeRow, Row, summed


class Tally:
    """What a stack's nodes add up to. ``put`` takes about 1 us, ``row`` about 20 ns for each node."""

    __slots__ = ("attempts", "changed", "codes", "counts", "ends", "failures", "starts")

    def __init__(self, rows: list[Row]) -> None:
        self.codes = [row.code for row in rows]
        self.counts = Counter(self.codes)
        self.starts = [inf if row.started is None else row.started for row in rows]
        self.ends = [row.ended or 0.0 for row in rows]
        self.attempts = [row.attempt for row in rows]
        self.changed = {slot for slot, row in enumerate(rows) if row.changed}
        self.failures = {slot: row.note for slot, row in enumerate(rows) if row.code == "f"}

    def put(self, slot: int, row: Row) -> None:
        """Replace the row of one node."""
        self.counts[self.codes[slot]] -= 1
        self.counts[row.code] += 1
        self.codes[slot] = row.code
        self.starts[slot] = inf if row.started is None else row.started
        self.ends[slot] = row.ended or 0.0
        self.attempts[slot] = row.attempt
        if row.changed:
            self.changed.add(slot)
        else:
            self.changed.discard(slot)
        if row.code == "f":
            self.failures[slot] = row.note
        else:
            self.failures.pop(slot, None)

    def row(self) -> NodeRow:
        """Return the row of the stack."""
        started = min(self.starts)
        note = self.failures[min(self.failures)] if self.failures else ""
        begun = None if started == inf else started
        return summed(self.counts, begun, max(self.ends) or None, max(self.attempts), note, len(self.changed))
