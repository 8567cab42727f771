"""The source of a function: found for certain or not at all, and marked by what it means."""

from __future__ import annotations

import linecache
import shutil
import subprocess
import sys
import textwrap
import types
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from nbflow.dag.fingerprint import MOST_TEXT, fingerprint, read
from nbflow.dag.source import definition

ROOT = Path(__file__).resolve().parents[2]
_cells = count()


def made(code: str, name: str = "f", flags: int = 0) -> Any:
    """Return a function of a cell whose lines are known, as those of a notebook are."""
    code = textwrap.dedent(code)
    cell = f"<cell {next(_cells)}>"
    linecache.cache[cell] = (len(code), None, code.splitlines(keepends=True), cell)
    module = types.ModuleType("__main__")
    exec(compile(code, cell, "exec", flags), module.__dict__)
    return module.__dict__[name]


def same(one: str, other: str) -> bool:
    return fingerprint(made(one)) == fingerprint(made(other))


BASE = "def f(x, y=1):\n    return helper(x) + LIMIT\ndef helper(x):\n    return x + 1\nLIMIT = 5\n"


@pytest.mark.parametrize(
    "other",
    [
        "# a comment\n\n" + BASE,
        BASE.replace("return helper(x) + LIMIT", "return (\n        helper(x)  # note\n        + LIMIT\n    )"),
        BASE.replace("(x, y=1)", "(x: int,y: 'float' = 1) -> float"),
        BASE.replace("return x + 1", '"""Add one."""\n    return x + 1'),
        BASE.replace("def f(", "def unused(): ...\n\ndef f("),
    ],
)
def test_looks_comments_hints_and_documentation_do_not_count(other: str) -> None:
    assert same(BASE, other)


@pytest.mark.parametrize(
    ("what", "by"),
    [
        ("+ LIMIT", "- LIMIT"), ("y=1", "y=2"), ("return x + 1", "return x + 2"), ("LIMIT = 5", "LIMIT = 6"),
        ("x + 1\n", "x + 1.0\n"), ("+ LIMIT", "+ (lambda: LIMIT + 0)()"), ("LIMIT = 5", "LIMIT = True"),
        ("return x + 1", "y = None\n    return x + 1"),
    ],
)  # fmt: skip
def test_what_a_function_does_counts(what: str, by: str) -> None:
    assert what in BASE
    assert not same(BASE, BASE.replace(what, by))


CONFIG = "CONFIG = {}\ndef f():\n    return CONFIG\n"


def test_plain_values_in_containers_count_and_the_order_of_sets_does_not() -> None:
    for one, other in (("{'lr': 0.1}", "{'lr': 0.2}"), ("[1, 2]", "[2, 1]"), ("(1, [2])", "(1, [3])"), ("{1}", "{2}")):
        assert same(CONFIG.format(one), CONFIG.format(one))
        assert not same(CONFIG.format(one), CONFIG.format(other))
    assert same(CONFIG.format("{'a', 'b', 'c'}"), CONFIG.format("{'c', 'b', 'a'}"))


def test_large_and_endless_values_are_read_in_no_time() -> None:
    endless = "LOOP = []\nLOOP.append(LOOP)\nMANY = list(range(10**6))\ndef f():\n    return LOOP, MANY\n"
    assert same(endless, endless)
    assert len(read(made(endless)).source) < 2000


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def rate(self): return 1", "def rate(self): return 2"),
        ("@property\n    def rate(self): return 1", "@property\n    def rate(self): return 2"),
        ("@staticmethod\n    def rate(): return 1", "@staticmethod\n    def rate(): return 2"),
        ("rate = 1", "rate = 2"),
        ("rate: int = 1", "rate: float = 1"),
    ],
)
def test_members_of_a_class_count_and_so_do_those_of_its_bases(one: str, other: str) -> None:
    whole = "class Base:\n    {}\nclass Model(Base):\n    pass\ndef f():\n    return Model()\n"
    assert same(whole.format(one), whole.format(one))
    assert not same(whole.format(one), whole.format(other))


def test_dataclasses_and_enumerations_are_what_they_are_made_of() -> None:
    data = "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int = {}\ndef f():\n    return P()\n"
    assert same(data.format(1), data.format(1)) and not same(data.format(1), data.format(2))
    kinds = "import enum\nclass K(enum.Enum):\n    A = {}\n    B = 7\ndef f():\n    return K.A\n"
    assert same(kinds.format(1), kinds.format(1)) and not same(kinds.format(1), kinds.format(2))


