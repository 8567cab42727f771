"""The nodes of a run as rows: for people those that need them first, for pandas all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import words
from .palette import LOOKS, WORST_FIRST
from .rows import NodeRow, Row
from .snapshot import Snapshot, TaskRow

if TYPE_CHECKING:
    import pandas as pd


def urgency(row: Row | NodeRow) -> int:
    """Return a number by which rows sort: what is under way, what failed, what is to come, what is over."""
    return WORST_FIRST.index(row.code)


def tasks_in_order(snapshot: Snapshot) -> list[TaskRow]:
    """Return all nodes of a run, those that need a person first, else in the order of the run."""
    return sorted(snapshot.tasks, key=lambda task: urgency(task.row))


def took_of(row: Row | NodeRow, now: float) -> float | None:
    """Return how many seconds a node took, up to ``now`` while it is under way; None when it has not begun."""
    if row.started is None:
        return None
    if row.ended is not None:
        return row.ended - row.started
    return now - row.started if row.code in "rwye" else None


def to_dataframe(snapshot: Snapshot) -> pd.DataFrame:
    """Return the nodes of a run as a DataFrame, one row each, what is under way first, then what failed.

    ``started`` and ``ended`` are in UTC; ``seconds`` counts up to the snapshot for a node under way; ``value`` is a
    preview, ``error`` the class and the first line of the message.
    """
    import pandas as pd  # heavy, and only wanted here

    tasks = tasks_in_order(snapshot)
    rows = [task.row for task in tasks]

    def times(found: list[float | None]) -> Any:
        return pd.to_datetime(pd.Series(found, dtype="float64"), unit="s", utc=True).dt.round("ms")

    return pd.DataFrame(
        {
            "node": [task.node_id for task in tasks],
            "state": ["waiting" if row.code == "w" else LOOKS[row.code].word.lower() for row in rows],
            "attempts": pd.Series([row.attempt for row in rows], dtype="int64"),
            "started": times([row.started for row in rows]),
            "ended": times([row.ended for row in rows]),
            "seconds": pd.Series([took_of(row, snapshot.at) for row in rows], dtype="float64").round(3),
            "value": [task.value for task in tasks],
            "error": [words.error_line(task.error) for task in tasks],
            "note": [row.note if row.code != "f" else "" for row in rows],
            "function": [task.function for task in tasks],
        }
    )
