"""An exception as the journal keeps it: what it was, the user's own frames, and the exception itself if it can be."""

from __future__ import annotations

import os
import traceback
from typing import Any

from ..core import masking
from ..core.remade import Remade, message_of
from ..core.state import RunState
from ..errors import CheckpointError, SystemFailure, TaskTimeout, WorkflowError, WorkflowExecutionError
from ..storage import values
from ..storage.base import Blobs
from .cells import named

_HERE = os.path.dirname(os.path.dirname(__file__))


def kind_of(error: BaseException) -> str:
    """Return what sort of failure this is: exception, timeout, checkpoint or system."""
    if isinstance(error, SystemFailure):
        return "system"
    if isinstance(error, TaskTimeout):
        return "timeout"
    return "checkpoint" if isinstance(error, CheckpointError) else "exception"


def user_traceback(error: BaseException) -> str:
    """Return the traceback without the frames of nbflow before the user's first one; cells have their names."""
    frames = error.__traceback__
    while frames is not None and frames.tb_next is not None and frames.tb_frame.f_code.co_filename.startswith(_HERE):
        frames = frames.tb_next
    return named("".join(traceback.format_exception(type(error), error, frames)))


def describe(error: BaseException, blobs: Blobs) -> dict[str, Any]:
    """Return the stored form of an exception, in which secrets are masked; so they are in itself. Never raises."""
    masking.mask_error(error)
    return {
        "type": type(error).__name__,
        "message": masking.mask(message_of(error))[:2000],
        "traceback": masking.mask(user_traceback(error))[-20000:],
        "kind": kind_of(error),
        "value": _stored(error, blobs),
    }


def _stored(error: BaseException, blobs: Blobs) -> dict[str, Any] | None:
    """Return the stored form of the exception itself, of a kind that can be loaded again; None when there is none."""
    for form in (error, Remade(error)):
        try:
            stored = values.encode(form, blobs)
            if isinstance(values.decode(stored, blobs), type(error)):
                return stored
        except Exception:
            continue
    return None


def restore(error: dict[str, Any] | None, blobs: Blobs) -> BaseException:
    """Return the exception of a stored form, or one that says what it was."""
    if error is None:
        return WorkflowError("", "No exception was recorded.")
    if error.get("value"):
        try:
            found = values.decode(error["value"], blobs)
            if isinstance(found, BaseException):
                return _noted(found, error)
        except Exception:
            pass
    return _noted(RuntimeError(f"{error['type']}: {error['message']}"), error)


def _noted(found: BaseException, error: dict[str, Any]) -> BaseException:
    found.__traceback__ = None  # Dask lets exceptions bring one out of a pickle, through our own frames
    if error.get("traceback"):
        found.add_note(f"The traceback where it was raised:\n{error['traceback'].rstrip()}")
    return found


def execution_error(state: RunState, blobs: Any, index: int | None = None) -> WorkflowExecutionError:
    """Return the error of a failed run, or of one failed node, with what the task raised as its cause."""
    node = state.nodes[state.failed if index is None else index]
    report = node.error or {}
    message = (
        f"Task {node.node_id!r} of run {state.workflow_id!r} failed: {report.get('type')}: {report.get('message')}\n"
        f"Mend the cause and go on with nbflow.run(dag, workflow_id={state.workflow_id!r}), which uses the code given "
        f"then, or nbflow.resume({state.workflow_id!r}), which uses the stored code; finished tasks do not run again."
    )
    error = WorkflowExecutionError(state.workflow_id, message)
    error.__cause__ = restore(node.error, blobs)
    return error
