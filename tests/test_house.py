"""The house rules: who may import whom, what the core may know, and that the linters have nothing to say."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "nbflow"
MODULES = sorted(PACKAGE.rglob("*.py"))

FRONTS = {"dag", "machine", "rules"}
FACES = {
    PACKAGE / "__init__.py",
    PACKAGE / "listeners" / "__init__.py",
    PACKAGE / "rules" / "__init__.py",
    PACKAGE / "machine" / "__init__.py",
    PACKAGE / "views" / "__init__.py",
}
"""What only names things of other rooms, which are imported on first use."""
BELOW_ENGINE = {"core", *FRONTS, "storage", "views", "executors"}
BELOW_API = {*BELOW_ENGINE, "engine"}
ARROWS = {
    "errors": set[str](),
    "faces": set[str](),
    "core": set[str](),
    **{room: {"core"} for room in (*FRONTS, "storage", "views", "executors")},
    "engine": BELOW_ENGINE,
    "secret": {"core"},
    "listeners": {"core", "dag"},
    "door": {"engine", "handle", "asking"},  # of handle only the type, of asking on first use
    "asking": {*BELOW_API, "door", "handle"},  # of handle only the type
    "handle": {*BELOW_API, "door"},
    "home": {*BELOW_API, "door"},
    "api": {*BELOW_API, "door", "handle", "home"},
    "looking": {*BELOW_API, "door", "handle", "home", "api"},
    "notification": {*BELOW_API, "home"},
    "flow": {*BELOW_API, "handle", "home", "api"},
    "forking": {*BELOW_API, "handle", "home", "api"},
    "caching": {*BELOW_API, "home"},
    "starting": {*BELOW_API, "door", "handle", "home", "api"},
    **{room: {*BELOW_API, "door", "handle", "home", "api"} for room in ("notebook", "http", "testing")},
    "ray_compat": {*BELOW_API, "door", "handle", "home", "api", "looking"},
    "checkup": {*BELOW_API, "door", "home"},
    "otel": BELOW_API,
    "cli": {*BELOW_API, "door", "handle", "home", "api", "asking", "checkup"},
    "__main__": {"cli"},
}
LAZY = {"notebook", "http"}
"""Rooms that others reach only through the door, on first use."""
VALUE_TOOLS = """
    __future__ abc base64 bisect binascii collections collections.abc contextlib copy dataclasses datetime enum
    functools graphlib hashlib heapq inspect itertools json math numbers operator re string struct
    textwrap types typing zlib
"""
HEAVY = {
    "pandas",
    "numpy",
    "ipywidgets",
    "anywidget",
    "tornado",
    "IPython",
    "loky",
    "graphviz",
    "obstore",
    "dask",
    "distributed",
    "ray",
}


@cache
def syntax(module: Path) -> ast.Module:
    """Return the syntax tree of a module."""
    return ast.parse(module.read_text(encoding="utf-8"), filename=str(module))


def room(module: Path) -> str:
    """Return the room of the house that a module is in: its folder, or its own name at the top."""
    return module.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(module: Path) -> Iterator[str]:
    """Yield the dotted name of everything that a module imports, at the top or inside a function."""
    package = module.relative_to(ROOT).parent.parts
    for node in ast.walk(syntax(module)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            source = ".".join([*start, *(node.module or "").split(".")]).strip(".")
            from_the_top = source == "nbflow"  # `from nbflow import core` names a room, not a thing in one
            yield from (f"nbflow.{name.name}" for name in node.names) if from_the_top else [source]


def rooms_imported(module: Path) -> set[str]:
    """Return the other rooms that a module imports from."""
    rooms = {name.split(".")[1] for name in imports(module) if name.startswith("nbflow.") and "__" not in name}
    return rooms - {room(module), "errors"}


def name_of(module: Path) -> str:
    return str(module.relative_to(ROOT))


@pytest.mark.parametrize("module", [m for m in MODULES if m not in FACES], ids=name_of)
def test_a_module_imports_only_the_rooms_below_its_own(module: Path) -> None:
    assert room(module) in ARROWS, "a new room needs its place in the house"
    assert rooms_imported(module) - LAZY <= ARROWS[room(module)]


@pytest.mark.parametrize("lazy", sorted(LAZY))
def test_only_one_module_outside_opens_the_door_to_a_lazy_room(lazy: str) -> None:
    outside = [m for m in MODULES if room(m) not in (lazy, "__init__") and lazy in rooms_imported(m)]
    assert len(outside) <= 1, outside
    for module in outside:
        at_the_top = [node for node in syntax(module).body if isinstance(node, ast.Import | ast.ImportFrom)]
        assert not any(f".{lazy}" in ast.unparse(node) for node in at_the_top), "the door is lazy"


@pytest.mark.parametrize("module", sorted((PACKAGE / "core").rglob("*.py")), ids=name_of)
def test_the_core_imports_only_value_tools(module: Path) -> None:
    foreign = {name for name in imports(module) if not name.startswith("nbflow")}
    assert foreign <= set(VALUE_TOOLS.split())


@pytest.mark.parametrize("module", sorted((PACKAGE / "core").rglob("*.py")), ids=name_of)
def test_the_core_asks_no_file_no_clock_and_no_person(module: Path) -> None:
    calls = [node.func for node in ast.walk(syntax(module)) if isinstance(node, ast.Call)]
    functions = {function.id for function in calls if isinstance(function, ast.Name)}
    methods = {function.attr for function in calls if isinstance(function, ast.Attribute)}
    assert not functions & {"open", "print", "input", "eval", "exec", "breakpoint", "__import__"}
    assert not methods & {"now", "utcnow", "today", "getsource", "getsourcelines", "getfile"}


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_file_holds_one_idea_and_says_it_first(module: Path) -> None:
    lines = module.read_text(encoding="utf-8").count("\n")
    assert lines <= 350
    assert not syntax(module).body or ast.get_docstring(syntax(module)), "the first line says what the file is about"


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_no_function_is_longer_than_a_screen(module: Path) -> None:
    functions = [node for node in ast.walk(syntax(module)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert {f.name: length for f in functions if (length := (f.end_lineno or f.lineno) - f.lineno + 1) > 40} == {}


def test_importing_nbflow_loads_nothing_heavy() -> None:
    code = "import json, sys, nbflow; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not HEAVY & set(json.loads(answer.stdout))


@pytest.mark.parametrize(
    "check",
    [["mypy", "--strict"], ["ruff", "check", "."], ["ruff", "format", "--check", "."]],
    ids=" ".join,
)
def test_the_linters_have_nothing_to_say(check: list[str]) -> None:
    answer = subprocess.run([sys.executable, "-m", *check], cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr
