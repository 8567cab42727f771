"""What a run is made of: code, and nodes that call it on the values of other nodes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from .cheap import cheap
from .retry import DEFAULT_OPTIONS, Options

Json = dict[str, Any]

TOP = -1
"""The owner of the nodes that the user bound; every other node belongs to the node that grew it."""

FORGOTTEN = -2
"""The owner of nodes that are no part of the run any more."""

GONE = "gone"
"""The codec of a stored value that was removed after its run had succeeded: only what a person may read is left."""


def is_gone(stored: Json | None) -> bool:
    """Tell whether a stored value was removed after its run had succeeded."""
    return stored is not None and stored.get("c") == GONE


class NodeKind(StrEnum):
    """What it takes to finish a node."""

    composed: bool
    """True when the value is made of the values of others, and nothing is stored for it."""
    TASK = "t"
    """Call a body."""
    EVENT = "e"
    """Wait for a listener, an event of the inbox, a person or a moment."""
    VALUE = "v"
    """Nothing but its parts: a stored value, or a container of other nodes' values."""
    DRIVER = "d"
    """Decide what happens next, call by call, until it says that the run is over."""
    ANY = "a"
    """Nothing but the first of its parts that is done; the others are put aside."""


for _kind in NodeKind:  # no property: it is asked several times for each node that ends
    _kind.composed = _kind in (NodeKind.VALUE, NodeKind.ANY)

TASK, EVENT, VALUE, DRIVER, ANY = NodeKind.TASK, NodeKind.EVENT, NodeKind.VALUE, NodeKind.DRIVER, NodeKind.ANY
"""The kinds by themselves, for what is asked at each node: Python 3.11 takes long to find a member in its enum."""

_KINDS = {kind.value: kind for kind in NodeKind}


@dataclass(frozen=True, slots=True)
class Code:
    """A function or listener class with its options, stored once per run and shared by its nodes.

    ``value`` is the stored pickle, None when the code cannot be pickled: then only ``run(dag, workflow_id=...)``
    can go on. ``fingerprint`` changes when the source does. ``source`` is text for people, of a bounded length: the
    code, and what it refers to in the notebook; empty when it is not known.
    """

    key: str
    name: str
    value: Json | None = None
    options: Options = DEFAULT_OPTIONS
    fingerprint: str = ""
    source: str = ""


@cheap
class NodeSpec:
    """One node: ``deps`` are the nodes whose values it needs, ``call`` is the stored form of its arguments.

    ``call`` refers to a dependency by its place in ``deps``, so a spec can be moved to other indices.
    """

    node_id: str
    kind: NodeKind
    deps: tuple[int, ...] = ()
    code: str = ""
    call: Any = None
    group: str = ""
    metadata: Json | None = field(default=None)

    def at(self, deps: tuple[int, ...]) -> NodeSpec:
        """Return the same node with its dependencies at other indices."""
        return NodeSpec(self.node_id, self.kind, deps, self.code, self.call, self.group, self.metadata)

    def with_code(self, code: str) -> NodeSpec:
        """Return the same node with other code."""
        return NodeSpec(self.node_id, self.kind, self.deps, code, self.call, self.group, self.metadata)

    def to_wire(self) -> list[Any]:
        """Return a compact JSON form."""
        wire: list[Any] = [self.node_id, self.kind, self.deps, self.code, self.call]
        if self.group or self.metadata is not None:
            wire.append(self.group)
            if self.metadata is not None:
                wire.append(self.metadata)
        return wire

    @classmethod
    def from_wire(cls, wire: list[Any]) -> NodeSpec:
        """Return the node that ``to_wire`` gave."""
        node_id, kind, deps, code, call, *rest = wire
        group = rest[0] if rest else ""
        return cls(node_id, _KINDS[kind], tuple(deps), code, call, group, rest[1] if len(rest) > 1 else None)
