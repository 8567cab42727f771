"""In which order the vertices of a layer stand, so that few edges cross.

Sweeps down and up put each vertex near the middle of its neighbours, and swap neighbours while that helps; several
starts are tried. All is bounded by a count of operations, not by a clock, so that the same graph looks the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from random import Random

from .layers import Layers

OPERATIONS = 60_000
"""How much work to spend on starts and sweeps after the first; about 1 us each."""

STARTS = 8
SWEEPS = 24
PATIENCE = 4
"""Sweeps without an improvement after which a start is given up."""


class Ordering:
    """Orders the rows of ``layers`` in place."""

    def __init__(self, layers: Layers) -> None:
        self._layers = layers
        self._up, self._down = layers.up, layers.down
        self._at = [0] * len(layers.rank)
        self._room = OPERATIONS
        self._cost = len(layers.rank) + sum(map(len, layers.up))

    def run(self) -> int:
        """Order the rows; return how many crossings are left."""
        best, rows = -1, self._layers.rows
        for start in range(STARTS):
            crossings, found = self._improve(self._first(start))
            if best < 0 or crossings < best:
                best, rows = crossings, found
            if best == 0 or self._room <= 0:
                break
        self._layers.rows = rows
        return best

    def _first(self, start: int) -> list[list[int]]:
        """Return an order by depth-first search: from above or below, left to right or right to left, or mixed."""
        layers, chance = self._layers, Random(start)
        ahead, behind = (self._down, self._up) if start % 2 == 0 else (self._up, self._down)
        turned, mixed = start % 4 >= 2, start >= 4
        rows: list[list[int]] = [[] for _ in layers.rows]
        seen = [False] * len(layers.rank)
        stack = [vertex for vertex, before in enumerate(behind) if not before]
        if mixed:
            chance.shuffle(stack)
        if not turned:
            stack.reverse()
        while stack:
            vertex = stack.pop()
            if seen[vertex]:
                continue
            seen[vertex] = True
            rows[layers.rank[vertex]].append(vertex)
            following = list(ahead[vertex])
            if mixed:
                chance.shuffle(following)
            stack.extend(following if turned else reversed(following))
        return rows

    def _improve(self, rows: list[list[int]]) -> tuple[int, list[list[int]]]:
        at = self._at
        for row in rows:
            for place, vertex in enumerate(row):
                at[vertex] = place
        best, found, stale = self._crossings(rows), [row[:] for row in rows], 0
        for sweep in range(SWEEPS):
            if best == 0 or stale >= PATIENCE or (self._room <= 0 and sweep >= 4):
                break
            self._sweep(rows, sweep % 2 == 0)
            crossings = self._crossings(rows)
            stale += 1
            if crossings < best:
                best, found, stale = crossings, [row[:] for row in rows], 0
        return best, found

    def _sweep(self, rows: list[list[int]], downward: bool) -> None:
        at, near = self._at, self._up if downward else self._down
        self._room -= self._cost
        for row in rows if downward else reversed(rows):
            keys = {vertex: _middle([at[other] for other in near[vertex]], at[vertex]) for vertex in row}
            row.sort(key=keys.__getitem__)
            for place, vertex in enumerate(row):
                at[vertex] = place
            if self._room > 0:
                self._swap(row)

    def _swap(self, row: list[int]) -> None:
        """Swap neighbours in a row while that leaves fewer crossings."""
        at = self._at
        above = {vertex: sorted([at[other] for other in self._up[vertex]]) for vertex in row}
        below = {vertex: sorted([at[other] for other in self._down[vertex]]) for vertex in row}
        for _ in range(3):
            swapped = False
            for place in range(len(row) - 1):
                left, right = row[place], row[place + 1]
                gain = _gain(above[left], above[right]) + _gain(below[left], below[right])
                self._room -= 1
                if gain > 0:
                    row[place], row[place + 1] = right, left
                    at[left], at[right] = place + 1, place
                    swapped = True
            if not swapped:
                return

    def _crossings(self, rows: list[list[int]]) -> int:
        at, up = self._at, self._up
        self._room -= self._cost
        return sum(
            _inversions([end for vertex in row for end in sorted([at[other] for other in up[vertex]])], len(before))
            for before, row in pairwise(rows)
        )


def _middle(places: list[int], now: int) -> float:
    """Return where a vertex wants to be: between the median and the mean of its neighbours."""
    if not places:
        return now
    if len(places) == 1:
        return places[0]
    places.sort()
    half = len(places) // 2
    median = places[half] if len(places) % 2 else (places[half - 1] + places[half]) / 2
    return (median + sum(places) / len(places)) / 2


def _gain(left: Sequence[int], right: Sequence[int]) -> int:
    """Return how many crossings fewer there are when two neighbours swap, from the sorted ends of their edges."""
    if not left or not right or left[-1] <= right[0]:
        return -len(left) * len(right) if left and right and left[-1] < right[0] else 0
    return _inverted(left, right) - _inverted(right, left)


def _inverted(left: Sequence[int], right: Sequence[int]) -> int:
    count = passed = 0
    for end in left:
        while passed < len(right) and right[passed] < end:
            passed += 1
        count += passed
    return count


def _inversions(ends: list[int], width: int) -> int:
    """Count the pairs of a list that are in the wrong order (Fenwick tree)."""
    tree, total = [0] * (width + 1), 0
    for count, end in enumerate(ends):
        place, before = end + 1, 0
        while place:
            before += tree[place]
            place &= place - 1
        total += count - before
        place = end + 1
        while place <= width:
            tree[place] += 1
            place += place & -place
    return total
