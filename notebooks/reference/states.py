"""Draws the transition tables of the core: one picture and one whole table each, for light and dark pages.

The picture is laid out by nbflow's own views, so it is the same each time and needs no ``dot`` program. What it leaves
out follows from the rules in ``arrows``; the table leaves nothing out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from enum import StrEnum
from html import escape
from typing import Any

from nbflow.core.records import CallAgain, CallStopped, Record, RunForked
from nbflow.core.status import NodeStatus, WorkflowStatus
from nbflow.core.table import RUN_TRANSITIONS, TRANSITIONS
from nbflow.views.layout import RIGHT, Graph, Order
from nbflow.views.palette import LOOKS, Colours
from nbflow.views.topo import backward
from nbflow.views.words import text_width

Table = Mapping[Any, StrEnum | None]
Box = tuple[float, float, float, float]
"""The middle of a state's box, its width and its height."""
ROOF = 46
"""Pixels above the boxes, for the arrows that lead back."""

N, W = NodeStatus, WorkflowStatus
LOOK_OF: dict[StrEnum | None, str] = {
    None: "k", W.PENDING: "q", W.RUNNING: "r", W.SUCCESSFUL: "s", W.FAILED: "f", W.RESUMABLE: "e", W.CANCELED: "x",
    N.PENDING: "p", N.QUEUED: "q", N.RUNNING: "r", N.WAITING: "e", N.COMMITTING: "w", N.RETRYING: "y", N.GROWN: "r",
    N.DONE: "s", N.RESTORED: "c", N.FAILED: "f", N.SKIPPED: "k", N.CANCELED: "x",
}  # fmt: skip
ASIDE: frozenset[type[Record]] = frozenset({RunForked, CallAgain, CallStopped})
"""Records that may come in nearly every state: in the table only."""
FOLLOWS: dict[tuple[StrEnum | None, StrEnum], str] = {
    (N.PENDING, N.QUEUED): "its inputs are there",
    (N.PENDING, N.SKIPPED): "an input failed",
    (N.WAITING, N.DONE): "EventReceived",
    (N.DONE, N.RESTORED): "RunOpened",
    (N.RUNNING, N.CANCELED): "RunCanceled",
    (N.WAITING, N.CANCELED): "RunCanceled",
}
"""Moves of a node that need no record of its own: they follow from those of others."""
LATER: dict[StrEnum | None, tuple[StrEnum, ...]] = {
    N.PENDING: (N.QUEUED, N.RUNNING), N.QUEUED: (N.RUNNING,), N.RETRYING: (N.QUEUED, N.RUNNING),
}  # fmt: skip
NAMES = {"runs": RUN_TRANSITIONS, "nodes": TRANSITIONS}


def arrows(table: Table) -> dict[tuple[StrEnum | None, StrEnum], list[str]]:
    """Return what is drawn: the records of each arrow, by the states at its ends.

    Left out are what is ignored or changes nothing, the records that may come nearly always, and a record that comes
    before its time: a body's start is seldom written down, so what follows it is legal without it, too.
    """
    drawn: dict[tuple[StrEnum | None, StrEnum], list[str]] = defaultdict(list)
    for (status, record), target in table.items():
        early = any(table.get((later, record)) is target for later in LATER.get(status, ()))
        if target is not None and target is not status and record not in ASIDE and not early:
            drawn[status, target].append(record.__name__)
    if table is TRANSITIONS:
        for move, why in FOLLOWS.items():
            drawn[move].append(why)
    return dict(drawn)


# ---- the picture ----


def picture(name: str) -> str:
    """Return the picture of a table, ``runs`` or ``nodes``, as SVG to be put into a page.

    What leads to a state stands in its box, since a record nearly always leads to the same one.
    """
    drawn = arrows(NAMES[name])
    states = list(dict.fromkeys(state for ends in drawn for state in ends))
    places = {state: place for place, state in enumerate(states)}
    by = {state: _into(state, drawn) for state in states}
    edges = [(places[source], places[target]) for source, target in drawn]
    back = backward(len(states), edges)
    sizes = [_size(_word(state), by[state]) for state in states]
    ahead = [edge for place, edge in enumerate(edges) if place not in back]
    layout = Order.of(graph := Graph(sizes, ahead, {RIGHT: 6.0})).place(graph, RIGHT)
    boxes = [(x, y + ROOF, *size) for (x, y), size in zip(layout.centers, sizes, strict=True)]
    lines = iter(layout.lines)
    ways = []
    for place, ((source, target), ends) in enumerate(zip(edges, drawn, strict=True)):
        pair = boxes[source], boxes[target]
        line = _over(*pair) if place in back else _along(*pair, next(lines))
        ways.append(f'<path class="way{" dashed" if ends in FOLLOWS else ""}" d="{line}"/>')
    shapes = [_shape(box, state, by[state]) for box, state in zip(boxes, states, strict=True)]
    return (
        f'<svg class="nbflow-diagram" viewBox="0 0 {layout.width:g} {layout.height + ROOF:g}" width="{layout.width:g}" '
        f'role="img" aria-label="The states of {name}"><defs><marker id="nbflow-head" viewBox="0 0 8 8" refX="7" '
        'refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="head" d="M0,0.5L8,4L0,7.5Z"/></marker>'
        f"</defs>{''.join([*ways, *shapes])}</svg>"
    )


