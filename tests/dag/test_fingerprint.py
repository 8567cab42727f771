"""The mark of a function: changes when what it does changes, and not when it only looks different."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import types
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.dag.fingerprint import fingerprint

ROOT = Path(__file__).resolve().parents[2]


def made(code: str, name: str = "f") -> Any:
    """Return a function of a module of its own, as a cell of a notebook would make it."""
    module = types.ModuleType("__main__")
    exec(compile(textwrap.dedent(code), "<cell>", "exec"), module.__dict__)
    return module.__dict__[name]


def same(one: str, other: str) -> bool:
    return fingerprint(made(one)) == fingerprint(made(other))


BASE = "def f(x, y=1):\n    return helper(x) + LIMIT\ndef helper(x):\n    return x + 1\nLIMIT = 5\n"


@pytest.mark.parametrize(
    "other",
    [
        BASE,
        "# a comment\n\n" + BASE,
        BASE.replace("return helper(x) + LIMIT", "return (\n        helper(x)  # note\n        + LIMIT\n    )"),
        BASE + "UNUSED = 7\ndef other(): return 8\n",
        BASE.replace("(x, y=1)", "(x,y = 1)"),
    ],
)
def test_looks_do_not_count(other: str) -> None:
    assert same(BASE, other)


@pytest.mark.parametrize(
    ("what", "by"),
    [
        ("+ LIMIT", "- LIMIT"), ("y=1", "y=2"), ("y=1", "*, y=1"), ("return x + 1", "return x + 2"),
        ("LIMIT = 5", "LIMIT = 6"),
        ("LIMIT = 5", "LIMIT = '5'"), ("return x + 1", "return deeper(x)\ndef deeper(x):\n    return x"),
        ("helper(x) + LIMIT", "helper(x) + (lambda: LIMIT)()"),
    ],
)  # fmt: skip
def test_what_the_function_does_counts_and_so_do_its_helpers_defaults_and_constants(what: str, by: str) -> None:
    assert what in BASE
    assert not same(BASE, BASE.replace(what, by))


def test_the_words_of_a_docstring_do_not_count() -> None:
    documented = 'def f(x):\n    """{}"""\n    return x\n'
    assert same(documented.format("One."), documented.format("Another."))


def test_what_a_function_closes_over_counts() -> None:
    closing = "def outer():\n    n = {}\n    def g(x):\n        return x + n\n    return g\nf = outer()\n"
    assert same(closing.format(1), closing.format(1))
    assert not same(closing.format(1), closing.format(2))


def test_a_change_in_a_class_of_the_notebook_counts() -> None:
    model = "class Model:\n    rate = {}\n    def fit(self):\n        return self.rate\n"
    code = model + "def f():\n    return Model().fit()\n"
    assert same(code.format(1), code.format(1))
    assert not same(code.format(1), code.format(2))


def test_tasks_are_seen_through_and_recursion_ends() -> None:
    task = "import nbflow as nf\n@nf.task\ndef g(n):\n    return {}\n"
    code = task + "def f(n):\n    return n if n < 1 else g.bind(f(n - 1))\n"
    assert same(code.format("n"), code.format("n"))
    assert not same(code.format("n"), code.format("n + 1"))
    assert fingerprint(nf.task(made(BASE))) == fingerprint(made(BASE))


def test_sets_of_constants_have_no_order_and_kinds_are_told_apart() -> None:
    assert same("def f(x): return x in {'a', 'b', 'c'}", "def f(x): return x in {'c', 'b', 'a'}")
    assert not same("def f(): return 1", "def f(): return True")
    assert not same("def f(): return 1", "def f(): return 1.0")


def test_the_mark_is_the_same_in_every_process() -> None:
    code = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from nbflow.dag.fingerprint import fingerprint
{BASE}
many = [fingerprint(f) for _ in range(50)]
assert len(set(many)) == 1
print(many[0])
"""
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1


def test_objects_and_built_ins_have_a_mark() -> None:
    for value in (len, print, object(), str.upper, nf.EventListener, type("T", (), {})):
        assert len(fingerprint(value)) == 16


def test_a_value_that_is_nested_without_end_is_known_by_what_is_in_reach() -> None:
    def nested(depth: int, inside: Any) -> Any:
        for _ in range(depth):
            inside = {"k": [inside]}
        return inside

    def reader(tree: Any) -> Any:
        return lambda: len(tree)

    assert fingerprint(reader(nested(1000, 1))) == fingerprint(reader(nested(1000, 1)))
    assert fingerprint(reader(nested(10, 1))) != fingerprint(reader(nested(10, 2)))
