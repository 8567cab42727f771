"""What a rule can do to a task."""

from __future__ import annotations

from enum import StrEnum


class TaskAction(StrEnum):
    """What happens to a task when a condition is met.

    >>> from nbflow.rules import TaskAction
    >>> TaskAction("RESTART") is TaskAction.RESTART
    True
    """

    START = "START"
    """Start an execution; nothing when one is under way."""
    STOP = "STOP"
    """Stop the execution that is under way; nothing when there is none."""
    RESTART = "RESTART"
    """Stop the execution that is under way, and start the next when it is gone; start when there is none."""


FINISH = "FINISH"
"""What a rule of the flow itself does: stop all tasks and end the run."""

SCOPES = ("run", "flow", "namespace")
