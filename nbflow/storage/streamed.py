"""The records of a long journal, kept as they stand in it and decoded some frames at a time while they are read.

A record takes ten times the room in memory that it takes in its file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, overload

from nbflow.errors import StorageDamaged

Json = dict[str, Any]
AT_A_TIME = 1 << 15
"""Bytes of a journal that are decoded at a time, and the frame that is under way then."""


class Span(NamedTuple):
    """Whole frames of a segment that were read already, from byte ``start`` to ``end``."""

    raw: bytes
    start: int
    end: int


class Records(Sequence[Json]):
    """Records in order. Reading them from the beginning to the end is what they are made for."""

    def __init__(self, first: list[Json]) -> None:
        self._parts: list[list[Json] | Span] = [first]
        self._count = len(first)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Json]:
        for part in self._parts:
            yield from part if isinstance(part, list) else _decoded(part)

    @overload
    def __getitem__(self, place: int) -> Json: ...
    @overload
    def __getitem__(self, place: slice) -> list[Json]: ...
    def __getitem__(self, place: int | slice) -> Json | list[Json]:
        if isinstance(place, slice):
            return list(self)[place]
        if place < 0:
            place += self._count
        if not 0 <= place < self._count:
            raise IndexError(place)
        return next(islice(self, place, None))

    def extend(self, records: list[Json]) -> None:
        """Add records that are decoded."""
        last = self._parts[-1]
        if isinstance(last, list):
            last += records
        else:
            self._parts.append([*records])
        self._count += len(records)

    def add(self, span: Span, count: int) -> None:
        """Add the records of whole frames, ``count`` of them."""
        last = self._parts[-1]
        if isinstance(last, Span) and last.raw is span.raw and last.end == span.start:
            self._parts[-1] = Span(last.raw, last.start, span.end)
        else:
            self._parts.append(span)
        self._count += count


def _decoded(span: Span) -> Iterator[Json]:
    start = span.start
    while start < span.end:
        end = span.raw.index(b"\n", min(start + AT_A_TIME, span.end) - 1)
        lines = span.raw[start:end].replace(b"\n", b",")  # in a frame there is none
        try:
            frames = json.loads(b"[%b]" % lines)
        except ValueError as error:  # each was read a moment ago
            raise StorageDamaged(
                f"The memory of this computer is not to be trusted: a journal changed behind byte {start}."
            ) from error
        for frame in frames:
            yield from frame["n"]
        start = end + 1
