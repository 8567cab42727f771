"""Where in its layer each vertex stands, so that long edges are straight and parents are above their children.

The method of Brandes and Koepf: vertices that may share a coordinate are aligned in four ways (by the neighbours above
or below, from the left or from the right), each way is packed tightly, and the mean of the two middle results is taken.
The bends of one trunk are aligned with each other before anything else, in all four ways, so that it never wiggles.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from itertools import pairwise

from .layers import Layers

Gaps = list[dict[int, float]]
"""For each row, by vertex: the distance that it keeps from the vertex to its left."""


def straighten(layers: Layers, widths: Sequence[float], gap: float) -> list[float]:
    """Return the coordinate of each vertex along its layer. ``widths`` are of all vertices; all in pixels."""
    conflicts = _conflicts(layers)
    found = []
    for upward in (False, True):
        near = _partners(layers, upward)
        for mirrored in (False, True):
            rows = [row[::-1] for row in layers.rows] if mirrored else layers.rows
            chains = _align(rows[::-1] if upward else rows, near, conflicts, len(layers.rank))
            places = _pack(rows, chains, _gaps(layers, rows, widths, gap))
            found.append([-place for place in places] if mirrored else places)
    return _balanced(found, widths)


def _partners(layers: Layers, upward: bool) -> list[list[int]]:
    """Return the vertices that each vertex may be aligned with: in a trunk, only the next bend of the trunk."""
    near = layers.down if upward else layers.up
    partners = list(near)
    for trunk in layers.trunks:
        for above, below in pairwise(trunk):
            partners[above if upward else below] = [below if upward else above]
    return partners


def _conflicts(layers: Layers) -> set[tuple[int, int]]:
    """Return the edges (above, below) that must give way, because they cross or leave the inside of a trunk."""
    found: set[tuple[int, int]] = set()
    at = [0] * len(layers.rank)
    for row in layers.rows:
        for place, vertex in enumerate(row):
            at[vertex] = place
    inner: list[list[tuple[int, int]]] = [[] for _ in layers.rows]
    for trunk in sorted(layers.trunks, key=len, reverse=True):
        for above, below in pairwise(trunk):
            found.update((above, child) for child in layers.down[above] if child != below)
            inner[layers.rank[below]].append((at[above], at[below]))
    for row, segments in zip(layers.rows, inner, strict=True):
        straight = _uncrossed(segments)
        if straight:
            edges = ((parent, child) for child in row for parent in layers.up[child])
            found.update(edge for edge in edges if _crosses(straight, (at[edge[0]], at[edge[1]])))
    return found


def _uncrossed(segments: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return in order those segments that cross none that comes before them in the list."""
    kept: list[tuple[int, int]] = []
    for segment in segments:
        if not _crosses(kept, segment):
            insort(kept, segment)
    return kept


def _crosses(segments: list[tuple[int, int]], segment: tuple[int, int]) -> bool:
    """Tell whether a segment crosses one of those that are in order and do not cross each other."""
    above, below = segment
    left = bisect_left(segments, (above, -1))
    right = bisect_left(segments, (above + 1, -1))
    return (left > 0 and segments[left - 1][1] > below) or (right < len(segments) and segments[right][1] < below)


def _align(rows: list[list[int]], near: list[list[int]], conflicts: set[tuple[int, int]], count: int) -> list[int]:
    """Return for each vertex the first of the chain that it is aligned with (its root)."""
    root = list(range(count))
    taken = [False] * count
    for before, row in pairwise(rows):
        at = {vertex: place for place, vertex in enumerate(before)}
        reached = -1
        for vertex in row:
            others = sorted((at[other], other) for other in near[vertex])
            half = len(others) // 2
            for place, other in others[half - 1 + len(others) % 2 : half + 1] if others else ():
                free = not taken[other] and (other, vertex) not in conflicts and (vertex, other) not in conflicts
                if place > reached and free:
                    root[vertex], taken[other], reached = root[other], True, place
                    break
    return root


def _gaps(layers: Layers, rows: list[list[int]], widths: Sequence[float], gap: float) -> Gaps:
    gaps: Gaps = []
    for row in rows:
        gaps.append({})
        for left, right in pairwise(row):
            space = gap * (0.75 if layers.is_bend(left) or layers.is_bend(right) else 1.0)
            gaps[-1][right] = (widths[left] + widths[right]) / 2 + space
    return gaps


def _pack(rows: list[list[int]], root: list[int], gaps: Gaps) -> list[float]:
    """Return the coordinates when every chain is as far left as it can be, then as far right as costs no width."""
    after: dict[int, list[tuple[int, float]]] = {}
    missing = [0] * len(root)
    for row, gap in zip(rows, gaps, strict=True):
        for left, right in pairwise(row):
            after.setdefault(root[left], []).append((root[right], gap[right]))
            missing[root[right]] += 1
    place = [0.0] * len(root)
    order = [vertex for vertex, first in enumerate(root) if vertex == first and not missing[vertex]]
    for chain in order:
        for other, distance in after.get(chain, ()):
            place[other] = max(place[other], place[chain] + distance)
            missing[other] -= 1
            if not missing[other]:
                order.append(other)
    for chain in reversed(order):
        if chain in after:
            place[chain] = max(place[chain], min(place[other] - distance for other, distance in after[chain]))
    return [place[first] for first in root]


def _balanced(found: list[list[float]], widths: Sequence[float]) -> list[float]:
    """Return the mean of the two middle coordinates, after all four are moved to the sides of the narrowest."""
    if not widths:
        return []
    halves = [width / 2 for width in widths]
    sides = [
        (
            min(place - half for place, half in zip(places, halves, strict=True)),
            max(place + half for place, half in zip(places, halves, strict=True)),
        )
        for places in found
    ]
    left, right = min(sides, key=lambda side: side[1] - side[0])
    moved = []
    for number, (places, side) in enumerate(zip(found, sides, strict=True)):
        shift = right - side[1] if number % 2 else left - side[0]
        moved.append([place + shift for place in places])
    return [sum(sorted(four)[1:3]) / 2 for four in zip(*moved, strict=True)]
