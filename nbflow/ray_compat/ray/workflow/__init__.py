"""Ray's workflow functions. Each is nbflow's of the same name, begun with what ``ray.init`` chose."""

from __future__ import annotations

import inspect
from typing import Any, NoReturn

from .... import api, looking
from ....core.status import WorkflowStatus
from ....dag.continuation import continuation
from ....dag.event import EventListener, sleep, wait_for_event
from ....handle import Run
from ...refs import resolved, taken
from ...session import begin
from . import common, event_listener, exceptions, http_event_provider
from .exceptions import (
    WorkflowCancellationError,
    WorkflowError,
    WorkflowExecutionError,
    WorkflowNotFoundError,
    WorkflowNotResumableError,
    WorkflowStillActiveError,
)
from .options import options

__all__ = [
    "EventListener",
    "WorkflowCancellationError",
    "WorkflowError",
    "WorkflowExecutionError",
    "WorkflowNotFoundError",
    "WorkflowNotResumableError",
    "WorkflowStatus",
    "WorkflowStillActiveError",
    "cancel",
    "common",
    "continuation",
    "delete",
    "event_listener",
    "event_provider",
    "exceptions",
    "get_metadata",
    "get_output",
    "get_output_async",
    "get_status",
    "http_event_provider",
    "init",
    "list_all",
    "options",
    "resume",
    "resume_all",
    "resume_async",
    "run",
    "run_async",
    "sleep",
    "wait_for_event",
]

event_provider = http_event_provider
PENDING = WorkflowStatus.PENDING
RUNNING = WorkflowStatus.RUNNING
SUCCESSFUL = WorkflowStatus.SUCCESSFUL
FAILED = WorkflowStatus.FAILED
RESUMABLE = WorkflowStatus.RESUMABLE
CANCELED = WorkflowStatus.CANCELED


def init(*, max_running_workflows: int | None = None, max_pending_workflows: int | None = None) -> None:
    """Limit how many workflows run and wait; None keeps what was chosen, -1 is without end. See ``nbflow.init``."""
    limits = {"max_running_workflows": max_running_workflows, "max_pending_workflows": max_pending_workflows}
    begin(**{name: value for name, value in limits.items() if value is not None})


def run(
    dag: Any, *args: Any, workflow_id: str | None = None, metadata: dict[str, Any] | None = None, **kwargs: Any
) -> Any:
    """Run a graph and return its value. With a used id the run goes on, with the graph and code given now.

    Raises what ``nbflow.run`` does.

    >>> from nbflow.ray_compat import ray, workflow
    >>> workflow.run(ray.remote(max).bind([1, 3, 2]))
    3
    """
    return taken(api.run(dag, *_begun(args), workflow_id=workflow_id, metadata=metadata, **_named(kwargs)))


def run_async(
    dag: Any, *args: Any, workflow_id: str | None = None, metadata: dict[str, Any] | None = None, **kwargs: Any
) -> Run:
    """Start a graph in the background. The handle is an object ref, and in a notebook the live view of the run."""
    return api.run_async(dag, *_begun(args), workflow_id=workflow_id, metadata=metadata, **_named(kwargs))


def resume(workflow_id: str) -> Any:
    """Go on with a workflow, with its stored graph and code, and return its value. See ``nbflow.resume``."""
    begin()
    return taken(api.resume(workflow_id))


def resume_async(workflow_id: str) -> Run:
    """Go on with a workflow in the background. See ``nbflow.resume_async``."""
    begin()
    return api.resume_async(workflow_id)


def resume_all(include_failed: bool = False) -> list[tuple[str, Run]]:
    """Go on with all that can be resumed, with ``include_failed`` also with what has failed."""
    begin()
    return api.resume_all(include_failed)


def get_output(workflow_id: str, *, task_id: str | None = None) -> Any:
    """Return the value of a workflow or of one of its tasks, waiting for it. See ``nbflow.get_output``."""
    begin()
    return taken(looking.get_output(workflow_id, task_id=task_id))


def get_output_async(workflow_id: str, *, task_id: str | None = None) -> looking.Output:
    """Return an object ref of the value of a workflow or of one of its tasks."""
    begin()
    return looking.get_output_async(workflow_id, task_id=task_id)


def list_all(status_filter: WorkflowStatus | str | set[Any] | None = None) -> list[tuple[str, WorkflowStatus]]:
    """Return (id, status) of every workflow, or of those with one of the given statuses."""
    begin()
    return looking.list_all(status_filter)


def get_status(workflow_id: str) -> WorkflowStatus:
    """Return the status of a workflow. Raises WorkflowNotFoundError."""
    begin()
    return looking.get_status(workflow_id)


def get_metadata(workflow_id: str, task_id: str | None = None) -> dict[str, Any]:
    """Return what is recorded of a workflow or of one of its tasks. Raises ValueError.

    ``nbflow.get_progress(workflow_id)`` is all its tasks at once.
    """
    begin()
    return looking.get_metadata(workflow_id, task_id)


def cancel(workflow_id: str) -> None:
    """Cancel a workflow: final, and at once. One that has ended stays as it is. Raises WorkflowNotFoundError."""
    begin()
    try:
        api.cancel(workflow_id)
    except WorkflowError:
        if not get_status(workflow_id).ended:
            raise


def delete(workflow_id: str) -> None:
    """Remove a workflow and all that is stored of it. Raises WorkflowNotFoundError, WorkflowStillActiveError."""
    begin()
    api.delete(workflow_id)


def _begun(args: tuple[Any, ...]) -> list[Any]:
    """Make sure of the engine, and return the arguments with the values of the refs in them."""
    begin()
    return [resolved(each) for each in args]


def _named(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return inputs with the values of the refs in them. Raises TypeError for one that ``nbflow.run`` would take."""
    taken_names = sorted(kwargs.keys() & inspect.signature(api.run_async).parameters.keys())
    if taken_names:
        raise TypeError(f"An input cannot be named {taken_names[0]!r}, which is an option of nbflow.run: rename it.")
    values: dict[str, Any] = resolved(kwargs)
    return values


_GONE = {
    "step": "@ray.remote and .bind()",
    "create": "workflow.run(dag)",
    "wait": "nbflow.wait(runs) for runs, or a task that takes the list",
    "virtual_actor": "a state machine, nbflow.Workflow",
    "get_actor": "a state machine, nbflow.Workflow",
}


def __getattr__(name: str) -> NoReturn:
    if name in _GONE:
        raise AttributeError(f"workflow.{name} went from Ray with version 2.0; write {_GONE[name]}.")
    raise AttributeError(f"Ray Workflows has no {name!r}.")
