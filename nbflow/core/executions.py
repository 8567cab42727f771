"""The tasks of a flow and their executions, as they are known now."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from .graph import Json

if TYPE_CHECKING:
    from .rules import RulesEvaluated

KEEP = 50
"""Executions of a task, and looks of its rules at events, that a flow remembers; the history has all."""


class TaskStatus(StrEnum):
    """The state of a task of a flow: that of its latest execution.

    >>> from nbflow.rules import TaskStatus
    >>> TaskStatus.SUCCESS.ended, TaskStatus.RUNNING.ended
    (True, False)
    """

    INIT = "INIT"
    """It has never been started."""
    RUNNING = "RUNNING"
    """Started: queued, running, or between two attempts."""
    STOPPING = "STOPPING"
    """Told to stop; a task that stops is not alive any more."""
    STOPPED = "STOPPED"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"

    @property
    def ended(self) -> bool:
        """True when the execution is over."""
        return self in (TaskStatus.STOPPED, TaskStatus.SUCCESS, TaskStatus.FAILED)


@dataclass(slots=True)
class Execution:
    """One execution of a task. ``cause`` is the event that started it; times are UTC seconds."""

    task: str
    seq: int
    cause: Json
    at: float
    status: TaskStatus = TaskStatus.RUNNING
    ended: float = 0.0
    told: bool = False
    """The rules have looked at its start."""

    @property
    def call(self) -> str:
        """The node id of its call."""
        return f"{self.task}#{self.seq}"


class TaskState:
    """A task of a flow. ``spec`` is what the flow says about it, ``seq`` the number of its latest execution."""

    __slots__ = ("begun", "executions", "gone", "handled", "looks", "seq", "spec")

    def __init__(self, spec: Json) -> None:
        self.spec = spec
        self.seq = 0
        self.begun = False
        self.gone = False
        """The flow as it is now does not have it."""
        self.handled = 0
        """The latest failed execution of which a rule took care."""
        self.executions: dict[int, Execution] = {}
        self.looks: deque[RulesEvaluated] = deque(maxlen=KEEP)

    @property
    def name(self) -> str:
        """The name of the task."""
        return str(self.spec["name"])

    @property
    def status(self) -> TaskStatus:
        """The status of the latest execution."""
        return self.executions[self.seq].status if self.seq else TaskStatus.INIT

    @property
    def alive(self) -> bool:
        """Tell whether a START would find it under way."""
        return self.status is TaskStatus.RUNNING

    @property
    def broken(self) -> bool:
        """Tell whether its latest execution failed and no rule took care of that."""
        return self.status is TaskStatus.FAILED and self.handled < self.seq
