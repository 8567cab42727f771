"""What is removed of a run that has succeeded, when that was asked for: all values but the result."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..core.cleaning import blobs_of, cleaned
from ..core.status import WorkflowStatus
from .folding import fold

if TYPE_CHECKING:
    from .runner import Runner


def clean_up(runner: Runner) -> None:
    """Remove what only the run needed. Not on the engine's loop; the run writes nothing any more.

    A crash leaves the run as it was or as it is wanted. Raises StorageError.
    """
    wires = runner.host.storage.read_run(runner.workflow_id)
    before = fold(wires)
    if before.status is not WorkflowStatus.SUCCESSFUL:
        return  # it goes on elsewhere
    shorter = cleaned(wires, before)
    after = fold(shorter)
    if (after.status, after.output, len(after.nodes)) != (before.status, before.output, len(before.nodes)):
        raise RuntimeError("the run without its values is not the same run")
    lines = [json.dumps(wire, separators=(",", ":")) for wire in shorter]
    runner.journal.compact(lines, blobs_of(shorter))
