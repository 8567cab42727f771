"""Every exception that nbflow raises, in one tree.

NbflowError
    WorkflowError(workflow_id)
        WorkflowExecutionError          a task failed; ``__cause__`` is the user's own exception
        WorkflowCancellationError       the run was canceled
        WorkflowNotFoundError           no run of this id in the storage
        WorkflowNotResumableError       the run cannot go on from what is stored
        WorkflowStillActiveError        the run is live, and the call needs it ended
        WaitingForHuman                 only a person can move the run, and nobody is there
        RunIsLive(owner)                the run is live, here or in another process (also a RuntimeError)
    TaskError
        CheckpointError                 a value cannot be stored
        TaskTimeout                     a body ran longer than its ``timeout``
        SystemFailure                   the process that ran a body died
    GraphError                          the workflow is not a valid graph (also a ValueError)
    StorageError
        StorageFull                     no space left; nothing was acknowledged
        StorageReadOnly                 the storage cannot be written
        StorageDamaged                  a record in the middle of a journal is unreadable
        Fenced                          another process has taken the run over
    InvalidTransition                   a record that cannot happen in the state; a bug in nbflow
"""

from __future__ import annotations

from typing import Any


class NbflowError(Exception):
    """The base of all errors that nbflow raises."""


class WorkflowError(NbflowError):
    """An error of one run; ``workflow_id`` names it."""

    def __init__(self, workflow_id: str, message: str | None = None) -> None:
        self.workflow_id = workflow_id
        super().__init__(message or f"Workflow {workflow_id!r}: {type(self).__doc__}")

    def __reduce__(self) -> Any:
        return (type(self), (self.workflow_id, str(self)))


class WorkflowExecutionError(WorkflowError):
    """A task of the run failed; ``__cause__`` is the exception that the task raised."""


class WorkflowCancellationError(WorkflowError):
    """The run was canceled."""


class WorkflowNotFoundError(WorkflowError):
    """The storage has no run of this id."""


class WorkflowNotResumableError(WorkflowError):
    """The run cannot go on from what is stored."""


class WorkflowStillActiveError(WorkflowError):
    """The run is live, and the call needs it ended."""


class WaitingForHuman(WorkflowError):
    """Only a person can move the run on, and nobody is there to answer."""


class RunIsLive(WorkflowError, RuntimeError):
    """The run is live; ``owner`` says where, when it is in another process."""

    def __init__(self, workflow_id: str, message: str | None = None, owner: dict[str, Any] | None = None) -> None:
        self.owner = owner or {}
        super().__init__(workflow_id, message)

    def __reduce__(self) -> Any:
        return (type(self), (self.workflow_id, str(self), self.owner))


class TaskError(NbflowError):
    """The base of the errors that belong to one task."""


class CheckpointError(TaskError):
    """A value cannot be stored, so the run could not go on after a crash."""


class TaskTimeout(TaskError, TimeoutError):
    """A task ran longer than its ``timeout``."""


class SystemFailure(TaskError):
    """The process that ran a task died before it gave a result."""


class GraphError(NbflowError, ValueError):
    """The workflow is not a valid graph."""


class StorageError(NbflowError):
    """The base of the errors of the place where runs are kept."""


class StorageFull(StorageError):
    """No space is left; nothing was acknowledged, and nothing is lost."""


class StorageReadOnly(StorageError):
    """The storage can be read but not written."""


class StorageDamaged(StorageError):
    """A record in the middle of a journal is unreadable."""


class Fenced(StorageError):
    """Another process has taken the run over; this one may no longer write."""


class InvalidTransition(NbflowError):
    """A record that cannot happen in this state. A bug in nbflow: please report it with the story."""
