"""The stored code of a run, where this kernel was not given any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import WorkflowNotResumableError
from ..storage import values

if TYPE_CHECKING:
    from ..dag.task import Task
    from .runner import Runner


def load_code(runner: Runner, key: str) -> Task[Any, Any]:
    """Return the code that a run has stored under a key. Raises WorkflowNotResumableError with the remedy."""
    code = runner.state.codes[key]
    where = f"Run {runner.workflow_id!r} needs the code of {code.name!r}"
    remedy = f"Run the cell that defines it, then nbflow.run(dag, workflow_id={runner.workflow_id!r})."
    if code.value is None:
        raise WorkflowNotResumableError(runner.workflow_id, f"{where}, which could not be stored. {remedy}")
    try:
        task: Task[Any, Any] = values.decode(code.value, runner.blobs)
    except Exception as error:
        raise WorkflowNotResumableError(
            runner.workflow_id, f"{where}, which cannot be loaded: {error} {remedy}"
        ) from error
    return task
