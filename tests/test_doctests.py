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
)


@pytest.fixture(autouse=True)
def storage() -> Iterator[None]:
    """Keep what the examples run in memory."""
    nf.shutdown()
    nf.init(storage=MemoryStorage())
    yield
    nf.shutdown()


def examples() -> list[doctest.DocTest]:
    """Return the examples of all public names, and of what they have."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found: dict[str, doctest.DocTest] = {}
    for name in nf.__all__:
        thing = getattr(nf, name)
        home = inspect.getmodule(thing)
        for example in finder.find(thing, name, module=home if isinstance(home, ModuleType) else None):
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


def test_the_examples_are_found() -> None:
    assert {"task", "run", "continuation", "put", "sleep", "wait_for_event"} <= {each.name for each in EXAMPLES}


@pytest.mark.parametrize("name", nf.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    thing = getattr(nf, name)
    assert inspect.getdoc(thing), f"{name} has no docstring"
    assert name in dir(nf)
