"""Random graphs of tasks, and what their value must be: computed plainly, with no engine."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

PLAIN = ("value", "value", "async", "tuple", "big", "flaky", "caught", "caught error", "volatile")
WAITS = ("wait", "wait", "sleep", "first", "timeout", "source")
RARE = ("broken", "once", "grow", "grow")
SHARED = "shared"
"""A key for which several waits wait, and more events come than there are waits."""


@dataclass
class Step:
    """One node. ``below`` are the steps of its continuation, the last of them its output."""

    name: str
    kind: str
    inputs: list[Step] = field(default_factory=list)
    below: list[Step] = field(default_factory=list)
    fails: int = 0
    seconds: float = 0.0
    key: str = ""

    def all(self) -> Iterator[Step]:
        """Give this step and all that it may grow."""
        yield self
        for step in self.below:
            yield from step.all()


@dataclass
class Plan:
    """A graph: the last step is the output."""

    steps: list[Step]

    @property
    def output(self) -> Step:
        """The step whose value is that of the run."""
        return self.steps[-1]

    def all(self) -> list[Step]:
        """Return every step that may ever run."""
        return [found for step in self.steps for found in step.all()]

    def values(self) -> list[Any]:
        """Return every value that the run may have."""
        open_ = {step.name: _choices(step) for step in self.all() if _choices(step)}
        return [
            _evaluate(self.output, dict(zip(open_, picked, strict=True)), {})
            for picked in itertools.product(*open_.values())
        ]


def _choices(step: Step) -> list[Any]:
    """Return what may become of a step, when time or a crash decides."""
    if step.kind == "first":
        return [*range(len(step.inputs))]
    return [True, False] if step.kind in ("timeout", "once") else []


def _evaluate(step: Step, chosen: dict[str, Any], known: dict[str, Any]) -> Any:
    if step.name not in known:
        known[step.name] = value_of(step, [_evaluate(each, chosen, known) for each in step.inputs], chosen, known)
    return known[step.name]


def value_of(step: Step, inputs: list[Any], chosen: dict[str, Any], known: dict[str, Any]) -> Any:
    """Return the value of a step as one that uses it sees it, after ``plain``."""
    choice = chosen.get(step.name, True)
    if step.kind == "first":
        return ["first", choice, inputs[choice]]
    if step.kind in ("wait", "source"):
        return step.key
    if step.kind == "timeout":
        return step.key if choice else "nothing came"
    if step.kind == "sleep":
        return None
    if step.kind == "delay":
        return step.seconds
    if step.kind == "grow":
        return _evaluate(step.below[-1], chosen, known)
    if step.kind == "caught error" or (step.kind == "once" and not choice):
        return [None, "error"]
    made = result(step, inputs)
    return [made, None] if step.kind in ("caught", "once") else made


def result(step: Step, inputs: list[Any]) -> Any:
    """Return what the body of a step makes of its inputs, after ``plain``."""
    return [step.name, zlib.crc32(repr([plain(each) for each in inputs]).encode())]


def plain(value: Any) -> Any:
    """Return a value without what is left to chance: which of several equal events came, the words of an error."""
    if isinstance(value, BaseException):
        return "error"
    if isinstance(value, dict):
        return value["key"] if "key" in value else plain(value["value"])
    if hasattr(value, "index") and hasattr(value, "node_id"):
        return ["first", value.index, plain(value.value)]
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value


def draw(random: Random) -> Plan:
    """Draw a plan of a few steps."""
    numbers = itertools.count()
    steps: list[Step] = []
    for _ in range(random.randint(1, 7)):
        steps += _step(random, steps, numbers, deep=0)
    used = {id(each) for step in steps for each in step.inputs}
    loose = [step for step in steps if id(step) not in used]
    steps.append(Step(f"s{next(numbers)}", "value", loose))
    return Plan(steps)


def _step(random: Random, before: list[Step], numbers: Iterator[int], deep: int) -> list[Step]:
    name = f"s{next(numbers)}"
    luck = random.random()
    kind = random.choice(PLAIN if luck < 0.6 else WAITS if luck < 0.85 or deep > 1 else RARE)
    inputs = random.sample(before, min(len(before), random.choice((0, 1, 1, 2, 3))))
    step = Step(name, kind, inputs, fails=random.randint(1, 3), seconds=random.choice((0.0, 0.5, 7.0, 40.0)))
    if kind == "sleep":
        delay = Step(f"s{next(numbers)}", "delay", inputs, seconds=step.seconds)
        step.inputs = [delay]
        return [delay, step]
    if kind in ("wait", "timeout", "source"):
        step.inputs, step.key = [], random.choice((name, name, SHARED)) if kind == "wait" else name
    if kind == "first":
        parts = [part for _ in range(random.randint(1, 3)) for part in _step(random, before, numbers, deep + 1)]
        step.inputs = random.sample(parts, random.randint(1, len(parts)))
        return [*(part for part in parts if _leads_to(part, step)), step]
    if kind == "grow":
        for _ in range(random.randint(1, 3)):
            step.below += _step(random, step.below, numbers, deep + 1)
    return [step]


def _leads_to(part: Step, step: Step) -> bool:
    return any(part is each or _leads_to(part, each) for each in step.inputs)
