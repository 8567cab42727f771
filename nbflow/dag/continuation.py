"""A graph as the return value of a task: how a run nests, loops and recurses."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from .eager import execute
from .growth import Continuation
from .node import Node

in_task: ContextVar[bool] = ContextVar("nbflow_in_task", default=False)
"""True inside the body of a task that a run executes."""


def continuation(dag: Any) -> Any:
    """Return a graph from a task: the run goes on with it, and its value takes the place of the task's.

    ``dag`` is a node, or a list, tuple or dict of nodes. Outside a run it is executed at once and its value is
    returned, so a task that uses it can be called directly. Raises TypeError when it is not a graph.

    >>> import nbflow as nf
    >>> @nf.task
    ... def factorial(n, product=1):
    ...     return product if n < 2 else nf.continuation(factorial.bind(n - 1, product * n))
    >>> nf.run(factorial.bind(10))
    3628800
    """
    if not isinstance(dag, (Node, list, tuple, dict)):
        raise TypeError(
            f"Input should be a DAG: a node made by bind, or a list or dict of nodes, not {type(dag).__name__}."
        )
    if in_task.get():
        return Continuation(dag)
    return execute(dag)
