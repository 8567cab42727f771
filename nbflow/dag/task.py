"""A function that a workflow can call: plain when called directly, a node when bound."""

from __future__ import annotations

import functools
import inspect
import math
import reprlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Generic, ParamSpec, TypeVar, Unpack, overload

from ..core.caching import IN_RUN
from ..core.graph import NodeKind
from ..core.retry import DEFAULT_OPTIONS, Options, RetryPolicy
from .calling import calling
from .checked import check_metadata, check_text
from .node import Node
from .options import TaskOptions, spelled

P = ParamSpec("P")
R = TypeVar("R")
Retryable = bool | type[BaseException] | tuple[type[BaseException], ...] | list[type[BaseException]]

_RETRY_NAMES = ("max_retries", "backoff", "factor", "max_backoff", "jitter")
_PLAIN_NAMES = ("timeout", "catch_exceptions", "checkpoint", "executor", "loop", "mark_start")
_NAMES = ("name", "task_id", "metadata", "resources", "cache", "retry_exceptions", *_PLAIN_NAMES, *_RETRY_NAMES)


class Task(Generic[P, R]):
    """A function with options. ``task`` makes it; calling it calls the function."""

    def __init__(self, function: Callable[P, R], **options: Any) -> None:
        if not callable(function):
            raise TypeError(f"@task goes on a function, not on {function!r}.")
        functools.update_wrapper(self, function)
        self.function = function
        self.name: str = getattr(function, "__name__", type(function).__name__)
        self.task_id: str | None = None
        self.metadata: dict[str, Any] | None = None
        self.settings: Options = DEFAULT_OPTIONS
        self.retry_classes: tuple[type[BaseException], ...] = ()
        self._apply(options)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        caller = calling.get()
        if caller is not None:
            return caller(self, args, kwargs)  # type: ignore[no-any-return]
        return self.function(*args, **kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    @property
    def is_async(self) -> bool:
        """True when the body is a coroutine function and runs on a loop."""
        return inspect.iscoroutinefunction(self.function)

    def bind(self, *args: Any, **kwargs: Any) -> Node[R]:
        """Return a node that will call the function; arguments may be or contain other nodes.

        The arguments are frozen now: a later change of them is not seen. Raises TypeError when they do not fit the
        signature, CheckpointError when one cannot be stored.
        """
        self._check(args, kwargs)
        return Node(NodeKind.TASK, self, args, kwargs)

    def map(self, *iterables: Iterable[Any] | Node[Any], **kwargs: Any) -> Any:
        """Return one node for each item, shown as one stack with a count; ``kwargs`` go to each of them.

        With several iterables it takes one item of each, as the built-in map does. A node in place of an iterable is
        mapped over when its value is there; then the result is one node, whose value is a list.
        """
        if any(isinstance(part, Node) for part in iterables):
            return Task(_Mapper(self), name=f"{self.name}_map").bind(iterables, kwargs)
        try:
            each = zip(*iterables, strict=False)
        except TypeError:
            raise TypeError(
                f"{self.name}.map takes iterables, as {self.name}.map([1, 2]); it got {reprlib.repr(iterables)}."
            ) from None
        nodes = [self.bind(*items, **kwargs) for items in each]
        if nodes:
            group = f"{self.name}-{nodes[0]._serial}"
            for node in nodes:
                node._group = group
        return nodes

    @spelled(TaskOptions)
    def options(self, **changes: Unpack[TaskOptions]) -> Task[P, R]:
        """Return the same function with other options; the ones that are not named stay. Raises ValueError."""
        other: Task[P, R] = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._apply({**changes})
        return other

    def _apply(self, changes: dict[str, Any]) -> None:
        unknown = sorted(set(changes) - set(_NAMES))
        if unknown:
            raise ValueError(
                f"Unknown option {', '.join(unknown)} for task {self.name!r}; there are {', '.join(_NAMES)}."
            )
        if "name" in changes:
            self.name = check_text("name", changes["name"])
        if "task_id" in changes:
            self.task_id = check_text("task_id", changes["task_id"])
        if "metadata" in changes:
            self.metadata = check_metadata(changes["metadata"])
        settings = replace(self.settings, **{name: changes[name] for name in _PLAIN_NAMES if name in changes})
        policy = replace(settings.retry, **{name: changes[name] for name in _RETRY_NAMES if name in changes})
        if "resources" in changes:
            settings = replace(settings, resources=_resources(self.name, changes["resources"]))
        if "cache" in changes:
            settings = replace(settings, cache=_cache(self.name, changes["cache"]))
        if "retry_exceptions" in changes:
            policy = self._set_retryable(policy, changes["retry_exceptions"])
        self.settings = _checked(self.name, replace(settings, retry=policy))

    def _set_retryable(self, policy: RetryPolicy, wanted: Retryable) -> RetryPolicy:
        if isinstance(wanted, bool):
            self.retry_classes = (Exception,) if wanted else ()
            return replace(policy, retry_exceptions=wanted)
        classes = tuple(wanted) if isinstance(wanted, (tuple, list)) else (wanted,)
        for each in classes:
            if not (isinstance(each, type) and issubclass(each, BaseException)):
                raise ValueError(
                    f"retry_exceptions of task {self.name!r} takes exception classes or True, not {each!r}."
                )
        self.retry_classes = classes
        return replace(policy, retry_exceptions=tuple(each.__name__ for each in classes))

    def _check(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        signature = self.__dict__.get("_signature")
        if signature is None:
            signature = self.__dict__["_signature"] = _signature(self.function)
        if isinstance(signature, inspect.Signature):
            try:
                signature.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{self.name}{signature} cannot be bound: {error}.") from None

    def __reduce__(self) -> Any:
        return (_rebuild, (self.function, self.name, self.task_id, self.metadata, self.settings, self.retry_classes))

    def __repr__(self) -> str:
        return f"<task {self.name}>"


def _signature(function: Any) -> inspect.Signature | bool:
    """Return the signature; False for a built-in that does not tell."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return False


def _rebuild(
    function: Any, name: str, task_id: str | None, metadata: Any, settings: Options, classes: Any
) -> Task[Any, Any]:
    rebuilt: Task[Any, Any] = Task(function)
    rebuilt.name, rebuilt.task_id, rebuilt.metadata = name, task_id, metadata
    rebuilt.settings, rebuilt.retry_classes = settings, classes
    return rebuilt


@overload
def task(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task(function: None = None, /, **options: Unpack[TaskOptions]) -> Callable[[Callable[P, R]], Task[P, R]]: ...
@overload
def task(function: Callable[P, R], /, **options: Unpack[TaskOptions]) -> Task[P, R]: ...


@spelled(TaskOptions)
def task(function: Any = None, /, **options: Any) -> Any:
    """Make a function a task: call it as before, or ``bind`` it into a workflow.

    Options, all kept when the run is resumed: ``name``; ``task_id`` (unique in the run; default: the name and a
    number); ``max_retries`` (3; -1 for ever), ``retry_exceptions`` (False; True or classes), ``backoff`` (0 seconds),
    ``factor`` (2), ``max_backoff`` (300 seconds), ``jitter`` (0 to 1); ``timeout`` in seconds; ``catch_exceptions``
    (the value becomes ``(value, None)`` or ``(None, exception)``); ``checkpoint`` (True; False keeps the value in
    memory and runs the task again when a resumed run needs it); ``executor`` ("thread" for plain functions, "process",
    "inline", "loky", "dask", "ray" or one given to ``init``); ``loop`` ("engine", or "notebook" for a coroutine bound
    to objects of the notebook's loop); ``mark_start`` (journal the start first: at most once with ``max_retries=0``);
    ``resources`` (a dict: ``{"CPU": 2}`` holds two slots of the executor, other names, as "GPU", "memory" or a tag of
    your own, are for Dask, Ray and executors that know them); ``cache`` (False; True: a call with the same code and
    inputs takes the result of an earlier one, of any run in the storage; "run": of this run only; a timedelta: of any
    run, if it is not older. ``clear_cache`` forgets them; a call whose input has ``checkpoint=False`` is always made);
    ``metadata`` (a JSON dict). Raises ValueError for a bad option.

    >>> import nbflow as nf
    >>> @nf.task
    ... def add(a, b):
    ...     return a + b
    >>> add(1, 2)
    3
    >>> nf.run(add.bind(add.bind(1, 2), 3))
    6
    """
    if function is None:
        return lambda wrapped: Task(wrapped, **options)
    return Task(function, **options)


def _resources(task: str, wanted: Any) -> tuple[tuple[str, float], ...]:
    """Return resources in a fixed order; those of which none is wanted are left out. Raises ValueError."""
    if wanted is None:
        return ()
    if not isinstance(wanted, dict) or not all(
        isinstance(name, str) and name and _is_number(amount) and amount >= 0 for name, amount in wanted.items()
    ):
        raise ValueError(f"resources of task {task!r} must be a dict such as {{'CPU': 2}}, not {wanted!r}.")
    return tuple(sorted((name, float(amount)) for name, amount in wanted.items() if amount))


def _cache(task: str, wanted: Any) -> bool | str | float:
    """Return whether and for how long results may be used again. Raises ValueError."""
    if isinstance(wanted, timedelta) and wanted > timedelta(0):
        return wanted.total_seconds()
    if isinstance(wanted, bool) or (isinstance(wanted, str) and wanted == IN_RUN):
        return wanted
    raise ValueError(
        f"cache of task {task!r} must be True (any run), 'run' (the same run), a positive timedelta (any run, not "
        f"older than that) or False, not {wanted!r}."
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _checked(name: str, options: Options) -> Options:
    policy = options.retry
    if type(policy.max_retries) is not int or policy.max_retries < -1:
        raise ValueError(f"max_retries of task {name!r} must be -1 (for ever), 0 or more, not {policy.max_retries!r}.")
    for option in ("backoff", "factor", "max_backoff", "jitter"):
        value = getattr(policy, option)
        if not _is_number(value) or value < 0 or (option == "jitter" and value > 1):
            most = "from 0 to 1" if option == "jitter" else "of 0 or more"
            raise ValueError(f"{option} of task {name!r} must be a number {most}, not {value!r}.")
    for option in ("catch_exceptions", "checkpoint", "mark_start"):
        value = getattr(options, option)
        if not isinstance(value, bool) and not (option == "checkpoint" and value is None):
            raise ValueError(f"{option} of task {name!r} must be True or False, not {value!r}.")
    if options.cache and options.checkpoint is False:
        raise ValueError(
            f"Task {name!r} has cache={options.cache!r} and checkpoint=False: what is not stored cannot be used again."
        )
    if options.timeout is not None and not (_is_number(options.timeout) and options.timeout > 0):
        raise ValueError(f"timeout of task {name!r} must be a number of seconds above 0, not {options.timeout!r}.")
    if options.executor is not None and (not isinstance(options.executor, str) or not options.executor):
        raise ValueError(
            f"executor of task {name!r} must be a name such as 'process', not {options.executor!r}; "
            "an executor of your own gets a name by nbflow.init(executors={'mine': ...})."
        )
    if options.loop not in (None, "engine", "notebook"):
        raise ValueError(f"loop of task {name!r} must be 'engine' or 'notebook', not {options.loop!r}.")
    return options


class _Mapper:
    """Maps a task over values that are there when it is called. Its code is that of the task, not an argument."""

    def __init__(self, mapped: Task[Any, Any]) -> None:
        self.function = mapped

    def __call__(self, iterables: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self.function.map(*iterables, **kwargs)
