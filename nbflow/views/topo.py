"""The trait ``topo`` of the message format: the drawn nodes with their sizes and places, and the edges."""

from __future__ import annotations

from ..core.graph import Json
from . import words
from .layout import DOWN, RIGHT, Graph, Layout, Order
from .picture import PERSON, Picture

TABLE_FIRST = 300
"""Above so many drawn nodes a view shows the table, and the graph when it is asked for."""

LABEL = 12.5
"""The font size of labels, in pixels."""

LABEL_ROOM = 196
"""The widest label, in pixels; longer ones are cut."""

VIEW = (880, {RIGHT: 400, DOWN: 480})
"""The box of a notebook that a graph should fit in: its width, and its height for each direction."""


def size(short: str, kind: str, count: int) -> tuple[int, int]:
    """Return the width and height of a drawn node, in pixels."""
    stacked = count > 1
    width = 35 + words.text_width(short, LABEL) + 14 + (22 if kind == PERSON else 0)
    return max(186 if stacked else 118, round(width)), 54 if stacked else 42


def bare(picture: Picture) -> Json:
    """Return the nodes without places, and no edges: what a view can show before the layout is there."""
    nodes = []
    for node in picture.nodes:
        label = words.name(node.label)
        short = words.shorten(label, LABEL_ROOM, LABEL)
        width, height = size(short, node.kind, len(node.members))
        nodes.append(
            {"label": label, "short": short, "kind": node.kind, "n": len(node.members), "w": width, "h": height}
        )
    return {
        "nodes": nodes,
        "edges": [],
        "width": 0,
        "height": 0,
        "rankdir": DOWN,
        "placed": not nodes,
        "table_first": len(nodes) > TABLE_FIRST,
    }


def place(picture: Picture, direction: str = "auto") -> Json:
    """Return the nodes with places and the edges as lines of points, in pixels. Pure: run it in any thread.

    ``direction`` is ``TB`` (down), ``LR`` (to the right) or ``auto``: the one that is larger in a notebook.
    """
    topo = bare(picture)
    nodes = topo["nodes"]
    graph = Graph([(node["w"], node["h"]) for node in nodes], picture.edges)
    order = Order.of(graph)
    layout = _best(graph, order) if direction == "auto" else order.place(graph, direction)
    for node, (x, y) in zip(nodes, layout.centers, strict=True):
        node["x"], node["y"] = x, y
    edges = [[a, b, points] for (a, b), points in zip(picture.edges, layout.lines, strict=True)]
    return topo | {
        "edges": edges,
        "width": layout.width,
        "height": layout.height,
        "rankdir": layout.direction,
        "placed": True,
    }


def _best(graph: Graph, order: Order) -> Layout:
    layouts = [order.place(graph, direction) for direction in (RIGHT, DOWN)]
    right, down = (
        min(1.0, VIEW[0] / (layout.width + 32), VIEW[1][layout.direction] / (layout.height + 32)) for layout in layouts
    )
    # to the right first, because a cell is wide: down only when it is clearly larger
    return layouts[1] if down > right * 1.15 else layouts[0]
