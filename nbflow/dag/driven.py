"""A graph of one node that decides for itself what runs: the form in which a state machine or a flow is a run."""

from __future__ import annotations

from typing import Any, Protocol

from ..core.graph import NodeKind
from .node import Node
from .task import Task


class Definition(Protocol):
    """What a front defines: it is pickled into the run, and the engine makes its driver.

    ``driver`` names the kind of driver, ``functions`` are the user's own, by which a change of code is seen.
    """

    driver: str
    name: str

    @property
    def functions(self) -> tuple[Any, ...]:
        """The user's functions, in a fixed order."""
        ...


class Driven:
    """Stands where a task's function would; nobody calls it."""

    __slots__ = ("definition",)

    def __init__(self, definition: Definition) -> None:
        self.definition = definition

    @property
    def functions(self) -> tuple[Any, ...]:
        """The user's functions, in a fixed order."""
        return self.definition.functions

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise TypeError(f"{self.definition.name!r} is driven by the engine and is not called.")


def driven(definition: Definition, *args: Any, **kwargs: Any) -> Node[Any]:
    """Return the graph of a definition; its driver gets the arguments. Raises CheckpointError for one not storable."""
    return Node(NodeKind.DRIVER, Task(Driven(definition), name=definition.name), args, kwargs)
