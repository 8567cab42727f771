"""Every exception that nbflow raises, in one tree.

NbflowError
    WorkflowError(workflow_id)
        WorkflowExecutionError          a task failed; ``__cause__`` is the user's own exception
        WorkflowCancellationError       the run was canceled
        WorkflowNotFoundError           no run of this id in the storage
        WorkflowNotResumableError       the run cannot go on from what is stored
        WorkflowExistsError             the id is used, and the call wanted a new one (also a FileExistsError)
        WorkflowChangedError(nodes)     results were made by other code than that given now, and that was to be an error
        WorkflowStillActiveError        the run is live, and the call needs it ended
        WaitingForHuman                 only a person can move the run, and nobody is there
        RunIsLive(owner)                the run is live, here or in another process (also a RuntimeError)
    TaskError
        CheckpointError                 a value cannot be stored
        TaskTimeout                     a body ran longer than its ``timeout``
        WaitCanceled                    a wait was ended by hand, without an event
        SystemFailure                   the process that ran a body died
        SecretNotFoundError             a secret has no value in this process (also a LookupError)
        CommandFailed(exit_code)        a shell command ended with another exit code than 0
    MachineError
        NextDirectiveMissingError       a handler of a state machine did not say what comes next (also a TypeError)
        WorkflowFailed                  a handler chose to fail the run
        WorkflowTimeout                 a run took longer than its ``timeout`` (also a TimeoutError)
        StoreKeyNotFoundError           the store of a run has no such key (also a KeyError)
        WorkflowTypeNotRegisteredError  no workflow of this type is defined here (also a LookupError)
    GraphError                          the workflow is not a valid graph (also a ValueError)
    StorageError
        EventRejected                   an event is too large, or too many wait for somebody to take them
        StorageFull                     no space left; nothing was acknowledged
        StorageUnreachable              the storage is away, such as an object store without a network; nothing is lost
        StorageReadOnly                 the storage cannot be written
        InboxFull                       too many events wait for a run, and nobody takes them
        StorageDamaged                  a record in the middle of a journal is unreadable
        SignatureError                  something stored is not signed, or not with this key; nothing was loaded
        EventsPruned(first)             events were asked for that are not kept any more
        Fenced                          another process has taken the run over
    InvalidTransition                   a record that cannot happen in the state; a bug in nbflow
"""

from __future__ import annotations

from collections.abc import Sequence
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


class WorkflowExistsError(WorkflowError, FileExistsError):
    """A run of this id exists already."""


class WorkflowChangedError(WorkflowError):
    """Results of the run were made by other code or inputs than those given now; ``nodes`` are their ids."""

    def __init__(self, workflow_id: str, message: str | None = None, nodes: Sequence[str] = ()) -> None:
        self.nodes = list(nodes)
        super().__init__(workflow_id, message)

    def __reduce__(self) -> Any:
        return (type(self), (self.workflow_id, str(self), self.nodes))


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


class WaitCanceled(TaskError):
    """A wait was ended by ``Run.cancel_wait`` before its event came, and it has no default."""


class SystemFailure(TaskError):
    """The process that ran a task died before it gave a result."""


class SecretNotFoundError(TaskError, LookupError):
    """A secret has no value in the process where it is needed."""


class CommandFailed(TaskError):
    """A shell command ended with ``exit_code``; the message has the last lines that it printed."""

    def __init__(self, exit_code: int, message: str = "") -> None:
        self.exit_code = exit_code
        super().__init__(message or f"The command ended with exit code {exit_code}.")

    def __reduce__(self) -> Any:
        return (type(self), (self.exit_code, str(self)))


class MachineError(NbflowError):
    """The base of the errors of state machines."""


class NextDirectiveMissingError(MachineError, TypeError):
    """A handler did not return what ``ctx.next`` makes."""


class WorkflowFailed(MachineError):
    """A handler chose to fail the run, with ``ctx.next.fail``."""


class WorkflowTimeout(MachineError, TimeoutError):
    """A run took longer than the ``timeout`` it was started with."""


class StoreKeyNotFoundError(MachineError, KeyError):
    """The store of a run has no such key."""

    __str__ = Exception.__str__


class WorkflowTypeNotRegisteredError(MachineError, LookupError):
    """No workflow of this type is defined in this process."""


class GraphError(NbflowError, ValueError):
    """The workflow is not a valid graph."""


class StorageError(NbflowError):
    """The base of the errors of the place where runs are kept."""


class EventRejected(StorageError):
    """An event is larger than an inbox takes, or too many wait already; nothing was stored."""


class StorageFull(StorageError):
    """No space is left; nothing was acknowledged, and nothing is lost."""


class StorageUnreachable(StorageError):
    """Nobody answers where the storage is; what was acknowledged is safe, and runs go on when it is back."""


class StorageReadOnly(StorageError):
    """The storage can be read but not written."""


class InboxFull(StorageError):
    """Too many events wait for a run, and nobody takes them."""


class StorageDamaged(StorageError):
    """A record in the middle of a journal is unreadable."""


class SignatureError(StorageError):
    """Something stored is not signed, or not by this key and for its place; nothing of it was loaded."""


class EventsPruned(StorageError):
    """Events were asked for that are not kept any more; ``first`` is the oldest offset that is there."""

    def __init__(self, namespace: str, first: int, message: str | None = None) -> None:
        self.namespace = namespace
        self.first = first
        super().__init__(
            message or f"The events of namespace {namespace!r} are kept from offset {first} on; older ones were pruned."
        )

    def __reduce__(self) -> Any:
        return (type(self), (self.namespace, self.first, str(self)))


class Fenced(StorageError):
    """Another process has taken the run over; this one may no longer write."""


class InvalidTransition(NbflowError):
    """A record that cannot happen in this state. A bug in nbflow: please report it with the story."""
