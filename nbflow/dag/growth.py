"""What a body may return to make the run grow, and how that travels from another process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .compile import packed, root_of, unpacked
from .node import Node


@dataclass(frozen=True)
class Continuation:
    """The value of the task that returns this is the value of its graph."""

    dag: Any

    def __reduce__(self) -> Any:
        return (_unpacked, (packed(root_of(self.dag)),))


def _unpacked(rows: list[Any]) -> Continuation:
    return Continuation(unpacked(rows))


def growth(value: Any) -> Any:
    """Return the graph that a task returned, or None when it returned an ordinary value.

    A bare node counts, and so does a list, tuple or dict that holds nodes directly.
    """
    kind = type(value)  # not isinstance: a proxy answers, or raises, for what is behind it
    if issubclass(kind, Continuation):
        return value.dag
    if issubclass(kind, Node):
        return value
    if kind in (list, tuple) and any(issubclass(type(part), Node) for part in value):
        return value
    if kind is dict and any(issubclass(type(part), Node) for part in value.values()):
        return value
    return None
