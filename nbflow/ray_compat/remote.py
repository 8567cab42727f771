"""Ray's remote functions: tasks of nbflow that can also be called at once, in a thread, with ``.remote()``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

from .. import door
from ..core.graph import NodeKind
from ..dag.compile import bind_inputs
from ..dag.eager import execute
from ..dag.node import Node
from ..dag.task import Task
from ..handle import Run
from ..looking import get_output
from .calls import called, calls
from .failures import remote_error
from .refs import ObjectRef, get

P = ParamSpec("P")
R = TypeVar("R")

_AMOUNTS = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory", "object_store_memory": "object_store_memory"}
_WITHOUT_MEANING = frozenset(
    {"accelerator_type", "enable_task_events", "fallback_strategy", "label_selector", "max_calls", "placement_group",
     "placement_group_bundle_index", "placement_group_capture_child_tasks", "runtime_env", "scheduling_strategy"}
)  # fmt: skip
_told: set[str] = set()

_output: Task[..., Any] = Task(get_output, name="get_output")
"""The value of another workflow as a node: waited for when the run comes to it, not when it is bound."""


class FunctionNode(Node[R], Generic[R]):
    """A node that ``bind`` of a remote function makes."""

    __slots__ = ()

    def execute(self, *args: Any, **kwargs: Any) -> ObjectRef[R]:
        """Run the graph at once, without a workflow and without checkpoints; ``args`` feed its InputNode."""
        inputs = bind_inputs(self, args, kwargs)
        return ObjectRef(calls.submit(lambda: execute(self, inputs)))


class RemoteFunction(Task[P, R]):
    """What ``ray.remote`` makes of a function: ``bind`` it into a workflow, or call it with ``remote``.

    Called directly it is the plain function.
    """

    def __init__(self, function: Callable[P, R], **options: Any) -> None:
        super().__init__(function)
        self._apply(_of_nbflow(self, options))

    def bind(self, *args: Any, **kwargs: Any) -> FunctionNode[R]:
        """Return a node that will call the function. Refs in the arguments are bound as the values they refer to."""
        self._check(args, kwargs)
        settled = tuple(bound(each) for each in args)
        return FunctionNode(NodeKind.TASK, self, settled, {name: bound(each) for name, each in kwargs.items()})

    def remote(self, *args: Any, **kwargs: Any) -> ObjectRef[R]:
        """Call the function now, in a thread, and return a ref of its value. Nothing of it is checkpointed.

        Arguments that are refs arrive as their values. ``max_retries`` counts when ``retry_exceptions`` says so.
        """
        self._check(args, kwargs)
        return ObjectRef(calls.submit(lambda: self._attempts(args, kwargs)))

    def options(self, **changes: Any) -> RemoteFunction[P, R]:
        """Return the same function with other options: Ray's, ``**workflow.options(...)``, or nbflow's own."""
        return super().options(**_of_nbflow(self, changes))  # type: ignore[return-value]

    def _attempts(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
        given = tuple(_arrived(each) for each in args)
        named = {name: _arrived(each) for name, each in kwargs.items()}
        failures = 0
        while True:
            try:
                value: R = called(self.function, given, named)
                return value
            except Exception as error:
                failures += 1
                if not (isinstance(error, self.retry_classes) and self.settings.retry.allows(failures)):
                    raise remote_error(self.name, error) from error

    def __reduce__(self) -> Any:
        return (_rebuilt, (super().__reduce__(),))

    def __repr__(self) -> str:
        return f"<remote function {self.name}>"


def remote(*args: Any, **options: Any) -> Any:
    """Make a function remote: ``@ray.remote`` or ``@ray.remote(num_cpus=2, max_retries=5)``.

    Ray's ``num_cpus``, ``num_gpus``, ``memory`` and ``resources`` become nbflow's ``resources``; ``max_retries`` and
    ``retry_exceptions`` are as in Ray; nbflow's own options (``executor="process"``, ``timeout``, ``backoff``, ...) may
    stand beside them; the rest of Ray's is accepted, and one line says that it has no meaning here. Raises
    ValueError for an unknown option or ``num_returns`` other than 1, TypeError for a class.

    >>> from nbflow.ray_compat import ray
    >>> @ray.remote(max_retries=5)
    ... def add(a, b):
    ...     return a + b
    >>> ray.get(add.remote(1, 2))
    3
    """
    if len(args) == 1 and not options:
        return _remote(args[0], {})
    if args:
        raise TypeError("Write @ray.remote, or @ray.remote(num_cpus=..., ...) with options by name.")
    return lambda function: _remote(function, options)


def _remote(function: Any, options: dict[str, Any]) -> RemoteFunction[..., Any]:
    if inspect.isclass(function):
        raise TypeError(
            f"{function.__name__!r} is a class, and nbflow has no actors: make its methods functions that take and "
            "return the state, or use a state machine (nbflow.Workflow), whose state outlives the process."
        )
    if isinstance(function, Task):
        raise TypeError(f"{function!r} is a task already.")
    return RemoteFunction(function, **options)


def bound(value: Any) -> Any:
    """Return an argument with the refs in it, also in lists, tuples and dicts, replaced by nodes."""
    if isinstance(value, Run):
        return _output.bind(value.workflow_id)
    if isinstance(value, ObjectRef):
        return value._bound() if hasattr(value, "_bound") else get(value)
    kind = type(value)
    if kind in (list, tuple):
        return kind([bound(each) for each in value])
    return {key: bound(each) for key, each in value.items()} if kind is dict else value


def _arrived(value: Any) -> Any:
    if isinstance(value, Node):
        raise TypeError(f"{value!r} has no value yet: pass nodes to bind, and refs to remote.")
    return get(value) if isinstance(value, ObjectRef) else value


def _of_nbflow(task: Task[..., Any], options: dict[str, Any]) -> dict[str, Any]:
    """Return options in nbflow's words. Raises ValueError for what cannot be had."""
    ours = {name: value for name, value in options.items() if name not in _AMOUNTS and name not in _WITHOUT_MEANING}
    if ours.pop("num_returns", None) not in (None, 1):
        raise ValueError("Workflow task can only have one return: num_returns must be 1. Return a tuple.")
    if "retry_exceptions" in ours and ours["retry_exceptions"] is None:
        del ours["retry_exceptions"]
    amounts = {_AMOUNTS[name]: value for name, value in options.items() if name in _AMOUNTS and value is not None}
    if amounts or ours.get("resources"):
        ours["resources"] = {**dict(task.settings.resources), **amounts, **(ours.get("resources") or {})}
    _tell_without_meaning(set(options) & _WITHOUT_MEANING, "the option")
    return {name: value for name, value in ours.items() if not (name == "name" and value is None)}


def _tell_without_meaning(names: set[str], what: str) -> None:
    fresh = sorted(names - _told)
    if fresh:
        _told.update(fresh)
        door.tell(f"nbflow.ray_compat: {what} {', '.join(fresh)} has no meaning here and is ignored.")


def _rebuilt(parts: tuple[Any, tuple[Any, ...]]) -> RemoteFunction[..., Any]:
    rebuild, content = parts
    function: RemoteFunction[..., Any] = object.__new__(RemoteFunction)
    function.__dict__.update(rebuild(*content).__dict__)
    return function
