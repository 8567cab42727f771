"""The workflow types of this process: of those that have one name, the newest counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import WorkflowTypeNotRegisteredError

if TYPE_CHECKING:
    from .definition import Workflow

_newest: dict[str, Workflow] = {}
_watchers: list[Callable[[str], None]] = []


def register(workflow: Workflow) -> None:
    """Make a definition the newest of its type, and tell those that watch. Idempotent."""
    if _newest.get(workflow.workflow_type) is not workflow:
        _newest[workflow.workflow_type] = workflow
        changed(workflow)


def changed(workflow: Workflow) -> None:
    """Tell those that watch that a definition is not what it was."""
    if _newest.get(workflow.workflow_type) is workflow:
        for watcher in [*_watchers]:
            watcher(workflow.workflow_type)


def newest(workflow_type: str) -> Workflow | None:
    """Return the newest definition of a type, None when this process has none."""
    return _newest.get(workflow_type)


def find(workflow_type: str) -> Workflow:
    """Return the newest definition of a type. Raises WorkflowTypeNotRegisteredError."""
    found = _newest.get(workflow_type)
    if found is None:
        known = ", ".join(map(repr, _newest)) or "none"
        raise WorkflowTypeNotRegisteredError(
            f"No workflow type {workflow_type!r} is defined here; there are: {known}. Run the cell with "
            f"nbflow.Workflow({workflow_type!r}) first."
        )
    return found


def watch(watcher: Callable[[str], None]) -> Callable[[], None]:
    """Call a function with the type of each definition that changes, from any thread; return what ends that."""
    _watchers.append(watcher)

    def stop() -> None:
        if watcher in _watchers:
            _watchers.remove(watcher)

    return stop
