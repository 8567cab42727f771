"""The examples in the docstrings of the public names run as they stand there."""

from __future__ import annotations

import doctest
import importlib
import inspect
from collections.abc import Iterator
from types import ModuleType

import pytest

import nbflow as nf
from nbflow.testing import MemoryStorage

MODULES = (
    "nbflow.testing",
    "nbflow.errors",
    "nbflow.dag.event",
    "nbflow.listeners.file",
    "nbflow.listeners.queue_source",
    "nbflow.cli.main",
    "nbflow.engine.notify",
    "nbflow.notification",
    "nbflow.rules.notification",
    "nbflow.rules.conditions",
    "nbflow.rules.context",
    "nbflow.rules.definition",
    "nbflow.rules.operators",
    "nbflow.rules.actions",
    "nbflow.rules.schedule",
    "nbflow.core.executions",
    "nbflow.engine.flows.stopping",
    "nbflow.http.endpoint",
    "nbflow.http.guard",
    "nbflow.http.links",
    "nbflow.http.post",
    "nbflow.http.replies",
    "nbflow.http.site",
    "nbflow.otel",
    "nbflow.executors.base",
    "nbflow.executors.registry",
)
PUBLIC = (
    "nbflow", "nbflow.listeners", "nbflow.machine", "nbflow.rules", "nbflow.testing", "nbflow.executors",
    "nbflow.ray_compat", "nbflow.cli",
)  # fmt: skip
"""Modules whose names are for users. The errors have their examples in notebooks/reference/errors.rst."""


@pytest.fixture(autouse=True)
def storage() -> Iterator[None]:
    """Keep what the examples run in memory."""
    nf.shutdown()
    nf.init(storage=MemoryStorage())
    yield
    nf.shutdown()


def names() -> list[tuple[str, str]]:
    """Return the public names, each with its module, but the errors."""
    found = []
    for module in PUBLIC:
        for name in importlib.import_module(module).__all__:
            thing = getattr(importlib.import_module(module), name)
            if not (inspect.isclass(thing) and issubclass(thing, BaseException)):
                found.append((module, name))
    return found


NAMES = names()


def examples() -> list[doctest.DocTest]:
    """Return the examples of all public names, and of what they have."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found: dict[str, doctest.DocTest] = {}
    for module, name in NAMES:
        thing = getattr(importlib.import_module(module), name)
        home = inspect.getmodule(thing)
        where = name if module == "nbflow" else f"{module}.{name}"
        for example in finder.find(thing, where, module=home if isinstance(home, ModuleType) else None):
            found.setdefault(example.name, example)
    for module in MODULES:
        for example in finder.find(importlib.import_module(module)):
            found.setdefault(example.name, example)
    return [example for example in found.values() if example.examples]


EXAMPLES = examples()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_of_the_docstrings_runs(example: doctest.DocTest) -> None:
    lines: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=lines.append)
    assert result.failed == 0, "".join(lines)


@pytest.mark.parametrize(("module", "name"), [pytest.param(*each, id=".".join(each)) for each in NAMES])
def test_every_public_name_is_documented_with_an_example_that_runs(module: str, name: str) -> None:
    home = importlib.import_module(module)
    thing = getattr(home, name)
    assert inspect.getdoc(thing), f"{name} has no docstring"
    assert name in dir(home)
    examples = doctest.DocTestFinder(exclude_empty=True).find(thing, name, module=False)  # type: ignore[arg-type]
    assert any(example.examples for example in examples), f"{module}.{name} has no example in its docstring"
