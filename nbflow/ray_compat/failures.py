"""Ray's names of errors. ``RayTaskError`` is nbflow's WorkflowExecutionError, whose ``__cause__`` the task raised."""

from __future__ import annotations

from typing import Any

from ..errors import NbflowError, SystemFailure, WorkflowCancellationError, WorkflowExecutionError

RayError = NbflowError
RayTaskError = WorkflowExecutionError
TaskCancelledError = WorkflowCancellationError
WorkerCrashedError = SystemFailure


class GetTimeoutError(NbflowError, TimeoutError):
    """The value is not there yet, and the time to wait for it is up."""


def remote_error(name: str, cause: Exception) -> RayTaskError:
    """Return what ``ray.get`` raises when a remote function raised ``cause``: a RayTaskError of its class, too."""
    kind = type(cause)
    message = f"Remote function {name!r} failed: {kind.__name__}: {cause}"
    try:
        error = _class_for(kind).__new__(_class_for(kind), *cause.args)
        vars(error).update(vars(cause))
        if isinstance(cause, OSError):
            OSError.__init__(error, *cause.args)
    except Exception:  # a class that cannot be one of two
        error = RayTaskError("", message)
    error.workflow_id = ""
    error.args = (message,)
    error.__cause__ = cause
    vars(error)["_made_of"] = (name, cause)
    return error


_classes: dict[type[Exception], type[RayTaskError]] = {}


def _class_for(kind: type[Exception]) -> type[RayTaskError]:
    if kind not in _classes:
        made_of: dict[str, Any] = {"__str__": _message, "__reduce__": _reduce, "__doc__": RayTaskError.__doc__}
        _classes[kind] = type(f"RayTaskError({kind.__name__})", (RayTaskError, kind), made_of)
    return _classes[kind]


def _message(error: RayTaskError) -> str:
    return str(error.args[0])


def _reduce(error: RayTaskError) -> Any:
    return (remote_error, vars(error)["_made_of"])