def test_partial_functions_methods_and_objects_of_the_notebook_are_seen_through() -> None:
    given = (
        "from functools import partial\nclass M:\n    def fit(self, x):\n        return x + {0}\n"
        "def g(a, b):\n    return a\nmodel = M()\nbound = model.fit\nhalf = partial(g, {1})\n"
        "def f():\n    return half(1), bound(2)\n"
    )
    assert same(given.format(1, 1), given.format(1, 1))
    assert not same(given.format(1, 1), given.format(2, 1)) and not same(given.format(1, 1), given.format(1, 2))


def test_lambdas_of_one_line_are_told_apart() -> None:
    assert definition(made("f, g = lambda x: x + 1, lambda x: x + 2\n")) is not None
    assert same("f, g = lambda x: x + 1, lambda x: x + 2\n", "f = (lambda x:\n    x + 1)\n")
    assert not same("f, g = lambda x: x + 1, lambda x: x + 2\n", "f = lambda x: x + 2\n")


def test_a_cell_under_another_future_or_with_an_await_at_its_top_is_found() -> None:
    hints_as_text = __import__("__future__").annotations.compiler_flag
    code = "def f(x: Nothing) -> None:\n    return x\n"
    function = made(code, flags=hints_as_text)
    assert definition(function) is not None
    assert fingerprint(function) == fingerprint(made("def f(x):\n    return x\n"))
    cell = f"<cell {next(_cells)}>"
    lines = ["def f(x):\n", "    return x\n", "await g()\n"]
    linecache.cache[cell] = (30, None, lines, cell)
    space: dict[str, Any] = {}
    exec(compile("".join(lines[:2]), cell, "exec"), space)
    assert definition(space["f"]) is not None


def test_a_file_that_was_edited_since_it_was_imported_is_not_taken_for_what_runs(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("def f(x):\n    return x + 1\n")
    space: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), space)
    before = fingerprint(space["f"])
    assert definition(space["f"]) is not None and "x + 1" in read(space["f"]).source
    path.write_text("def f(x):\n    return x + 22\n")
    assert definition(space["f"]) is None and read(space["f"]).source == ""
    assert fingerprint(space["f"]) != before, "its bytecode stands for it now"


def test_the_text_is_that_of_the_function_its_helpers_and_the_values_it_names() -> None:
    code = """
    class Model:
        def fit(self, x):
            return scaled(x)
    RATE = 10
    def scaled(x):
        return x * RATE
    def unused(): ...
    def f(x):
        # train
        return Model().fit(x)
    """
    assert read(made(code)).source == textwrap.dedent("""\
        def f(x):
            # train
            return Model().fit(x)


        class Model:
            def fit(self, x):
                return scaled(x)


        def scaled(x):
            return x * RATE


        RATE = 10""")


def test_the_text_has_its_bounds() -> None:
    code = "def f():\n    return 0\n" + "    # long\n" * 3000 + "    pass\n"
    found = read(made(code)).source
    assert len(found) <= MOST_TEXT + 20 and found.endswith("# ... cut here")


def test_tasks_that_a_function_names_are_found_by_their_names() -> None:
    code = """
    import nbflow as nf
    @nf.task(name="deep")
    def inner(x): return x
    @nf.task
    def other(x): return x
    def f(x):
        return nf.continuation(inner.bind(x))
    """
    assert set(read(made(code)).tasks) == {"deep"}


def other_pythons() -> list[str]:
    """Return the other versions of Python that run here."""
    found = [path for minor in (12, 13, 14) if (path := shutil.which(f"python3.{minor}"))]
    return [path for path in found if not subprocess.run([path, "-c", ""], capture_output=True).returncode]


def test_the_mark_of_found_source_says_nothing_of_the_version_of_python(tmp_path: Path) -> None:
    code = BASE + "def more(x):\n    return [i for i in range(x) if f'{i:>3}{x!r}'] + [h(x) for h in (lambda z: z,)]\n"
    path = tmp_path / "module.py"
    tell = "from nbflow.dag.fingerprint import fingerprint\nprint(fingerprint(f), fingerprint(more))\n"
    path.write_text(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{code}\n{tell}")
    found = {
        subprocess.run([python, str(path)], capture_output=True, text=True, check=True).stdout
        for python in (sys.executable, *other_pythons())
    }
    assert len(found) == 1
