"""All runs of a storage as one value: a table for a notebook, for a terminal and for pandas."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from ..core.graph import Json
from ..core.status import NodeStatus, WorkflowStatus
from . import words
from .header import STATES, WAITING
from .palette import LOOKS

if TYPE_CHECKING:
    import pandas as pd

ROWS = 60
"""A table for people shows so many runs, the newest; ``to_dataframe`` has them all."""
FINISHED = "sc"
"""The letters of the nodes that have a value."""

N = NodeStatus
LETTERS = {
    N.PENDING: "p", N.QUEUED: "q", N.RUNNING: "r", N.GROWN: "r", N.WAITING: "e", N.COMMITTING: "e", N.RETRYING: "y",
    N.DONE: "s", N.RESTORED: "c", N.FAILED: "f", N.SKIPPED: "k", N.CANCELED: "x",
}  # fmt: skip
"""The letter of the look of a node's state, as far as a count of nodes can tell it."""


_STATUSES = frozenset(map(str, N))


class RunRow(NamedTuple):
    """One run as a listing shows it. Times are UTC seconds, 0 when there is none.

    ``counts`` are the letters of its nodes; ``questions`` the titles of those that are open, ``asked`` their tokens,
    which differ for each time that something is asked. ``live`` tells whether somebody runs it now, ``trouble`` what
    keeps it from being stored or read.
    """

    workflow_id: str
    name: str
    status: WorkflowStatus
    counts: dict[str, int]
    questions: tuple[str, ...]
    created: float
    started: float
    ended: float
    changed: float
    live: bool
    trouble: str = ""
    asked: tuple[int, ...] = ()

    @classmethod
    def of(
        cls, workflow_id: str, summary: Json, status: WorkflowStatus, *, live: bool, changed: float, trouble: str = ""
    ) -> RunRow:
        """Return the row of a run from its summary, which is a cache: what it lacks is left out."""
        counts = summary.get("counts")
        asked = summary.get("questions") if not status.ended else None
        times = (summary.get(name) for name in ("created", "started", "ended"))
        created, started, ended = (float(at) if isinstance(at, (int, float)) else 0.0 for at in times)
        asks = [ask for ask in asked or () if isinstance(ask, dict)]
        titles = [str(ask.get("title") or ask.get("id")) for ask in asks]
        return cls(
            workflow_id,
            str(summary.get("name") or ""),
            status,
            _letters(counts if isinstance(counts, dict) else {}, bool(titles)),
            tuple(titles),
            created or changed,
            started,
            ended if status.ended else 0.0,
            changed,
            live,
            trouble or str(summary.get("trouble") or ""),
            tuple(int(ask.get("token") or 0) for ask in asks),
        )

    @property
    def look(self) -> tuple[str, str, str]:
        """The word of the message format, the letter of the look, and the words for a person."""
        return WAITING if self.questions and self.status is WorkflowStatus.RUNNING else STATES[self.status]

    @property
    def done(self) -> int:
        """How many nodes have a value."""
        return sum(self.counts.get(code, 0) for code in FINISHED)

    @property
    def total(self) -> int:
        """How many nodes are known; 0 when nothing is."""
        return sum(self.counts.values())


def _letters(counts: Json, asks: bool) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, count in counts.items():
        if name not in _STATUSES or not isinstance(count, int) or count <= 0:
            continue  # of a later version
        code = "w" if asks and name == N.WAITING else LETTERS[N(name)]
        found[code] = found.get(code, 0) + count
    return found


