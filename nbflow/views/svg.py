"""The graph as one picture that needs no script and no style sheet: light, on white, with an icon for each state."""

from __future__ import annotations

from html import escape

from ..core.graph import Json
from . import topo as topology
from . import words
from .layout import RIGHT
from .palette import BAR_ORDER, LOOKS, PAPER
from .picture import PERSON
from .rows import CHANGED, NodeRow
from .snapshot import Snapshot
from .table import took_of

INK, INK_2, WHITE, TRACK = "#1b2430", "#5a6676", "#ffffff", "#dfe3e8"
FONT = "system-ui,-apple-system,Segoe UI,Roboto,Helvetica Neue,Arial,sans-serif"

CALM, FLOWN, MOVING, DEAD = ("#b8c0cb", ""), ("#79bda4", ""), ("#2b7fd0", ""), ("#c9d0d8", "3 4")
"""The colour and the dashes of an edge: nothing yet, gone through, going through now, never to be used."""


def to_svg(snapshot: Snapshot, clock: bool = True, direction: str = "auto", topo: Json | None = None) -> str:
    """Return the graph as SVG. Without ``clock`` there are no durations in it, so that it is the same each time.

    ``topo`` is a layout of the same picture, if there is one already.
    """
    placed = topology.place(snapshot.picture, direction) if topo is None else topo
    width, height = round(placed["width"]), round(placed["height"])
    label = escape(snapshot.summary)
    nodes = zip(placed["nodes"], snapshot.nodes, strict=True)
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
            f' role="img" aria-label="{label}" font-family="{FONT}" font-size="11" fill="{INK_2}">',
            f"<title>{label}</title>",
            _icons(snapshot.codes),
            f'<rect width="{width}" height="{height}" rx="8" fill="{WHITE}"/>',
            *_edges(placed, snapshot.codes),
            *_links(placed),
            *(_node(node, row, _below(row, snapshot.at, clock)) for node, row in nodes),
            "</svg>",
        ]
    )


def _icons(codes: str) -> str:
    shapes = []
    for code in dict.fromkeys(codes):
        look = LOOKS[code]
        icon = look.icon.replace("currentColor", look.light.ink).replace(PAPER, look.light.fill)
        shapes.append(f'<g id="nbflow-{code}">{icon}</g>')
    return f"<defs>{''.join(shapes)}</defs>"


# ---- edges ----


def _edges(topo: Json, codes: str) -> list[str]:
    """Return the paths of the edges by colour, the calm ones at the back."""
    groups: dict[tuple[str, str], list[str]] = {DEAD: [], CALM: [], FLOWN: [], MOVING: []}
    for parent, child, points, *mark in topo["edges"]:
        if mark:
            continue
        line = _path(topo["nodes"][parent], topo["nodes"][child], points, topo["rankdir"] == RIGHT)
        groups[_tone(codes[parent], codes[child])].append(line)
    drawn = []
    for (colour, dashes), paths in groups.items():
        if paths:
            dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
            lines = "".join([f'<path d="{path}"/>' for path in paths])
            drawn.append(f'<g fill="none" stroke="{colour}" stroke-width="1.5"{dashed}>{lines}</g>')
    return drawn


def _links(topo: Json) -> list[str]:
    """Return the links of a scene: with heads, since they may lead back, and with what they are taken on."""
    lines, labels = [], []
    for source, target, points, *mark in topo["edges"]:
        if not mark:
            continue
        label, dashed, taken, back = mark[0]
        tone = FLOWN[0] if taken else CALM[0]
        if back:
            (x0, y0), (x1, y1), (x2, y2), (x3, y3) = points
            path = f"M{x0:g},{y0:g}C{x1:g},{y1:g} {x2:g},{y2:g} {x3:g},{y3:g}"
        else:
            path = _path(topo["nodes"][source], topo["nodes"][target], points, topo["rankdir"] == RIGHT)
        dashes = ' stroke-dasharray="5 4"' if dashed else ""
        head = f' marker-end="url(#nbflow-{"on" if taken else "off"})"'
        lines.append(f'<path d="{path}" fill="none" stroke="{tone}" stroke-width="1.5"{dashes}{head}/>')
        if label:
            x, y = _middle(points, back)
            labels.append(
                f'<text x="{x:g}" y="{y + 3.5:g}" text-anchor="middle" font-size="{topology.EDGE_LABEL:g}" '
                f'stroke="{WHITE}" stroke-width="4" paint-order="stroke">{escape(words.name(label))}</text>'
            )
    if not lines:
        return []
    heads = "".join(
        f'<marker id="nbflow-{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto"><path d="M0,0.5L8,4L0,7.5Z" fill="{tone}"/></marker>'
        for name, tone in (("on", FLOWN[0]), ("off", CALM[0]))
    )
    return [f"<defs>{heads}</defs>", *lines, *labels]


