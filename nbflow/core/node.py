"""One node as a run knows it now."""

from __future__ import annotations

from typing import Any, NamedTuple

from .graph import FORGOTTEN, TOP, Json, NodeKind, NodeSpec
from .records import WaitOpened
from .status import PENDING

NOTHING = range(0)
"""The children of a node that has not grown."""


class Made(NamedTuple):
    """What a result was made from: the call, and the values in the graph that it was called on, by node."""

    spec: NodeSpec
    values: dict[int, NodeSpec]


class Node:
    """The present state of one node. Read it anywhere; only ``RunState.handle`` changes it.

    ``missing`` counts dependencies that are not finished, ``uses`` the unfinished consumers of the value,
    ``alias`` is the node that holds the value after a continuation, ``followers`` are the nodes whose value will be
    this node's, ``chosen`` the part that was first in an any_of, ``output`` the node that a grown node waits for,
    ``failing`` the node below whose failure it catches, ``told`` who was told of its question, by place, ``made`` what
    a result was made from that is not that of the present graph.
    """

    __slots__ = (
        "alias", "attempt", "caught", "children", "chosen", "dependents", "ended", "error", "event", "failing",
        "followers", "made", "missing", "needed", "output", "owner", "retry_at", "spec", "started", "status", "told",
        "uses", "value", "wait",
    )  # fmt: skip

    def __init__(self, spec: NodeSpec, owner: int = TOP) -> None:
        self.spec = spec
        self.owner = owner
        self.status = PENDING
        self.attempt = 0
        self.missing = 0
        self.uses = 0
        self.needed = True
        self.dependents: list[int] | tuple[()] = ()
        self.children: range = NOTHING
        self.followers: list[int] | tuple[()] = ()
        self.output = -1
        self.chosen = -1
        self.alias = -1
        self.failing = -1
        self.value: Json | None = None
        self.caught = False
        self.made: Made | None = None
        self.error: Json | None = None
        self.started = 0.0
        self.ended = 0.0
        self.retry_at = 0.0
        self.wait: WaitOpened | None = None
        self.told: tuple[int, ...] = ()
        self.event: Json | None = None

    @property
    def node_id(self) -> str:
        """The name of the node, unique in its run."""
        return self.spec.node_id

    @property
    def inputs(self) -> tuple[int, ...]:
        """The nodes whose values it needs: of an any_of that is decided only the chosen one."""
        return self.spec.deps if self.chosen < 0 else (self.chosen,)

    @property
    def changed(self) -> bool:
        """True when the result is that of other code or other inputs than the graph has now."""
        return self.made is not None

    def describe(self) -> dict[str, Any]:
        """Return what an error message should say about the node."""
        return {name: getattr(self, name) for name in ("node_id", "status", "attempt", "missing", "owner", "error")}


TOMB = Node(NodeSpec("", NodeKind.TASK), FORGOTTEN)
"""Stands for every node that left its run: its place stays, since the others are known by theirs. Never changed."""
