"""A run as it stays when no kernel is there: HTML that the sanitisers of Lab, nbviewer and GitHub let through.

No script, no style sheet, no class that matters: a picture as an image, and a table that unfolds.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape

from ..core.graph import Json
from . import words
from .palette import LOOKS
from .questions import DONE, OPEN, Question, label_of
from .rows import NodeRow, Row
from .scene import Panel
from .snapshot import Snapshot, TaskRow
from .svg import to_svg
from .table import took_of, urgency
from .text import to_text
from .topo import TABLE_FIRST

ROWS = 60
FAILURES = 5
"""So many failed nodes of a stack have a row of their own."""

LEFT, RIGHT = ' style="text-align:left"', ' style="text-align:right"'


def to_bundle(snapshot: Snapshot, clock: bool = True, topo: Json | None = None) -> dict[str, str]:
    """Return a run as a MIME bundle of ``text/plain`` and ``text/html``.

    Without ``clock`` the HTML too is the same each time the run is run: no durations, times, ids or tracebacks.
    """
    return {"text/plain": to_text(snapshot), "text/html": to_html(snapshot, clock, topo)}


def to_html(snapshot: Snapshot, clock: bool = True, topo: Json | None = None) -> str:
    """Return a run as HTML: its state, its questions, its graph, its table, and the error that ended it."""
    return "".join(
        [
            _head(snapshot, clock),
            _questions(snapshot, clock),
            _picture(snapshot, clock, topo),
            _table(snapshot, clock),
            *(_panel(panel, clock) for panel in snapshot.panels),
            _changes(snapshot),
            _error(snapshot) if clock else "",
        ]
    )


def _safe(text: str, longest: int = 160) -> str:
    return escape(words.without_addresses(words.one_line(text, longest)))


def _head(snapshot: Snapshot, clock: bool) -> str:
    run = snapshot.run
    parts = [f"<b>{_safe(run.name) or 'Workflow'}</b>"]
    if clock:
        parts.append(f"<code>{_safe(run.workflow_id)}</code>")
    state = f"{LOOKS[run.look[1]].glyph} {run.look[2]}"
    took = (run.ended or snapshot.at) - run.started if run.started and (run.ended or not run.status.ended) else None
    if clock and took is not None:
        state += f" · {words.duration(took)}"
    return f"<p>{' '.join(parts)} &nbsp; <b>{escape(state)}</b> &nbsp; {escape(words.counted(snapshot.counts))}</p>"


def _questions(snapshot: Snapshot, clock: bool) -> str:
    items = "".join([f"<li>{_question(question, clock)}</li>" for question in snapshot.questions])
    return f"<ul>{items}</ul>" if items else ""


def _question(question: Question, clock: bool) -> str:
    title = _safe(question.title)
    if question.state == OPEN:
        options = " / ".join([_safe(label_of(option)) for option in question.options])
        return f"{LOOKS['w'].glyph} {title} <b>Open</b>{f': {options}' if options else ''}"
    if question.state != DONE:
        return f"{LOOKS['x'].glyph} {title} <b>{escape(question.state.capitalize())}</b>"
    said = f"{LOOKS['s'].glyph} {title} <b>{_safe(label_of(question.answer)) or 'Answered'}</b>"
    if question.by:
        said += f" by {_safe(question.by)}"
    if clock and question.answered:
        said += f" · {datetime.fromtimestamp(question.answered, UTC):%Y-%m-%d %H:%M} UTC"
    return said + (f": {_safe(question.comment)}" if question.comment else "")


def _picture(snapshot: Snapshot, clock: bool, topo: Json | None) -> str:
    count = len(snapshot.nodes)
    if not count:
        return ""
    if count > TABLE_FIRST:
        return f"<p>The graph has {words.number(count)} nodes, too many for a picture.</p>"
    image = b64encode(to_svg(snapshot, clock, topo=topo).encode()).decode()
    alt = escape(snapshot.summary)
    return f'<p><img alt="{alt}" src="data:image/svg+xml;base64,{image}" style="max-width:100%"></p>'


def _table(snapshot: Snapshot, clock: bool) -> str:
    rows = list(_rows(snapshot, clock))
    if not rows:
        return ""
    more = f"<tr><td{LEFT}>{words.ELLIPSIS} and {words.number(len(rows) - ROWS)} more</td></tr>"
    heads = [("Task", LEFT), ("State", LEFT), *([("Took", RIGHT)] if clock else []), ("Tries", RIGHT), ("Note", LEFT)]
    head = "".join([f"<th{side}>{name}</th>" for name, side in heads])
    body = "".join(rows[:ROWS]) + (more if len(rows) > ROWS else "")
    scene = bool(snapshot.picture.marks)
    total, unit = (len(snapshot.nodes), "step") if scene else (len(snapshot.tasks), "task")
    return (
        f"<details><summary>{words.number(total)} {unit}{'' if total == 1 else 's'}</summary>"
        f'<table cellpadding="4"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></details>'
    )


def _panel(panel: Panel, clock: bool) -> str:
    """Return a table of events, or what else stands below the graph of a machine or a flow."""
    if not panel.rows:
        return f"<p>{_safe(panel.empty)}</p>" if panel.empty else ""
    shown = [place for place in range(len(panel.columns)) if clock or place != panel.timed]
    head = "".join([f"<th{LEFT}>{_safe(panel.columns[place])}</th>" for place in shown])
    rows = ["".join([f"<td{LEFT}>{_safe(row.cells[place])}</td>" for place in shown]) for row in panel.rows[:ROWS]]
    if len(panel.rows) > ROWS:
        rows.append(f"<td{LEFT}>{words.ELLIPSIS} and {words.number(len(panel.rows) - ROWS)} more</td>")
    body = "".join([f"<tr>{row}</tr>" for row in rows])
    title = f"{_safe(panel.title)}: {words.number(len(panel.rows))}"
    return (
        f"<details><summary>{title}</summary>"
        f'<table cellpadding="4"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></details>'
    )


def _rows(snapshot: Snapshot, clock: bool) -> Iterator[str]:
    """Yield the rows of the table: each drawn node, and the first failures of a stack below it."""
    tasks = {task.node: task for task in snapshot.tasks}
    drawn = list(zip(snapshot.picture.nodes, snapshot.nodes, strict=True))
    for node, row in sorted(drawn, key=lambda pair: urgency(pair[1])):
        label = _safe(node.label)
        if not node.stacked:
            note = _note(tasks[node.members[0]]) if node.members else row.note
            yield _row(label, row, note, snapshot.at, clock)
            continue
        yield _row(f"{label} × {len(node.members)}", row, words.counted(row.counts or {}), snapshot.at, clock)
        failed = [tasks[i] for i in node.members if tasks[i].row.code == "f"]
        for task in failed[:FAILURES]:
            yield _row(f"&nbsp;&nbsp;↳ {_safe(task.node_id)}", task.row, _note(task), snapshot.at, clock)


def _note(task: TaskRow) -> str:
    return task.row.note or task.value


def _row(label: str, row: Row | NodeRow, note: str, now: float, clock: bool) -> str:
    look, took = LOOKS[row.code], took_of(row, now)
    cells = [f"<td{LEFT}>{label}</td>", f"<td{LEFT}>{look.glyph} {look.word}</td>"]
    if clock:
        cells.append(f"<td{RIGHT}>{'' if took is None else words.duration(took)}</td>")
    cells += [f"<td{RIGHT}>{row.attempt or ''}</td>", f"<td{LEFT}>{_safe(note)}</td>"]
    return f"<tr>{''.join(cells)}</tr>"


def _changes(snapshot: Snapshot) -> str:
    """Return what changed in the code of tasks whose results were kept."""
    parts = []
    for task in [task for task in snapshot.tasks if task.change][:FAILURES]:
        head, _, diff = task.change.partition("\n")
        text = f"{_safe(task.node_id)}: {_safe(head)}"
        lines = escape(words.without_addresses(diff))
        parts.append(f"<details><summary>{text}</summary><pre>{lines}</pre></details>" if diff else f"<p>{text}</p>")
    return "".join(parts)


def _error(snapshot: Snapshot) -> str:
    failed = next((task for task in snapshot.tasks if task.node_id == snapshot.run.failed), None)
    if failed is None or not failed.error:
        return ""
    trace = escape(words.clean(str(failed.error.get("traceback") or ""))[-8000:])
    head = f"{_safe(failed.node_id)}: {_safe(words.error_line(failed.error))}"
    return f"<details><summary>{head}</summary><pre>{trace}</pre></details>" if trace else f"<p>{head}</p>"
