"""The stored code of a run, where this kernel was not given any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.status import WorkflowStatus
from ..errors import WorkflowNotResumableError
from ..storage import values

if TYPE_CHECKING:
    from ..core.state import RunState
    from ..dag.task import Task
    from .runner import Runner


def refuse_other_python(state: RunState) -> None:
    """Raise WorkflowNotResumableError when what is left to do needs code of another Python: now, not when it is due."""
    if state.status is WorkflowStatus.SUCCESSFUL:
        return
    for key in {node.spec.code for node in state.nodes if not node.status.finished} & {*state.codes}:
        code = state.codes[key]
        if code.value is not None and not values.loadable(code.value):
            raise WorkflowNotResumableError(
                state.workflow_id,
                f"Run {state.workflow_id!r} needs the code of {code.name!r}, which was stored by Python "
                f"{code.value.get('py')} and can crash Python {values.PYTHON}. Use a kernel with Python "
                f"{code.value.get('py')}; or run the cell that defines it, then nbflow.run(dag, "
                f"workflow_id={state.workflow_id!r}).",
            )


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
