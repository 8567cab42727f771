"""The options of a task that Ray Workflows adds to Ray's."""

from __future__ import annotations

from typing import Any

from ....dag.task import Task
from ...remote import RemoteFunction

_VALID = ("task_id", "metadata", "catch_exceptions", "checkpoint")


class options(dict[str, Any]):
    """Options of a workflow task: a decorator above ``@ray.remote``, or ``f.options(**workflow.options(...))``.

    They are ``task_id``, ``metadata`` (a JSON dict), ``catch_exceptions`` and ``checkpoint``; ``max_retries`` and
    ``retry_exceptions`` are Ray's own. Raises ValueError for others, and for values that are none.

    >>> from nbflow.ray_compat import ray, workflow
    >>> @workflow.options(task_id="first")
    ... @ray.remote
    ... def one():
    ...     return 1
    >>> workflow.run(one.bind(), workflow_id="ones"), workflow.get_output("ones", task_id="first")
    (1, 1)
    """

    def __init__(self, **changes: Any) -> None:
        unknown = sorted(set(changes) - set(_VALID))
        if unknown:
            raise ValueError(f"workflow.options has no {', '.join(unknown)}; there are {', '.join(_VALID)}.")
        Task(_nothing, **changes)
        super().__init__(changes)

    def __call__(self, function: RemoteFunction[..., Any]) -> RemoteFunction[..., Any]:
        if not isinstance(function, RemoteFunction):
            raise ValueError("Only apply workflow.options to Ray remote functions: put it above @ray.remote.")
        return function.options(**self)


def _nothing() -> None:
    """Stands for a function while options are checked."""
