"""The graph for Graphviz, which needs no ``dot`` program to be written down: only to be drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import words
from .layout import DOWN
from .palette import LOOKS
from .picture import PERSON, Mark
from .snapshot import Snapshot

if TYPE_CHECKING:
    import graphviz


def to_dot(snapshot: Snapshot, direction: str = DOWN) -> graphviz.Digraph:
    """Return the graph as a ``graphviz.Digraph`` with the states as they are; ``direction`` is ``TB`` or ``LR``."""
    import graphviz  # only wanted here

    graph = graphviz.Digraph(
        words.name(snapshot.run.name) or "workflow",
        graph_attr={"rankdir": direction},
        node_attr={"shape": "box", "style": "rounded,filled", "fontname": "Helvetica", "fontsize": "11"},
        edge_attr={"color": "#8e95a1", "arrowsize": "0.6"},
    )
    for place, (node, row) in enumerate(zip(snapshot.picture.nodes, snapshot.nodes, strict=True)):
        look = LOOKS[row.code]
        below = f"{row.done} of {row.total}" if node.stacked else look.word.lower()
        graph.node(
            f"n{place}",
            graphviz.escape(words.name(node.label)) + r"\n" + graphviz.escape(below),
            fillcolor=look.light.fill,
            color=look.light.line,
            fontcolor="#1b2430",
            **_shape(node.kind, node.stacked, row.code),
        )
    marks = snapshot.picture.marks or [Mark()] * len(snapshot.edges)
    for (parent, child), mark in zip(snapshot.edges, marks, strict=True):
        said = {"label": graphviz.escape(words.name(mark.label)), "fontsize": "9"} if mark.label else {}
        graph.edge(f"n{parent}", f"n{child}", **said, **({"style": "dashed"} if mark.dashed else {}))
    return graph


def _shape(kind: str, stacked: bool, code: str) -> dict[str, str]:
    shape = {"shape": "hexagon", "style": "filled"} if kind == PERSON else {}
    if stacked:
        shape["peripheries"] = "2"
    if code == "k":
        shape["style"] = "filled,dashed" if kind == PERSON else "rounded,filled,dashed"
    return shape
