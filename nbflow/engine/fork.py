"""Make a run that shares what another one has finished, and goes its own way from there."""

from __future__ import annotations

import json

from ..core import records as r
from ..core.cleaning import blobs_of
from ..core.codec import encode
from ..core.graph import FORGOTTEN, Json
from ..core.state import RunState
from ..errors import StorageDamaged, WorkflowExistsError, WorkflowNotResumableError
from ..storage.base import RunJournal
from . import inspect
from .folding import fold
from .host import Host
from .summary import summary_of

LONGEST = 240
"""Characters of the parent's id in the id that a fork is given."""


def fork(host: Host, workflow_id: str, new_id: str | None, after: str | None, metadata: Json | None) -> str:
    """Store a fork of a run and return its id. Not on the engine's loop. A crash leaves no run or a whole one.

    The parent may be live, here or elsewhere: then its journal is taken as it is at this moment. Raises
    WorkflowNotFoundError, WorkflowNotResumableError, WorkflowExistsError, ValueError for a node that is not finished.
    """
    host.storage.check_writable()
    try:
        return _fork(host, workflow_id, new_id, after, metadata)
    except StorageDamaged:
        # A parent that ends may remove its values at this moment; then its journal says so by now.
        return _fork(host, workflow_id, new_id, after, metadata)


def _fork(host: Host, workflow_id: str, new_id: str | None, after: str | None, metadata: Json | None) -> str:
    if not host.storage.exists(workflow_id):
        raise inspect.not_found(workflow_id)
    wires = host.storage.read_run(workflow_id)
    state = fold(wires)
    if state.output < 0:
        raise WorkflowNotResumableError(workflow_id, f"Run {workflow_id!r} was never wholly stored: begin it anew.")
    again = _needing(state, _finished(state, after)) if after is not None else ()
    journal = _create(host, workflow_id, new_id)
    try:
        kept = state.metadata if metadata is None else metadata
        now = round(host.clock.time(), 3)
        forked = r.RunForked(journal.workflow_id, workflow_id, now, after or "", kept, again)
        journal.share_blobs(workflow_id, sorted(set[str]().union(*map(blobs_of, wires))))
        # In one commit: before it there is no run, and after it there is a whole one.
        journal.append([*(json.dumps(wire, separators=(",", ":")) for wire in wires), encode(forked)])
        state.handle(forked)
        journal.write_status(summary_of(state))
    finally:
        journal.close()
    return journal.workflow_id


def _create(host: Host, workflow_id: str, new_id: str | None) -> RunJournal:
    """Make the new run; one that is given no id is called after its parent, with the next free number."""
    number = 1
    while True:
        name = new_id or f"{workflow_id[:LONGEST]}-fork" + (f"-{number}" if number > 1 else "")
        try:
            return host.storage.create_run(name)
        except FileExistsError:
            if new_id is not None:
                raise WorkflowExistsError(new_id, f"Run {new_id!r} exists already: give the fork another id.") from None
            number += 1


def _finished(state: RunState, after: str) -> int:
    """Return the node of an id. Raises ValueError unless it is finished."""
    index = state.index.get(after)
    if index is None or state.driver >= 0:
        known = [] if state.driver >= 0 else [node.node_id for node in state.nodes if node.status.finished]
        listed = f"it has finished {', '.join(map(repr, known[:10]))}" if known else "leave after= out"
        raise ValueError(f"Run {state.workflow_id!r} has no task {after!r} to fork after: {listed}.")
    if not state.nodes[index].status.finished:
        raise ValueError(
            f"Task {after!r} of run {state.workflow_id!r} is {state.nodes[index].status}: a fork shares what is "
            "finished. Name a finished task, or leave after= out to share all of them."
        )
    return index


def _needing(state: RunState, index: int) -> tuple[int, ...]:
    """Return the nodes that use the value of a node, also where it became the value of those that grew it."""
    same = {index}
    owner, node = state.nodes[index].owner, index
    while owner >= 0 and state.nodes[owner].output == node:
        same.add(owner)
        owner, node = state.nodes[owner].owner, owner
    return tuple(
        [i for i, each in enumerate(state.nodes) if each.owner != FORGOTTEN and not same.isdisjoint(each.spec.deps)]
    )
