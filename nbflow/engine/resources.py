"""What a task asks of its executor besides a slot: handed to executors that know resources, said once of the others."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from .lanes import Lane

if TYPE_CHECKING:
    from ..dag.task import Task
    from ..executors.kept import Handle
    from .runner import Runner


def submitter(
    runner: Runner, lane: Lane, task: Task[Any, Any], handles: list[Handle] | None = None
) -> Callable[..., Any]:
    """Return what starts a task's body on the executor of a lane, with the resources that the task asked for.

    ``handles`` are those of the values that an executor keeps; None for one that keeps none.
    """
    executor, wanted = lane.executor, dict(task.settings.resources)
    if handles is not None:
        return partial(executor.submit_holding, handles, wanted)  # type: ignore[attr-defined]
    if not wanted:
        return executor.submit
    knows = getattr(executor, "submit_with", None)
    if knows is not None:
        return partial(knows, wanted)
    unknown = sorted(set(wanted) - {"CPU"} - lane.told)
    if unknown:
        lane.told.update(unknown)
        runner.notice(
            f"{task.name!r} asks for {', '.join(unknown)}, which the executor {executor.name!r} does not know: it is "
            "recorded, and the task runs without."
        )
    return executor.submit
