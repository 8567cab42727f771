"""Random programs: a graph, and what each node of it does, found from a seed and the node's place alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

from nbflow.core.graph import NodeKind, NodeSpec

Path = tuple[Any, ...]


@dataclass(frozen=True)
class Behaviour:
    """What a body does: how many attempts fail, whether it fails for good, what it grows, where its value lives."""

    failures: int
    dies: bool
    memory: bool
    growth: tuple[NodeSpec, ...]


@dataclass(frozen=True)
class Wait:
    """What a node waits for; an empty key is a listener."""

    key: str
    expires: bool


@dataclass(frozen=True)
class Program:
    """A workflow that does the same in every history, but for ``choices``: what is first may differ."""

    seed: int
    choices: bool = True

    def top(self, variant: int = 0) -> tuple[NodeSpec, ...]:
        """Return the graph of the user; variants share most of their nodes."""
        return _graph(Random(f"{self.seed}"), 7, self.choices, variant)

    def behaviour(self, path: Path) -> Behaviour:
        """Return what the body at a place does."""
        return _behaviour(self.seed, path, self.choices)

    def wait(self, path: Path) -> Wait:
        """Return what the wait at a place is for."""
        random = Random(f"{self.seed}{path}")
        return Wait(random.choice(("", "k", "k", "other")), random.random() < 0.4)


@cache
def _behaviour(seed: int, path: Path, choices: bool) -> Behaviour:
    random = Random(f"{seed}{path}")
    grows = len(path) < 4 and random.random() < 0.45
    return Behaviour(
        failures=random.choice((0, 0, 0, 0, 1, 2)),
        dies=random.random() < 0.06,
        memory=random.random() < 0.3,
        growth=_graph(random, 4, choices) if grows else (),
    )


def _graph(random: Random, most: int, choices: bool, variant: int = 0) -> tuple[NodeSpec, ...]:
    """Return the ancestors of the last of some random nodes."""
    drawn: list[NodeSpec] = []
    for place in range(random.randint(1, most)):
        kind = random.choices((NodeKind.TASK, NodeKind.VALUE, NodeKind.EVENT, NodeKind.ANY), (12, 3, 4, 4))[0]
        deps = random.choices(range(place), k=random.randint(0, 3)) if place else []
        if kind is NodeKind.ANY:
            deps = random.sample(range(place), min(place, random.randint(1, 4) if choices else 1))
            kind = kind if deps else NodeKind.TASK
        codes = {NodeKind.TASK: random.choice(("c", "c", "c", "catch", "catch", "once")), NodeKind.EVENT: "e"}
        other = Random(f"{variant}{place}").random()
        if variant and other < 0.25 and len(deps) > (kind is NodeKind.ANY):
            deps = deps[1:]
        name = f"{kind.value}{place}" if other > 0.1 or not variant else f"new{place}"
        if variant and 0.25 < other < 0.3:
            kind = NodeKind.TASK
        changed = variant and 0.3 < other < 0.5
        code = codes.get(kind, "")
        if code == "c" and variant and 0.5 < other < 0.6:
            code = "mended"
        drawn.append(NodeSpec(name, kind, tuple(deps), code, [[place, variant] if changed else [place]]))
    needed = {len(drawn) - 1}
    for place in range(len(drawn) - 1, -1, -1):
        if place in needed:
            needed.update(drawn[place].deps)
    order = sorted(needed)
    moved = {place: new for new, place in enumerate(order)}
    return tuple(drawn[place].at(tuple(moved[dep] for dep in drawn[place].deps)) for place in order)
