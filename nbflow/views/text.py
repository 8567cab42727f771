"""A run as plain text that is the same each time it is run: no addresses, no times, no durations, no run id."""

from __future__ import annotations

from . import words
from .palette import LOOKS, WORST_FIRST
from .questions import DONE, OPEN
from .rows import NodeRow
from .snapshot import Snapshot

LINES = 40
"""More nodes than this are cut, those that matter least first."""


def to_text(snapshot: Snapshot, lines: int = LINES) -> str:
    """Return a run in lines: what it came to, its questions, and its nodes in the order of the graph."""
    drawn = list(zip([node.label for node in snapshot.picture.nodes], snapshot.nodes, strict=True))
    kept = set(sorted(range(len(drawn)), key=lambda i: (WORST_FIRST.index(drawn[i][1].code), i))[:lines])
    shown = [(words.name(label), row) for i, (label, row) in enumerate(drawn) if i in kept]
    width = min(40, max((len(label) for label, _ in shown), default=0))
    said = [f"{LOOKS['w'].glyph} {line}" for line in _questions(snapshot)]
    nodes = [_line(label, row, width) for label, row in shown]
    if len(drawn) > len(shown):
        nodes.append(f"{words.ELLIPSIS} and {len(drawn) - len(shown)} more")
    panels = [f"{words.name(panel.title)}: {len(panel.rows)}" for panel in snapshot.panels if panel.rows]
    return "\n".join([snapshot.summary, *said, *nodes, *panels])


def _line(label: str, row: NodeRow, width: int) -> str:
    look = LOOKS[row.code]
    counts = words.counted(row.counts) if row.counts else ""
    note = words.without_addresses(words.one_line(row.note))
    rest = "  ".join(part for part in (f"{look.word:<9}", counts, note) if part)
    return f"{look.glyph} {label:<{width}}  {rest}".rstrip()


def _questions(snapshot: Snapshot) -> list[str]:
    lines = []
    for question in snapshot.questions:
        title = words.name(question.title)
        if question.state == OPEN:
            lines.append(f"{title} [{' / '.join(question.options)}]" if question.options else title)
        else:
            lines.append(f"{title} {question.answer if question.state == DONE else question.state}".rstrip())
    return [words.without_addresses(words.one_line(line)) for line in lines]
