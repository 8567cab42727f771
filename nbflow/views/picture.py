"""Which nodes are drawn, which of them as one stack, and what stands between them.

A run has more nodes than a person wants to see. Containers and stored values are not drawn: edges go through them.
Mapped nodes are one stack, and so are eight or more siblings with the same function, parents and children, and eight
or more turns of a task that grows itself. What a task grew stands between it and those who wait for its value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ..core.graph import FORGOTTEN, NodeKind
from ..core.state import RunState

FOLD = 8
"""So many like nodes are folded into one, though nobody mapped them."""

PERSON = "human"
WAIT = "wait"
TASK = "task"

PERSON_LISTENERS = frozenset({"ButtonListener", "FormListener"})
"""Listeners that ask a person, known before they have asked."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One node of the picture; ``members`` are the nodes of the run that it stands for, in order.

    ``kind`` is ``task``, ``wait`` or ``human`` (a person must answer).
    """

    label: str
    kind: str
    members: tuple[int, ...]

    @property
    def stacked(self) -> bool:
        """True when it stands for several nodes."""
        return len(self.members) > 1


class Mark(NamedTuple):
    """What an edge of a scene says for itself: on what it is taken, whether it is a rule, and whether it was taken."""

    label: str = ""
    dashed: bool = False
    taken: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """The nodes that are drawn, by first member, and the edges between them by place.

    In a graph of tasks there is no cycle. In a scene there may be, and ``marks`` has one mark for each edge.
    """

    nodes: tuple[Drawn, ...] = ()
    edges: tuple[tuple[int, int], ...] = ()
    marks: tuple[Mark, ...] = ()

    @classmethod
    def of(cls, state: RunState) -> Picture:
        """Return the picture of a run as its graph is now. The states of the nodes have no say in it."""
        stacks = _stack(state)
        parents = _parents(state, stacks)
        if _depths(parents) is None:
            stacks = _split_by_depth(state, stacks)
            parents = _parents(state, stacks)
        stacks = _fold(state, stacks, parents)
        return _assemble(state, stacks, _parents(state, stacks))


def kind_of(state: RunState, index: int) -> str:
    """Return whether a node is a task, a wait, or a question to a person."""
    node = state.nodes[index]
    if node.wait is not None and node.wait.prompt is not None:
        return PERSON
    if node.spec.kind is not NodeKind.EVENT:
        return TASK
    return PERSON if function_of(state, index) in PERSON_LISTENERS else WAIT


def function_of(state: RunState, index: int) -> str:
    """Return the name of a node's function or listener, its own name when it has none."""
    spec = state.nodes[index].spec
    code = state.codes.get(spec.code)
    return code.name if code is not None and code.name else spec.node_id


def visible(state: RunState) -> list[int]:
    """Return the nodes that a person may see: no containers, nothing that was forgotten."""
    value = NodeKind.VALUE
    return [i for i, node in enumerate(state.nodes) if node.spec.kind is not value and node.owner != FORGOTTEN]


# ---- what is one stack ----


def _numbered(keys: Iterable[Hashable]) -> list[int]:
    """Return a number for each key, the same for equal ones, counted from 0; None has -1."""
    numbers: dict[Hashable, int] = {}
    return [-1 if key is None else numbers.setdefault(key, len(numbers)) for key in keys]


def _stack(state: RunState) -> list[int]:
    """Return the number of each node's stack, -1 for a node that is not drawn."""
    stacks, numbers = [-1] * len(state.nodes), dict[Hashable, int]()
    shared: set[int] = set()
    turns = _turns(state)
    for i in visible(state):
        node = state.nodes[i]
        owner = stacks[node.owner] if node.owner >= 0 else -1
        key: tuple[Hashable, ...]
        if node.spec.group:
            key = ("mapped", owner, node.spec.group)
        elif owner in shared:
            # each node of a stack grew nodes of its own: those at the same place are one stack again
            key = ("grown", owner, i - state.nodes[node.owner].children.start, node.spec.code, node.spec.kind)
        else:
            key = ("turns", turns[i]) if i in turns else ("one", i)
        stacks[i] = numbers.setdefault(key, len(numbers))
        if key[0] in ("mapped", "grown"):
            shared.add(stacks[i])
    return stacks


def _turns(state: RunState) -> dict[int, int]:
    """Return the first turn for each node of a long chain in which a task grew nothing but itself."""
    drawn = visible(state)
    children = Counter(state.nodes[i].owner for i in drawn)
    first: dict[int, int] = {}
    for i in drawn:
        node = state.nodes[i]
        again = (
            node.owner >= 0
            and children[node.owner] == 1
            and node.spec.kind is NodeKind.TASK
            and node.spec.code == state.nodes[node.owner].spec.code
            and not node.spec.group
        )
        first[i] = first.get(node.owner, node.owner) if again else i
    length = Counter(first.values())
    return {i: head for i, head in first.items() if length[head] >= FOLD}


