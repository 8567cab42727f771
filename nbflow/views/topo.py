"""The trait ``topo`` of the message format: the drawn nodes with their sizes and places, and the edges."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.graph import Json
from . import words
from .layout import DOWN, RIGHT, Graph, Layout, Order
from .picture import PERSON, Picture

TABLE_FIRST = 300
"""Above so many drawn nodes a view shows the table, and the graph when it is asked for."""

LABEL = 12.5
"""The font size of labels, in pixels."""

EDGE_LABEL = 10.5
"""The font size of what stands at an edge of a scene."""

BESIDE = 11.0
"""The distance in pixels of a link that leads back from the one that it goes along."""

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
    An edge of a scene has a fourth part: its label, whether it is dashed, was taken, and leads back; the points of one
    that leads back are the control points of a curve.
    """
    topo = bare(picture)
    nodes = topo["nodes"]
    back = backward(len(nodes), picture.edges) if picture.marks else frozenset[int]()
    said = max((words.text_width(mark.label, EDGE_LABEL) for mark in picture.marks if mark.label), default=0.0)
    graph = Graph(
        [(node["w"], node["h"]) for node in nodes],
        [edge for i, edge in enumerate(picture.edges) if i not in back],
        {RIGHT: min(110.0, said + 6), DOWN: 18.0} if said else {},
    )
    order = Order.of(graph)
    layout = _best(graph, order) if direction == "auto" else order.place(graph, direction)
    for node, (x, y) in zip(nodes, layout.centers, strict=True):
        node["x"], node["y"] = x, y
    placed = topo | {
        "width": layout.width,
        "height": layout.height,
        "rankdir": layout.direction,
        "placed": True,
    }
    lines = iter(layout.lines)
    placed["edges"] = [
        [a, b, [] if i in back else next(lines), *([[*picture.marks[i], i in back]] if picture.marks else [])]
        for i, (a, b) in enumerate(picture.edges)
    ]
    _arch(placed, sorted(back))
    return placed


def backward(count: int, edges: Sequence[tuple[int, int]]) -> frozenset[int]:
    """Return the edges, by place, without which there is no cycle: those that lead back on the way from the first."""
    leads: list[list[int]] = [[] for _ in range(count)]
    for i, (source, _) in enumerate(edges):
        leads[source].append(i)
    back, seen, on_the_way = set[int](), set[int](), set[int]()
    for root in range(count):
        work: list[tuple[int, int]] = [(root, 0)] if root not in seen else []
        while work:
            node, at = work.pop()
            seen.add(node)
            on_the_way.add(node)
            if at == len(leads[node]):
                on_the_way.discard(node)
                continue
            work.append((node, at + 1))
            target = edges[leads[node][at]][1]
            if target in on_the_way:
                back.add(leads[node][at])
            elif target not in seen:
                work.append((target, 0))
    return frozenset(back)


def _arch(topo: Json, back: Sequence[int]) -> None:
    """Give the edges that lead back four points each, which are the control points of one curve.

    To the layer before it goes beside the edge that came from there; further, and to itself, around all that is there.
    """
    nodes, across = topo["nodes"], topo["rankdir"] == RIGHT
    side, along = ("y", "x") if across else ("x", "y")
    breadth, depth, room = ("h", "w", "height") if across else ("w", "h", "width")
    lane = 0
    for i in back:
        a, b = nodes[topo["edges"][i][0]], nodes[topo["edges"][i][1]]
        if a is not b and not any(b[along] + 1 < node[along] < a[along] - 1 for node in nodes):
            begin, end = a[along] - a[depth] / 2, b[along] + b[depth] / 2
            at, to, middle = a[side] + BESIDE, b[side] + BESIDE, (begin + end) / 2
            points = [(at, begin), (at, middle), (to, middle), (to, end)]
        else:
            low, high = sorted((a[along], b[along]))
            border = max(n[side] + n[breadth] / 2 for n in nodes if low - 1 <= n[along] <= high + 1)
            out, apart = border + 44 + 18 * lane, 8 if a is b else 0
            lane += 1
            points = [
                (a[side] + a[breadth] / 2, a[along] + apart), (out, a[along] + apart),
                (out, b[along] - apart), (b[side] + b[breadth] / 2, b[along] - apart),
            ]  # fmt: skip
            label = 14 if across else words.text_width(topo["edges"][i][3][0], EDGE_LABEL) / 2 + 8
            topo[room] = max(topo[room], round(out - 8 + label, 1))
        topo["edges"][i][2] = [(y, x) if across else (x, y) for x, y in points]


def _best(graph: Graph, order: Order) -> Layout:
    layouts = [order.place(graph, direction) for direction in (RIGHT, DOWN)]
    right, down = (
        min(1.0, VIEW[0] / (layout.width + 32), VIEW[1][layout.direction] / (layout.height + 32)) for layout in layouts
    )
    # to the right first, because a cell is wide: down only when it is clearly larger
    return layouts[1] if down > right * 1.15 else layouts[0]
