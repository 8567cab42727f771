"""The options of a task and of a node by name and type, for type checkers and for the Tab key."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal, TypedDict, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class TaskOptions(TypedDict, total=False):
    """What ``task`` and ``options`` take; see ``task`` for what each means."""

    name: str
    task_id: str
    max_retries: int
    retry_exceptions: bool | type[BaseException] | tuple[type[BaseException], ...] | list[type[BaseException]]
    backoff: float
    factor: float
    max_backoff: float
    jitter: float
    timeout: float | None
    catch_exceptions: bool
    checkpoint: bool | None
    cache: Any
    executor: str | None
    loop: Literal["engine", "notebook"] | None
    mark_start: bool
    resources: dict[str, Any] | None
    metadata: dict[str, Any] | None


class NodeOptions(TaskOptions, total=False):
    """What ``options`` of a node takes: those of its task, and for a wait a ``default``."""

    default: Any


class _Kept:
    def __repr__(self) -> str:
        return "..."


KEPT = _Kept()
"""Stands in a signature for an option that is left as it is."""


def spelled(options: type) -> Callable[[F], F]:
    """Return a decorator that shows the names of options in the signature of a function that takes ``**changes``."""

    def decorated(function: F) -> F:
        shown = inspect.signature(function)
        plain = [each for each in shown.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
        named = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=KEPT) for name in options.__annotations__
        ]
        function.__signature__ = shown.replace(parameters=[*plain, *named])  # type: ignore[attr-defined]
        return function

    return decorated
