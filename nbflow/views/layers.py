"""Which layer of a drawing each node is in, and the bends of edges that pass through layers."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt

MAX_BENDS = 12_000
"""More bends than this cost more than they please: the longest edges are then drawn straight, behind the nodes."""

ALONE_IN_A_ROW = 6
"""More nodes without any edge than this are wrapped into several layers."""


class Layers:
    """A graph in layers, where every edge leads to the next one.

    Vertices below ``real`` are nodes, the others bends. All long edges of a node share one trunk of bends, so that a
    node with many distant consumers is one line with branches. ``trunks[u]`` are the bends below node ``u``.
    """

    def __init__(self, count: int, edges: Sequence[tuple[int, int]]) -> None:
        self.real = count
        self.rank = _ranks(count, edges)
        self.up: list[list[int]] = [[] for _ in range(count)]
        self.down: list[list[int]] = [[] for _ in range(count)]
        self.trunks: list[list[int]] = [[] for _ in range(count)]
        self._add_trunks(edges)
        for parent, child in edges:
            self._connect(parent, child)
        self.rows: list[list[int]] = [[] for _ in range(max(self.rank, default=-1) + 1)]
        for vertex, rank in enumerate(self.rank):
            self.rows[rank].append(vertex)

    def bends(self, parent: int, child: int) -> list[int]:
        """Return the bends of an edge, none when it is short or drawn straight."""
        return self.trunks[parent][: self.rank[child] - self.rank[parent] - 1]

    def is_bend(self, vertex: int) -> bool:
        """Tell whether a vertex is no node."""
        return vertex >= self.real

    def _add_trunks(self, edges: Sequence[tuple[int, int]]) -> None:
        lengths = [0] * self.real
        for parent, child in edges:
            lengths[parent] = max(lengths[parent], self.rank[child] - self.rank[parent] - 1)
        room = MAX_BENDS
        for parent in sorted(range(self.real), key=lengths.__getitem__):
            room -= lengths[parent]
            if room < 0:
                return
            above = parent
            for rank in range(self.rank[parent] + 1, self.rank[parent] + 1 + lengths[parent]):
                bend = len(self.rank)
                self.rank.append(rank)
                self.up.append([above])
                self.down.append([])
                self.down[above].append(bend)
                self.trunks[parent].append(bend)
                above = bend

    def _connect(self, parent: int, child: int) -> None:
        bends = self.bends(parent, child)
        above = bends[-1] if bends else parent
        if self.rank[above] + 1 == self.rank[child]:
            self.down[above].append(child)
            self.up[child].append(above)


def _ranks(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Return the layer of each node: as early as it can be; a node with more children than parents, near them."""
    parents: list[list[int]] = [[] for _ in range(count)]
    children: list[list[int]] = [[] for _ in range(count)]
    for parent, child in edges:
        parents[child].append(parent)
        children[parent].append(child)
    order = _sorted(parents, children)
    rank = [0] * count
    for node in order:
        rank[node] = max((rank[parent] + 1 for parent in parents[node]), default=0)
    for node in reversed(order):
        if len(children[node]) > len(parents[node]):
            rank[node] = min(rank[child] for child in children[node]) - 1
    alone = [node for node in range(count) if not parents[node] and not children[node]]
    row = max(ALONE_IN_A_ROW, ceil(sqrt(len(alone))))
    for place, node in enumerate(alone):
        rank[node] = place // row
    return rank


def _sorted(parents: list[list[int]], children: list[list[int]]) -> list[int]:
    """Return the nodes so that each comes after its parents. Raises ValueError when the graph has a cycle."""
    missing = [len(above) for above in parents]
    order = [node for node, above in enumerate(parents) if not above]
    for node in order:
        for child in children[node]:
            missing[child] -= 1
            if not missing[child]:
                order.append(child)
    if len(order) < len(parents):
        raise ValueError("A graph with a cycle has no layers.")
    return order