class RunList(Sequence[RunRow]):
    """All runs of a storage, the last changed first. Shows itself as a table; a slice is a RunList too."""

    def __init__(self, rows: Sequence[RunRow], where: str = "") -> None:
        self._rows = tuple(rows)
        self.where = where
        """How a person names the storage."""

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> RunRow: ...
    @overload
    def __getitem__(self, index: slice) -> RunList: ...
    def __getitem__(self, index: int | slice) -> RunRow | RunList:
        return RunList(self._rows[index], self.where) if isinstance(index, slice) else self._rows[index]

    def to_dataframe(self) -> pd.DataFrame:
        """Return the runs as a DataFrame, one row each; times are in UTC, ``questions`` counts those that are open."""
        import pandas as pd  # heavy, and only wanted here

        def times(found: list[float]) -> Any:
            seconds = pd.Series([at or None for at in found], dtype="float64")
            return pd.to_datetime(seconds, unit="s", utc=True).dt.round("ms")

        rows = self._rows
        return pd.DataFrame(
            {
                "id": [row.workflow_id for row in rows],
                "name": [row.name for row in rows],
                "status": [str(row.status) for row in rows],
                "live": pd.Series([row.live for row in rows], dtype="bool"),
                "done": pd.Series([row.done for row in rows], dtype="int64"),
                "total": pd.Series([row.total for row in rows], dtype="int64"),
                "questions": pd.Series([len(row.questions) for row in rows], dtype="int64"),
                "created": times([row.created for row in rows]),
                "changed": times([row.changed for row in rows]),
            }
        )

    def __repr__(self) -> str:
        if not self._rows:
            return f"No runs{f' in {self.where}' if self.where else ''} yet"
        heads = ("run", "name", "state", "progress", "questions", "created", "changed")
        lines = [heads, *(_cells(row) for row in self._rows[:ROWS])]
        widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
        text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
        return "\n".join([line.rstrip() for line in text] + ([self._more] if self._more else []))

    def _repr_html_(self) -> str:
        if not self._rows:
            return f"<p>{escape(repr(self))}</p>"
        names = ("Run", "State", "Progress", "Questions", "Created", "Changed")
        head = "".join(f'<th style="text-align:left">{name}</th>' for name in names)
        body = "".join(map(_html_row, self._rows[:ROWS]))
        more = f"<p>{escape(self._more)}</p>" if self._more else ""
        return f'<table cellpadding="5"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}'

    @property
    def _more(self) -> str:
        rest = len(self._rows) - ROWS
        return f"{words.ELLIPSIS} and {words.number(rest)} more; to_dataframe() has them all" if rest > 0 else ""


def _when(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}" if at else ""


def _short(text: str, longest: int = 40) -> str:
    text = words.name(text)
    return text if len(text) <= longest else text[: longest - 1] + words.ELLIPSIS


def _progress(row: RunRow) -> str:
    failed = f", {words.number(row.counts['f'])} failed" if row.counts.get("f") else ""
    return f"{words.number(row.done)} of {words.number(row.total)}{failed}" if row.total else ""


def _cells(row: RunRow) -> tuple[str, ...]:
    _, code, word = row.look
    return (
        _short(row.workflow_id),
        _short(row.name, 30),
        f"{LOOKS[code].glyph} {word}",
        _progress(row),
        str(len(row.questions) or ""),
        _when(row.created),
        _when(row.changed),
    )


def _html_row(row: RunRow) -> str:
    _, code, word = row.look
    look = LOOKS[code]
    colours = f"background:{look.light.fill};color:{look.light.ink};border:1px solid {look.light.line}"
    state = f'<span style="{colours};border-radius:99px;padding:1px 9px;white-space:nowrap">{look.glyph} {word}</span>'
    name = f"<b>{escape(_short(row.name))}</b><br>" if row.name else ""
    asked = "<br>".join(escape(_short(title, 60)) for title in row.questions[:3])
    more = f"<br>and {len(row.questions) - 3} more" if len(row.questions) > 3 else ""
    cells = [
        f"{name}<code>{escape(_short(row.workflow_id, 80))}</code>",
        state,
        _bar(row),
        asked + more,
        *(f'<span style="white-space:nowrap">{_when(at)}</span>' for at in (row.created, row.changed)),
    ]
    return "<tr>" + "".join(f'<td style="text-align:left">{cell}</td>' for cell in cells) + "</tr>"


def _bar(row: RunRow) -> str:
    if not row.total:
        return ""
    parts = [(row.done / row.total, LOOKS["s"]), (row.counts.get("f", 0) / row.total, LOOKS["f"])]
    pieces = "".join(
        f'<span style="display:inline-block;height:6px;width:{share * 90:.0f}px;background:{look.light.line}"></span>'
        for share, look in parts
        if share
    )
    bed = "display:block;width:90px;height:6px;line-height:0;overflow:hidden;border-radius:3px;background:#8883"
    return f'<span style="{bed}">{pieces}</span><span style="white-space:nowrap">{_progress(row)}</span>'
