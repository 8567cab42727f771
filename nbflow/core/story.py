"""All that ever happened to one node, told from the records of its run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import InvalidTransition
from . import records as r
from .changes import what_changed
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
    final = RunState(remembers=True)
    for record in known:
        try:
            final.handle(record)
        except InvalidTransition:
            break
    found = [index for index, node in enumerate(final.nodes) if node.node_id == node_id]
    return _rows(known, set(found))


def _rows(records: list[r.Record], wanted: set[int]) -> list[Row]:
    state, rows = RunState(remembers=True), []
    last = -1
    for number, record in enumerate(records):
        before = {index: state.nodes[index].status for index in wanted if index < len(state.nodes)}
        marked = {index for index in before if state.nodes[index].changed}
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
            kept = _kept(state, index, record) + _changed(state, index, index in marked)
            if named or kept or before.get(index) is not state.nodes[index].status:
                rows.append(Row(number, moment(record), _told(state, record) + kept, state.nodes[index].status))
                last = index
    return rows


def _told(state: RunState, record: r.Record) -> str:
    """Return what a record says, with the name of the node that it speaks of: a person knows no numbers."""
    said = tell(record)
    if isinstance(record, r.RunFailed | r.NodesCalled) and record.node >= 0:
        said = said.replace(f"node {record.node}", repr(state.nodes[record.node].node_id))
    return said


def _changed(state: RunState, index: int, marked: bool) -> str:
    """Return what to add where a result stops being, or is again, that of the code and inputs given now."""
    if state.nodes[index].changed == marked or not (marked or state.nodes[index].made):
        return ""
    if marked:
        return "; what made its result is given again" if state.nodes[index].status.finished else ""
    return f"; its result stays, which other {' and '.join(what_changed(state, index))} made"


def _kept(state: RunState, index: int, record: r.Record) -> str:
    """Return what to add about an event of a wait's key that no wait takes now, or to the end."""
    wait = state.nodes[index].wait
    if wait is None or not wait.key:
        return ""
    waiting = {event.event_id for event in state.inbox.waiting() if event.key == wait.key}
    if isinstance(record, r.EventReceived):
        return "; nobody waits for it now, so it is kept" if record.event_id in waiting else ""
    left = waiting if isinstance(record, r.RunSucceeded | r.RunCanceled) else ()
    return f"; nobody took {', '.join(map(repr, sorted(left)))} for {wait.key!r}" if left else ""