def _middle(points: list[tuple[float, float]], back: bool) -> tuple[float, float]:
    """Return where the label of a link stands."""
    if back:
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = points
        return (x0 + 3 * x1 + 3 * x2 + x3) / 8, (y0 + 3 * y1 + 3 * y2 + y3) / 8
    (x0, y0), (x1, y1) = points[len(points) // 2 - 1], points[len(points) // 2]
    return (x0 + x1) / 2, (y0 + y1) / 2


def _tone(parent: str, child: str) -> tuple[str, str]:
    if child in "kx" or parent in "fkx":
        return DEAD
    if parent not in "sc" or child in "pq":
        return CALM
    return MOVING if child in "rwye" else FLOWN


def _path(parent: Json, child: Json, points: list[tuple[float, float]], across: bool) -> str:
    """Return the line of an edge from border to border: curves between layers, straight through them."""
    (x0, y0), *inner, (x1, y1) = points
    if across:
        first, last = (x0 + parent["w"] / 2, y0), (x1 - child["w"] / 2, y1)
    else:
        first, last = (x0, y0 + parent["h"] / 2), (x1, y1 - child["h"] / 2)
    at, line = first, f"M{first[0]:g},{first[1]:g}"
    for point in [*inner, last]:
        (x0, y0), (x1, y1) = at, point
        if (y0 if across else x0) == (y1 if across else x1):
            line += f"L{x1:g},{y1:g}"
        elif across:
            line += f"C{(x0 + x1) / 2:g},{y0:g} {(x0 + x1) / 2:g},{y1:g} {x1:g},{y1:g}"
        else:
            line += f"C{x0:g},{(y0 + y1) / 2:g} {x1:g},{(y0 + y1) / 2:g} {x1:g},{y1:g}"
        at = point
    return line


# ---- nodes ----


def _node(node: Json, row: NodeRow, below: str) -> str:
    look, person, stacked = LOOKS[row.code], node["kind"] == PERSON, node["n"] > 1
    width, height = node["w"], node["h"]
    text = 38 if person else 35
    paint = f'fill="{look.light.fill}" stroke="{look.light.line}"'
    first, second = (18, 32) if stacked else (height / 2 - 2.5, height / 2 + 12)
    return "".join(
        [
            f'<g transform="translate({node["x"] - width / 2:g},{node["y"] - height / 2:g})">'
            f"<title>{escape(node['label'])}: {escape(look.word)}{escape(below and ', ' + below)}"
            f"{', ' + CHANGED if row.changed else ''}</title>",
            _stack_edges(width, paint) if stacked else "",
            _card(width, height, person, row.code, paint),
            f'<use href="#nbflow-{row.code}" x="{15 if person else 11}" y="{height / 2 - 8:g}"/>',
            f'<text x="{text}" y="{first:g}" font-size="{topology.LABEL:g}" font-weight="600" fill="{INK}">'
            f'{escape(node["short"])}</text><text x="{text}" y="{second:g}">{escape(below)}</text>',
            _bar(row, text, height - 11, width - text - 12) if stacked else "",
            _changed(width) if row.changed else "",
            "</g>",
        ]
    )


def _card(width: float, height: float, person: bool, code: str, paint: str) -> str:
    dashes = ' stroke-dasharray="4 3"' if code == "k" else ""
    if person:
        path = f"M12,0H{width - 12}L{width},{height / 2:g}L{width - 12},{height}H12L0,{height / 2:g}Z"
        return f'<path d="{path}" {paint} stroke-width="1.3" stroke-linejoin="round"{dashes}/>'
    return f'<rect width="{width}" height="{height}" rx="9" {paint} stroke-width="1.3"{dashes}/>'


def _stack_edges(width: float, paint: str) -> str:
    return "".join(
        f'<rect x="{inset}" y="{top}" width="{width - 2 * inset:g}" height="20" rx="8" {paint}/>'
        for inset, top in ((7, -6), (3.5, -3))
    )


def _changed(width: float) -> str:
    """Return the badge of a result that other code or inputs have made than the graph has now."""
    return (
        f'<circle cx="{width - 5:g}" cy="3" r="7.5" fill="{WHITE}" stroke="{INK_2}"/><path fill="none" '
        f'stroke="{INK}" stroke-width="1.3" d="M{width - 8.5:g},1.2h7m-7,3.6h7M{width - 3:g},-1.4l-4,8.8"/>'
    )


def _bar(row: NodeRow, left: float, top: float, width: float) -> str:
    """Return a bar of 4 pixels with a part for each state of a stack's nodes."""
    counts, at = row.counts or {}, 0.0
    total = max(sum(counts.values()), 1)
    parts = [f'<rect x="{left}" y="{top}" width="{width:g}" height="4" rx="2" fill="{TRACK}"/>']
    for code in BAR_ORDER:
        if code not in "pq" and counts.get(code):
            part = counts[code] / total * width
            colour = LOOKS[code].light.line
            parts.append(f'<rect x="{left + at:g}" y="{top}" width="{part:.1f}" height="4" rx="1" fill="{colour}"/>')
            at += part
    return "".join(parts)


def _below(row: NodeRow, now: float, clock: bool) -> str:
    """Return the second line of a node."""
    if row.counts:
        failed = f" · {words.number(row.counts['f'])} failed" if row.counts.get("f") else ""
        return f"{words.number(row.done or 0)} of {words.number(row.total or 0)}{failed}"
    word = LOOKS[row.code].word.lower()
    tries = f" · {row.attempt} tries" if row.attempt > 1 and row.code in "rysf" else ""
    if row.code == "r" and row.total:
        return f"{100 * (row.done or 0) / row.total:.0f} %{tries}"
    took = took_of(row, now) if clock and row.code in "rsf" else None
    return (word if took is None else words.duration(took)) + tries
