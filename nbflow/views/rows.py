"""What a view says about one node: its letter, its times, its attempts, a note; and the same for a stack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from reprlib import Repr
from typing import Any, NamedTuple

from ..core.caching import origin
from ..core.graph import Json
from ..core.node import Node
from ..core.state import RunState
from ..core.status import NodeStatus, WorkflowStatus
from . import words
from .palette import WORST_FIRST

N = NodeStatus

_CODES = {
    N.PENDING: "p",
    N.QUEUED: "q",
    N.RUNNING: "r",
    N.COMMITTING: "e",
    N.RETRYING: "y",
    N.DONE: "s",
    N.RESTORED: "c",
    N.FAILED: "f",
    N.SKIPPED: "k",
    N.CANCELED: "x",
}
CHANGED = "changed since it ran"
"""What is said of a result that other code or inputs have made than the graph has now."""
_BEGUN = frozenset("rweysfcx")
_ENDED = frozenset("sfcx")
_SIMPLE = frozenset("pqrsckx")

_short = Repr()
_short.maxstring = _short.maxother = 120


class Row(NamedTuple):
    """One node of the run as it is shown. Times are UTC seconds, None when there is none."""

    code: str = "p"
    started: float | None = None
    ended: float | None = None
    attempt: int = 0
    note: str = ""
    changed: bool = False


class NodeRow(NamedTuple):
    """One drawn node as it is shown.

    ``done`` of ``total`` counts the finished nodes of a stack, or the progress of a task that tells it; ``counts`` are
    the letters of a stack's nodes, None for a single node; ``changed`` counts the results that other code or
    inputs have made than the graph has now.
    """

    code: str = "p"
    started: float | None = None
    ended: float | None = None
    attempt: int = 0
    done: int | None = None
    total: int | None = None
    note: str = ""
    counts: dict[str, int] | None = None
    changed: int = 0

    def to_message(self) -> list[Any]:
        """Return the row as the front end wants it: t0, t1, attempt, done, total, note, counts, and changed if any."""
        return list(self[1:] if self.changed else self[1:-1])


def blamed(state: RunState) -> frozenset[int]:
    """Return the nodes below which the run has failed: they grew the failed node, or one that grew it."""
    found = set()
    if state.failed >= 0 and state.status is WorkflowStatus.FAILED:
        owner = state.nodes[state.failed].owner
        while owner >= 0:
            found.add(owner)
            owner = state.nodes[owner].owner
    return frozenset(found)


def row_of(state: RunState, index: int, blame: frozenset[int]) -> Row:
    """Return how a node is shown now; ``blame`` comes from ``blamed``."""
    node = state.nodes[index]
    status = node.status
    code = _CODES.get(status) or _other_code(state, index, blame)
    started = round(node.started, 3) if node.started and code in _BEGUN else None
    ended = round(node.ended, 3) if started is not None and node.ended and code in _ENDED else None
    note = (
        ""
        if code in _SIMPLE and not (node.caught or node.changed or node.wait or origin(node.value))
        else _note(node, code)
    )
    return Row(code, started, ended, node.attempt, note, node.changed)


def _other_code(state: RunState, index: int, blame: frozenset[int]) -> str:
    node = state.nodes[index]
    if node.status is N.WAITING:
        return "w" if node.wait is not None and node.wait.prompt is not None else "e"
    if index in blame:
        return "f"
    # nothing is under way below a grown node when nobody runs the run
    return "r" if state.status is WorkflowStatus.RUNNING else "p"


def _note(node: Node, code: str) -> str:
    if code == "f":
        return words.error_line(node.error) or "failed below"
    if code == "y":
        return f"{words.error_line(node.error)}; will try again" if node.error else "will try again"
    if code == "w" and node.wait is not None:
        assigned = ", ".join(map(str, (node.wait.prompt or {}).get("assigned_to") or ()))
        return f"for {words.one_line(assigned)}" if assigned else ""
    if code == "e":
        return _waits_for(node)
    if node.caught:
        return "its exception was caught"
    if code in "sc" and node.wait is not None and node.wait.prompt is not None:
        return words.one_line(answer_of(node.value))
    if node.changed and code in "sc":
        return CHANGED
    return words.one_line(f"from run {origin(node.value)!r}") if origin(node.value) else ""


def _waits_for(node: Node) -> str:
    if node.status is N.COMMITTING:
        return "telling the source of its event"
    if node.wait is not None and node.wait.key:
        return words.one_line(f"for {node.wait.key!r}")
    return "for its time" if node.wait is not None and node.wait.deadline is not None else "for an event"


def answer_of(value: Json | None) -> str:
    """Return the option that a stored decision names, empty when it names none."""
    chosen = value.get("v") if value is not None and value.get("c") == "json" else None
    if isinstance(chosen, dict):
        chosen = chosen.get("option")
    return chosen if isinstance(chosen, str) else ""


def preview(value: Json | None) -> str:
    """Return a stored value in a few words, without loading it."""
    if value is None:
        return ""
    if value.get("pv"):
        return str(value["pv"])
    return _short.repr(value["v"]) if value.get("c") == "json" else str(value.get("ty", ""))


def stack_code(counts: Counter[str]) -> str:
    """Return the letter of a stack: the first in the order of ``WORST_FIRST`` that one of its nodes has."""
    return next((code for code in WORST_FIRST if counts[code] > 0), "p")


def single_row(row: Row) -> NodeRow:
    """Return the row of a drawn node that is one node of the run."""
    return NodeRow(row.code, row.started, row.ended, row.attempt, None, None, row.note, None, int(row.changed))


def stack_row(rows: Sequence[Row]) -> NodeRow:
    """Return the row of a stack. Its note is that of the first node that failed."""
    counts = Counter(row.code for row in rows)
    failed = next((row.note for row in rows if row.code == "f"), "")
    return summed(
        counts,
        min((row.started for row in rows if row.started is not None), default=None),
        max((row.ended for row in rows if row.ended is not None), default=None),
        max((row.attempt for row in rows), default=0),
        failed,
        sum(row.changed for row in rows),
    )


def summed(
    counts: Counter[str], started: float | None, ended: float | None, attempt: int, note: str, changed: int = 0
) -> NodeRow:
    """Return the row of a stack from what its nodes add up to; it has ended when nothing is active or to come."""
    code = stack_code(counts)
    total = sum(counts.values())
    shown = {letter: count for letter, count in counts.items() if count}
    over = ended if code in _ENDED or code == "k" else None
    note = note or (f"{words.number(changed)} changed since" if changed else "")
    return NodeRow(code, started, over, attempt, counts["s"] + counts["c"], total, note, shown, changed)


def counted(rows: Iterable[Row]) -> dict[str, int]:
    """Return how many rows have each letter."""
    return dict(Counter(row.code for row in rows))