def _into(state: StrEnum | None, drawn: dict[tuple[StrEnum | None, StrEnum], list[str]]) -> list[str]:
    """Return what leads to a state, each once."""
    return list(dict.fromkeys(word for ends, words in drawn.items() if ends[1] is state for word in words))


def _word(state: StrEnum | None) -> str:
    return "new" if state is None else state.value


def _size(word: str, by: list[str]) -> tuple[float, float]:
    wide = max(text_width(word, 12.5), *(text_width(line, 10.0) for line in by), 60.0)
    return round(wide + 26), 30 + 14 * len(by)


def _along(source: Box, target: Box, points: list[tuple[float, float]]) -> str:
    """Return the line of an arrow to the right, from border to border, around what stands between."""
    (x0, y0, w0, _), (x1, y1, w1, _) = source, target
    at, line = (x0 + w0 / 2, y0), f"M{x0 + w0 / 2:g},{y0:g}"
    for x, y in [*((x, y + ROOF) for x, y in points[1:-1]), (x1 - w1 / 2, y1)]:
        middle = (at[0] + x) / 2
        line += f"L{x:g},{y:g}" if y == at[1] else f"C{middle:g},{at[1]:g} {middle:g},{y:g} {x:g},{y:g}"
        at = (x, y)
    return line


def _over(source: Box, target: Box) -> str:
    """Return the line of an arrow that leads back: over all that is there."""
    (x0, y0, _, h0), (x1, y1, _, h1) = source, target
    top = 4 - (x0 - x1) / 40
    return f"M{x0:g},{y0 - h0 / 2:g}C{x0 - 10:g},{top:g} {x1 + 40:g},{top:g} {x1 + 6:g},{y1 - h1 / 2:g}"


def _shape(box: Box, state: StrEnum | None, by: list[str]) -> str:
    x, y, width, height = box
    top = y - height / 2
    small = "".join(
        f'<text class="by" x="{x:g}" y="{top + 34 + 14 * row:g}">{escape(line)}</text>' for row, line in enumerate(by)
    )
    return (
        f'<g class="state look-{LOOK_OF[state]}"><rect x="{x - width / 2:g}" y="{top:g}" width="{width:g}" '
        f'height="{height:g}" rx="9"/><text x="{x:g}" y="{top + 19:g}">{_word(state)}</text>{small}</g>'
    )


def style() -> str:
    """Return the style sheet of the colours: those of the views, in both themes."""
    light = "".join(_paint(code, look.light) for code, look in LOOKS.items())
    dark = "".join(_paint(code, look.dark) for code, look in LOOKS.items())
    by_choice, by_system = 'body[data-theme="dark"]', 'body:not([data-theme="light"])'
    return (
        f".nbflow-diagram{{{light}}}\n{by_choice} .nbflow-diagram{{{dark}}}\n"
        f"@media (prefers-color-scheme: dark){{{by_system} .nbflow-diagram{{{dark}}}}}\n"
        + "".join(f".look-{c}{{--fill:var(--{c}-fill);--line:var(--{c}-line);--ink:var(--{c}-ink)}}\n" for c in LOOKS)
    )


def _paint(code: str, colours: Colours) -> str:
    return f"--{code}-fill:{colours.fill};--{code}-line:{colours.line};--{code}-ink:{colours.ink};"


# ---- the whole table ----


def whole(name: str) -> str:
    """Return a table, ``runs`` or ``nodes``, as HTML: a row for each record and a column for each state it may meet."""
    table = NAMES[name]
    states = list(dict.fromkeys(status for status, _ in table))
    heads = "".join(f'<th scope="col">{_word(state)}</th>' for state in states)
    rows = []
    for record in dict.fromkeys(record for _, record in table):
        cells = "".join(f"<td>{_cell(table, state, record)}</td>" for state in states)
        rows.append(f'<tr><th scope="row"><code>{record.__name__}</code></th>{cells}</tr>')
    return (
        f'<div class="nbflow-table"><table><thead><tr><th>record</th>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(table: Table, state: StrEnum | None, record: type[Record]) -> str:
    if (state, record) not in table:
        return ""
    target = table[state, record]
    return '<span class="idle">stays</span>' if target is None else target.value
