"""How the command ends: the exit codes, and the errors that carry one."""

from __future__ import annotations

import queue
from enum import IntEnum

from ..errors import (
    NbflowError,
    RunIsLive,
    WaitingForHuman,
    WorkflowCancellationError,
    WorkflowError,
    WorkflowExecutionError,
    WorkflowNotFoundError,
    WorkflowNotResumableError,
    WorkflowStillActiveError,
)


class Exit(IntEnum):
    """What the exit code of ``nbflow`` says."""

    OK = 0
    ERROR = 1
    USAGE = 2
    NOT_FOUND = 3
    REFUSED = 4
    WAITING = 5
    INTERRUPTED = 130
    BROKEN_PIPE = 141


MEANINGS = {
    Exit.OK: "done",
    Exit.ERROR: "it failed: the run, or its storage",
    Exit.USAGE: "the command is not written as it must be",
    Exit.NOT_FOUND: "there is no such storage, run, node or question",
    Exit.REFUSED: "refused: the answer does not fit or came late, the run is live elsewhere or has ended",
    Exit.WAITING: "not yet: the run waits for a person, or its owner has not answered in time",
    Exit.INTERRUPTED: "stopped with Ctrl-C",
    Exit.BROKEN_PIPE: "whoever read the output went away",
}


class CommandError(Exception):
    """What ends the command with a message and an exit code."""

    def __init__(self, code: Exit, message: str) -> None:
        self.code = code
        super().__init__(message)


def told(error: BaseException) -> tuple[Exit, str]:
    """Return the exit code of an error and what is said about it, with what to type next."""
    if isinstance(error, CommandError):
        return error.code, str(error)
    code = _code(error)
    said = str(error) or type(error).__name__
    if code is None:
        return Exit.ERROR, f"{type(error).__name__}: {said}. This is a mistake in nbflow; NBFLOW_DEBUG=1 shows where."
    return code, said


def _code(error: BaseException) -> Exit | None:
    for kinds, code in _CODES:
        if isinstance(error, kinds):
            return code
    return None


_CODES: tuple[tuple[tuple[type[BaseException], ...], Exit], ...] = (
    ((WorkflowNotFoundError,), Exit.NOT_FOUND),
    ((WaitingForHuman, TimeoutError), Exit.WAITING),
    ((RunIsLive, WorkflowStillActiveError, WorkflowNotResumableError, queue.Full), Exit.REFUSED),
    ((WorkflowExecutionError, WorkflowCancellationError), Exit.ERROR),
    ((WorkflowError,), Exit.REFUSED),  # it has ended already
    ((NbflowError, OSError), Exit.ERROR),
    ((ValueError, TypeError), Exit.USAGE),
)
"""Which code an error ends with: that of the first kind it is of."""