def _fold(state: RunState, stacks: list[int], parents: list[set[int]]) -> list[int]:
    """Put eight or more siblings with the same function, parents and children into one stack."""
    children: list[set[int]] = [set() for _ in parents]
    for child, above in enumerate(parents):
        for parent in above:
            children[parent].add(child)
    size = Counter(stacks)
    alike: dict[Hashable, list[int]] = {}
    for i, stack in enumerate(stacks):
        node = state.nodes[i]
        if stack >= 0 and size[stack] == 1 and node.spec.kind is NodeKind.TASK:
            owner = stacks[node.owner] if node.owner >= 0 else -1
            key = (node.spec.code, owner, frozenset(parents[stack]), frozenset(children[stack]))
            alike.setdefault(key, []).append(i)
    folded = {i: members[0] for members in alike.values() if len(members) >= FOLD for i in members}
    return _numbered(None if s < 0 else ("fold", folded[i]) if i in folded else s for i, s in enumerate(stacks))


def _split_by_depth(state: RunState, stacks: list[int]) -> list[int]:
    """Split stacks whose nodes depend on each other, so that every edge leads to a greater depth."""
    single = _numbered(None if s < 0 else i for i, s in enumerate(stacks))
    depths = _depths(_parents(state, single)) or []
    return _numbered(None if s < 0 else (s, depths[single[i]]) for i, s in enumerate(stacks))


# ---- what stands between ----


class _Wires:
    """Follows a dependency to the stacks that make its value: through containers and continuations."""

    def __init__(self, state: RunState, stacks: list[int]) -> None:
        self._nodes = state.nodes
        self._stacks = stacks
        self._ends: dict[int, int] = {}
        self._sources: dict[int, frozenset[int]] = {}

    def sources(self, index: int) -> frozenset[int]:
        """Return the stacks that the value of a node comes from."""
        end = self._end(index)
        known = self._sources.get(end)
        if known is None:
            known = self._sources[end] = frozenset(self._gather(end))
        if known or self._stacks[index] < 0:
            return known
        return frozenset((self._stacks[index],))

    def _gather(self, end: int) -> set[int]:
        found: set[int] = set()
        seen, work = {end}, [end]
        while work:
            index = work.pop()
            if self._stacks[index] >= 0:
                found.add(self._stacks[index])
                continue
            for dep in self._nodes[index].spec.deps:
                dep = self._end(dep)
                if dep not in seen:
                    seen.add(dep)
                    work.append(dep)
        return found

    def _end(self, index: int) -> int:
        """Return the last node of a continuation's continuations."""
        path = []
        while index not in self._ends and self._nodes[index].output >= 0:
            path.append(index)
            index = self._nodes[index].output
        end = self._ends.get(index, index)
        for passed in path:
            self._ends[passed] = end
        return end


def _parents(state: RunState, stacks: list[int]) -> list[set[int]]:
    """Return for each stack the stacks above it."""
    parents: list[set[int]] = [set() for _ in range(max(stacks, default=-1) + 1)]
    wires = _Wires(state, stacks)
    for i, stack in enumerate(stacks):
        if stack < 0:
            continue
        node, above = state.nodes[i], parents[stack]
        rooted = node.owner < 0
        for dep in node.spec.deps:
            found = wires.sources(dep)
            above |= found
            rooted = rooted or bool(found)
        if not rooted:
            above.add(stacks[node.owner])
    for stack, above in enumerate(parents):
        above.discard(stack)
    return parents


def _depths(parents: list[set[int]]) -> list[int] | None:
    """Return how deep each stack lies, None when they go in a circle."""
    children: list[list[int]] = [[] for _ in parents]
    missing = [len(above) for above in parents]
    for child, above in enumerate(parents):
        for parent in above:
            children[parent].append(child)
    depths = [0] * len(parents)
    order = [stack for stack, above in enumerate(parents) if not above]
    for stack in order:
        for child in children[stack]:
            depths[child] = max(depths[child], depths[stack] + 1)
            missing[child] -= 1
            if not missing[child]:
                order.append(child)
    return depths if len(order) == len(parents) else None


def _assemble(state: RunState, stacks: list[int], parents: list[set[int]]) -> Picture:
    members: list[list[int]] = [[] for _ in parents]
    for i, stack in enumerate(stacks):
        if stack >= 0:
            members[stack].append(i)
    taken: Counter[str] = Counter()
    nodes = []
    for inside in members:
        first = inside[0]
        label = state.nodes[first].node_id if len(inside) == 1 else function_of(state, first)
        taken[label] += 1
        if taken[label] > 1:
            label = f"{label} ({taken[label]})"
        kinds = {kind_of(state, i) for i in inside}
        kind = next(kind for kind in (PERSON, WAIT, TASK) if kind in kinds)
        nodes.append(Drawn(label, kind, tuple(inside)))
    edges = tuple((parent, child) for child, above in enumerate(parents) for parent in sorted(above))
    return Picture(tuple(nodes), edges)
