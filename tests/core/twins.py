"""What the oracle knows of a run: frozen values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from nbflow.core import records as r
from nbflow.core.graph import TOP, Code, Json, NodeKind, NodeSpec
from nbflow.core.status import NodeStatus, WorkflowStatus

N = NodeStatus
GONE = -2
"""The owner of nodes that are no part of the run any more."""


@dataclass(frozen=True)
class Twin:
    """One node."""

    spec: NodeSpec
    owner: int = TOP
    status: NodeStatus = N.PENDING
    value: Json | None = None
    attempt: int = 0
    retry_at: float = 0.0
    children: tuple[int, ...] = ()
    output: int = -1
    holder: int = -1
    failing: int = -1
    wait: r.WaitOpened | None = None
    event: Json | None = None
    chosen: int = -1
    recipe: Any = None
    """What the result was made from, with all that it was called on; None while there is no result."""

    @property
    def inputs(self) -> tuple[int, ...]:
        """What its value is made of: of an any_of that is decided, the chosen part."""
        return self.spec.deps if self.chosen < 0 else (self.chosen,)


@dataclass(frozen=True)
class Model:
    """One run."""

    nodes: tuple[Twin, ...] = ()
    status: WorkflowStatus | None = None
    output: int = -1
    wanted: frozenset[int] = frozenset()
    inbox: tuple[r.EventReceived, ...] = ()
    seen: frozenset[str] = frozenset()
    staged: tuple[tuple[int, NodeSpec], ...] = ()
    codes: tuple[tuple[str, Code], ...] = ()

    def change(self, index: int, **fields: Any) -> Model:
        """Return the model with one node changed."""
        nodes = list(self.nodes)
        nodes[index] = replace(nodes[index], **fields)
        return replace(self, nodes=tuple(nodes))

    def catches(self, index: int) -> bool:
        """Tell whether a node catches exceptions."""
        code = dict(self.codes).get(self.nodes[index].spec.code)
        return code is not None and code.options.catch_exceptions

    def value_of(self, index: int) -> Json | None:
        """Return the stored value of a node, wherever it lies."""
        node = self.nodes[index]
        return node.value if node.holder < 0 else self.nodes[node.holder].value

    def recipe_of(self, index: int) -> Any:
        """Return what the present graph would make the result of a node from."""
        spec = self.nodes[index].spec
        code = dict(self.codes).get(spec.code)
        deps = tuple((dep, self.recipe_of(dep)) for dep in spec.deps if self.nodes[dep].spec.kind is NodeKind.VALUE)
        return (code.fingerprint if code else "", repr(spec.call), spec.deps, deps)

    def changed(self, index: int) -> bool:
        """Tell whether the result of a node was made from something else than the present graph says."""
        return self.nodes[index].recipe not in (None, self.recipe_of(index))

    def first(self, index: int) -> int:
        """Return the part that decides an any_of now: one that is done before one whose event is durable."""
        parts = self.nodes[index].spec.deps
        done = [part for part in parts if self.nodes[part].status.finished]
        fired = [part for part in parts if self.nodes[part].event is not None]
        return (done + fired + [-1])[0]

    def below(self, index: int) -> set[int]:
        """Return all that a node has grown, and what that has grown."""
        children = self.nodes[index].children
        return set(children).union(*(self.below(child) for child in children))

    def laid(self, owner: int) -> list[NodeSpec]:
        """Return what lies ready for an owner."""
        return [spec for whose, spec in self.staged if whose == owner]
