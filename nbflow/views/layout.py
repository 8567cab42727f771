"""Where the nodes of a picture stand and how its edges run: a layered drawing, the same for the same graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from .layers import Layers
from .ordering import Ordering
from .straighten import straighten

DOWN = "TB"
RIGHT = "LR"

BETWEEN_NODES = {DOWN: 24.0, RIGHT: 18.0}
"""The space between two nodes of a layer, in pixels."""

BETWEEN_LAYERS = {DOWN: 38.0, RIGHT: 54.0}

STEEPER = 32.0
"""The most that is added between two layers so that edges that go far aside are not too flat."""

MARGIN = 12.0
BEND = 2.0
"""The width of an edge that passes through a layer."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Graph:
    """What is laid out: ``sizes`` are widths and heights of the nodes in pixels, ``edges`` pairs of places.

    There may be no cycle. ``room`` is what labels need between two layers in each direction, beside the usual space.
    """

    sizes: Sequence[tuple[float, float]]
    edges: Sequence[tuple[int, int]]
    room: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Layout:
    """``centers`` of the nodes, and for each edge the points of a line from center to center, in pixels.

    Between two points a line runs straight when they have the same coordinate across the direction, else as a curve.
    """

    direction: str
    width: float
    height: float
    centers: list[Point] = field(default_factory=list)
    lines: list[list[Point]] = field(default_factory=list)


class Order:
    """The layers of a graph and the order in each; made once, it serves both directions."""

    def __init__(self, layers: Layers, crossings: int) -> None:
        self._layers = layers
        self.crossings = crossings

    @classmethod
    def of(cls, graph: Graph) -> Order:
        """Order a graph; the work is bounded. Raises ValueError when it has a cycle."""
        layers = Layers(len(graph.sizes), graph.edges)
        return cls(layers, Ordering(layers).run())

    def place(self, graph: Graph, direction: str) -> Layout:
        """Return the layout of the same graph in one direction, ``TB`` or ``LR``."""
        layers, across = self._layers, direction == RIGHT
        sizes = [(height, width) for width, height in graph.sizes] if across else list(graph.sizes)
        widths = [width for width, _ in sizes] + [BEND] * (len(layers.rank) - layers.real)
        places = straighten(layers, widths, BETWEEN_NODES[direction])
        left = min((place - width / 2 for place, width in zip(places, widths, strict=True)), default=0.0) - MARGIN
        places = [round(place - left, 1) for place in places]
        breadth = max((place + width / 2 for place, width in zip(places, widths, strict=True)), default=0.0) + MARGIN
        bands, depth = _bands(layers, sizes, BETWEEN_LAYERS[direction] + graph.room.get(direction, 0.0), places)

        def turned(along: float, down: float) -> Point:
            return (down, along) if across else (along, down)

        middles = [
            round((bands[layers.rank[node]][0] + bands[layers.rank[node]][1]) / 2, 1) for node in range(layers.real)
        ]
        lines = []
        for parent, child in graph.edges:
            points = [(places[parent], middles[parent])]
            for bend in layers.bends(parent, child):
                points += [(places[bend], side) for side in bands[layers.rank[bend]]]
            points.append((places[child], middles[child]))
            lines.append([turned(*point) for point in _without_idle(points)])
        centers = [turned(places[node], middles[node]) for node in range(layers.real)]
        width, height = turned(round(breadth, 1), round(depth, 1))
        return Layout(direction, width, height, centers, lines)


def _bands(
    layers: Layers, sizes: list[tuple[float, float]], gap: float, places: list[float]
) -> tuple[list[Point], float]:
    """Return where each layer begins and ends, and where all end. Edges that go far aside get more room to do so."""
    bands, below = [], MARGIN
    for number, row in enumerate(layers.rows):
        if number:
            aside = max(
                (abs(places[child] - places[other]) for child in row for other in layers.up[child]), default=0.0
            )
            below += round(gap + min(STEEPER, aside * STEEPER / 500))
        height = max((sizes[vertex][1] for vertex in row if not layers.is_bend(vertex)), default=0.0)
        bands.append((below, below + height))
        below += height
    return bands, below + MARGIN


def _without_idle(points: list[Point]) -> list[Point]:
    """Leave out the points in the middle of a straight line."""
    kept = points[:1]
    for point, following in pairwise(points[1:]):
        if not kept[-1][0] == point[0] == following[0]:
            kept.append(point)
    return kept + points[-1:]
