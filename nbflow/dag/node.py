"""A node of a lazy graph: a call that has not happened yet."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Unpack

from ..core.graph import NodeKind
from ..errors import GraphError
from .checked import check_metadata, check_text
from .options import NodeOptions, spelled
from .template import Find, Sealed, template

if TYPE_CHECKING:
    from .task import Task

T = TypeVar("T")
_serials = itertools.count()
DEFAULT = "nbflow:default"
"""The argument of a wait that nobody polls with: its value when nothing came."""
_OF_WAITS = frozenset({"name", "task_id", "metadata", "timeout", "default", "catch_exceptions"})
_OF_CHOICES = frozenset({"task_id", "metadata"})


class Node(Generic[T]):
    """A call that ``run`` will make: pass it to other tasks' ``bind`` in place of its value, anywhere in the arguments.

    One node used in many places runs once. It is made by ``bind``, ``map``, ``put``, ``sleep`` or ``wait_for_event``.

    >>> import nbflow as nf
    >>> add = nf.task(lambda a, b: a + b, name="add")
    >>> three = add.bind(1, 2)
    >>> three
    <node add>
    >>> nf.run(add.bind(three, three))
    6
    """

    __slots__ = (
        "__weakref__",
        "_call",
        "_deps",
        "_group",
        "_kind",
        "_metadata",
        "_sealed",
        "_serial",
        "_task",
        "_task_id",
    )

    def __init__(
        self, kind: NodeKind, task: Task[Any, T] | None, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._serial = next(_serials)
        self._kind = kind
        self._task = task
        self._task_id: str | None = task.task_id if task else None
        self._metadata: dict[str, Any] | None = task.metadata if task else None
        self._group = ""
        self._deps: list[Node[Any]] = []
        self._sealed: list[Sealed] = []
        self._call = self._freeze(args, kwargs)

    def _finder(self) -> Find:
        deps = self._deps
        places = {id(dep): place for place, dep in enumerate(deps)}

        def find(value: Any) -> int | None:
            if not isinstance(value, Node):
                return None
            place = places.get(id(value))
            if place is None:
                place = places[id(value)] = len(deps)
                deps.append(value)
            return place

        return find

    def _freeze(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        find, name = self._finder(), self._name
        positional = [
            template(value, find, self._sealed, f"Argument {i + 1} of {name!r}") for i, value in enumerate(args)
        ]
        if not kwargs:
            return [positional]
        named = {
            key: template(value, find, self._sealed, f"Argument {key!r} of {name!r}") for key, value in kwargs.items()
        }
        return [positional, named]

    @property
    def _name(self) -> str:
        if self._task is None:
            return "any_of" if self._kind is NodeKind.ANY else "value"
        return self._task.name

    @spelled(NodeOptions)
    def options(self, **changes: Unpack[NodeOptions]) -> Node[T]:
        """Return the same call with other options: see ``task``. Raises ValueError for an unknown one.

        A wait has ``name``, ``task_id``, ``metadata``, ``timeout`` (seconds from when it opens), ``default`` (its value
        when nothing came in time or it was canceled, in place of a failure) and ``catch_exceptions``.
        """
        given: dict[str, Any] = {**changes}
        choice, wait = self._kind is NodeKind.ANY, self._kind is NodeKind.EVENT
        if self._task is None and not choice:
            raise GraphError(f"A {self._name} takes no options; set them on the task that uses it.")
        unfit = sorted(set(given) - (_OF_CHOICES if choice else _OF_WAITS)) if choice or wait else []
        if unfit:
            known = ", ".join(sorted(_OF_CHOICES if choice else _OF_WAITS))
            raise ValueError(
                f"{'An any_of' if choice else 'A wait'} takes no option {', '.join(unfit)}; it has {known}."
            )
        node: Node[T] = Node.__new__(type(self))
        for slot in Node.__slots__[1:]:
            setattr(node, slot, getattr(self, slot))
        node._serial = next(_serials)
        if wait and "default" in given:
            node._give_default(given.pop("default"))
        if self._task is not None:
            node._task = self._task.options(**given)
            node._task_id, node._metadata = node._task.task_id, node._task.metadata
        if choice and "task_id" in given:
            node._task_id = check_text("task_id", given["task_id"])
        if choice and "metadata" in given:
            node._metadata = check_metadata(given["metadata"])
        return node

    def _give_default(self, value: Any) -> None:
        positional, *named = self._call
        self._deps, self._sealed = [*self._deps], [*self._sealed]
        form = template(value, self._finder(), self._sealed, f"The default of {self._name!r}")
        self._call = [positional, {**(named[0] if named else {}), DEFAULT: form}]

    def __iter__(self) -> Any:
        raise TypeError(
            f"The value of node {self._name!r} is not there before the run, so it cannot be iterated. "
            "Pass the node to a task that loops, or use task.map(node)."
        )

    def __getitem__(self, key: Any) -> Any:
        raise TypeError(
            f"The value of node {self._name!r} is not there before the run, so no part of it can be taken. "
            "Pass the node to a task that takes the part: nbflow.task(lambda value: value[0]).bind(node)."
        )

    def __bool__(self) -> bool:
        raise TypeError(
            f"The value of node {self._name!r} is not there before the run, so it has no truth value. "
            "Decide inside a task; return nbflow.continuation(...) to choose what runs next."
        )

    def __reduce__(self) -> Any:
        raise TypeError(f"Node {self._name!r} cannot be pickled on its own; pass it to a task by bind.")

    def __repr__(self) -> str:
        return f"<node {self._task_id or self._name}>"


@dataclass(frozen=True)
class _Pick:
    """One input: by position, by name, or (None) the only one."""

    key: int | str | None


class InputNode(Node[Any]):
    """A place for what ``run(dag, *args, **kwargs)`` gives: ``dag_input[0]`` or ``dag_input.name``.

    The bare node is the only positional argument. May be used as a context manager, as in Ray.

    >>> import nbflow as nf
    >>> add = nf.task(lambda a, b: a + b, name="add")
    >>> with nf.InputNode() as given:
    ...     dag = add.bind(given[0], given.more)
    >>> nf.run(dag, 1, more=2)
    3
    """

    __slots__ = ("_pick",)

    def __init__(self, _pick: _Pick | None = None) -> None:
        super().__init__(NodeKind.VALUE, None, (), {})
        self._pick = _pick or _Pick(None)

    @property
    def _name(self) -> str:
        return "input"

    def __getitem__(self, key: int | str) -> InputNode:
        return InputNode(_Pick(key))

    def __getattr__(self, name: str) -> InputNode:
        if name.startswith("_"):
            raise AttributeError(name)
        return InputNode(_Pick(name))

    def __repr__(self) -> str:
        key = self._pick.key
        return f"<node input{'' if key is None else f'[{key}]' if isinstance(key, int) else f'.{key}'}>"

    def __enter__(self) -> InputNode:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def _resolve(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the value of this input. Raises KeyError or IndexError that names it."""
        key = self._pick.key
        if key is None:
            if len(args) == 1 and not kwargs:
                return args[0]
            raise KeyError(
                f"The bare input stands for exactly one positional argument, but run() got {len(args)} and "
                f"{sorted(kwargs)}. Use dag_input[0] or dag_input.name."
            )
        if isinstance(key, int):
            if key >= len(args):
                raise IndexError(f"The graph uses input {key}, but run() got {len(args)} positional arguments.")
            return args[key]
        if key not in kwargs:
            raise KeyError(f"The graph uses input {key!r}; give it to run(dag, ..., {key}=...).")
        return kwargs[key]


def put(value: T) -> Node[T]:
    """Return a node that is this value: stored once, loaded once, shared by reference between its users.

    Use it for a large value that many calls take. Raises CheckpointError when the value cannot be stored.

    >>> import nbflow as nf
    >>> total = nf.task(sum, name="total")
    >>> nf.run(total.bind(nf.put([1, 2, 3])))
    6
    """
    return Node(NodeKind.VALUE, None, (value,), {})
