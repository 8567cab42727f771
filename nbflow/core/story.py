"""All that ever happened to one node, told from the records of its run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import InvalidTransition
from . import records as r
from .state import RunState
from .status import NodeStatus
from .tell import moment, tell


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that happened: ``number`` counts the records of the run from 0, ``at`` is in UTC seconds.

    ``status`` is the state of the node after it.
    """

    number: int
    at: float | None
    what: str
    status: NodeStatus

    def __str__(self) -> str:
        return f"#{self.number} {self.what} -> {self.status}"


def story(records: Iterable[r.Record], node_id: str) -> list[str]:
    """Return all that happened to a node as lines, oldest first. Raises ValueError for a node the run never had.

    The records are those of the run from its beginning. A record that cannot happen ends the story with what it says.
    """
    found = rows(records, node_id)
    if not found:
        raise ValueError(f"the run has no node {node_id!r}; its table lists the nodes that it has")
    return [str(row) for row in found]


def rows(records: Iterable[r.Record], node_id: str) -> list[Row]:
    """Return all that happened to a node, oldest first; empty when the run never had it."""
    known = list(records)
    final = RunState()
    for record in known:
        try:
            final.handle(record)
        except InvalidTransition:
            break
    found = [index for index, node in enumerate(final.nodes) if node.node_id == node_id]
    return _rows(known, set(found))


def _rows(records: list[r.Record], wanted: set[int]) -> list[Row]:
    state, rows = RunState(), []
    last = -1
    for number, record in enumerate(records):
        before = {index: state.nodes[index].status for index in wanted if index < len(state.nodes)}
        try:
            state.handle(record)
        except InvalidTransition as error:
            if last >= 0:
                rows.append(Row(number, moment(record), f"this cannot happen: {error}", state.nodes[last].status))
            break
        for index in sorted(wanted):
            if index >= len(state.nodes):
                continue
            named = isinstance(record, r.NodeRecord) and record.node == index
            if named or before.get(index) is not state.nodes[index].status:
                rows.append(Row(number, moment(record), tell(record), state.nodes[index].status))
                last = index
    return rows
