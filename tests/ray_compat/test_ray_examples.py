"""The examples in the docstrings of the Ray names run as they stand there."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

from nbflow import ray_compat

MODULES = [
    ray_compat.__name__,
    *(each.name for each in pkgutil.walk_packages(ray_compat.__path__, "nbflow.ray_compat.")),
]


def examples() -> dict[str, doctest.DocTest]:
    """Return the examples of all modules."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [example for module in MODULES for example in finder.find(importlib.import_module(module))]
    return {example.name: example for example in found if example.examples}


EXAMPLES = examples()


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_an_example_of_the_ray_names_runs(name: str) -> None:
    lines: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(EXAMPLES[name], out=lines.append)
    assert result.failed == 0, "".join(lines)


def test_the_examples_of_the_ray_names_are_found() -> None:
    assert {name.rsplit(".", 1)[-1] for name in EXAMPLES} >= {"get", "put", "wait", "remote", "init", "run", "options"}
