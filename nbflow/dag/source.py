"""The source of a function, where it can be found for certain: its text, and a form that ignores how it looks.

A cell of a notebook or a file is parsed once. A function is looked up there by its compiled code, so a file that was
edited since it was imported is not taken for what runs.
"""

from __future__ import annotations
import __future__

import ast
import linecache
import textwrap
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

LARGEST = 400_000
"""Characters; a longer file is not parsed."""
_UNITS = 64
"""Parsed cells and files that are kept."""

_HINTS_AS_TEXT = __future__.annotations.compiler_flag
"""What ``from __future__ import annotations`` does in one cell holds in all later ones."""
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_IGNORED = frozenset({"ctx", "kind", "type_comment", "type_ignores", "returns"})


class Unit:
    """One cell or file: its lines, its definitions by line, and the code that it compiles to."""

    def __init__(self, name: str, lines: list[str]) -> None:
        self.lines = lines
        self._name = name
        self._codes: dict[int, set[CodeType]] = {}
        self._defined: dict[int, list[Definition]] = {}
        self.classes: dict[str, ast.ClassDef] = {}
        self._note()

    def _note(self) -> None:
        text = "".join(self.lines)
        try:
            work: list[tuple[ast.AST, str]] = [(ast.parse(text), "")] if len(text) <= LARGEST else []
        except (SyntaxError, ValueError, RecursionError):
            return
        while work:
            node, within = work.pop()
            if isinstance(node, Definition):
                self._defined.setdefault(_first_line(node), []).append(node)
            name = getattr(node, "name", None)
            if isinstance(node, ast.ClassDef):
                self.classes[f"{within}{node.name}"] = node
                within = f"{within}{node.name}."
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                within = f"{within}{name}.<locals>."
            work.extend((child, within) for child in ast.iter_child_nodes(node))

    def find(self, code: CodeType) -> Definition | None:
        """Return the definition that compiles to some code, None when there is none or more than one."""
        if code not in self._compiled(code.co_flags & _HINTS_AS_TEXT):
            return None
        found = [node for node in self._defined.get(code.co_firstlineno, ()) if _name(node) == code.co_name]
        if len(found) > 1:
            found = [node for node in found if _is_at(node, code)]
        return found[0] if len(found) == 1 else None

    def _compiled(self, future: int) -> set[CodeType]:
        found = self._codes.get(future)
        if found is None:
            flags = future | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT  # a cell may await at its top
            try:
                code = compile("".join(self.lines), self._name, "exec", flags, dont_inherit=True)
                found = set(_codes(code)) if self._defined else set()
            except (SyntaxError, ValueError, RecursionError):
                found = set()
            self._codes[future] = found
        return found

    def text(self, node: ast.AST) -> str:
        """Return the lines of a definition, with its decorators, as far left as they go."""
        first, last = _first_line(node) - 1, getattr(node, "end_lineno", 0) or 0
        return textwrap.dedent("".join(self.lines[first:last])).rstrip()


_units: dict[str, Unit] = {}


def unit_of(code: CodeType) -> Unit | None:
    """Return the cell or file that some code came from, None when its text is not known."""
    name = code.co_filename
    linecache.checkcache(name)
    lines = linecache.getlines(name)
    known = _units.get(name)
    if known is not None and known.lines == lines:
        return known
    if not lines:
        return None
    while len(_units) >= _UNITS:
        del _units[next(iter(_units))]
    unit = _units[name] = Unit(name, list(lines))
    return unit


def definition(function: FunctionType) -> tuple[Unit, Definition] | None:
    """Return where a function is written, None when that cannot be told for certain."""
    unit = unit_of(function.__code__)
    node = unit.find(function.__code__) if unit is not None else None
    return (unit, node) if unit is not None and node is not None else None


def form(node: ast.AST) -> str:
    """Return a definition in a form that only its meaning changes: no comments, layout, docstrings or hints of types.

    Its own name and decorators are left out: what they make of it is seen where it is used. The form is the same for
    every minor version of Python that has the same syntax for it.
    """
    parts: list[str] = []
    work: list[Any] = [type(node).__name__, *_fields(node, outermost=True)][::-1]
    while work:  # an expression may be nested deeper than Python's recursion goes
        part = work.pop()
        if isinstance(part, str):
            parts.append(part)
        elif isinstance(part, list):
            parts.append(f"[{len(part)}")
            work.extend(reversed(part))
        elif isinstance(part, ast.AST):
            parts.append(type(part).__name__)
            work.extend(reversed(list(_fields(part))))
    return " ".join(parts)


def _fields(node: ast.AST, outermost: bool = False) -> Iterator[Any]:
    """Yield the names of the fields of a node that matter, each followed by what it holds."""
    for field, value in ast.iter_fields(node):
        if field in _IGNORED or (outermost and field in ("name", "decorator_list")):
            continue
        if field == "annotation" and isinstance(node, ast.arg):
            continue
        if field == "body" and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            value = _undocumented(value)
        if isinstance(node, ast.Constant) and field == "value":
            yield f"{type(value).__name__}:{value!r}"
        elif isinstance(value, (list, ast.AST)):
            if value:
                yield f"{field}="
                yield value
        elif value is not None:
            yield f"{field}={value!r}"


def _undocumented(body: list[Any]) -> list[Any]:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return body[1:] or [ast.Pass()]
    return body


def _first_line(node: ast.AST) -> int:
    decorators = getattr(node, "decorator_list", ())
    return min(int(each.lineno) for each in (node, *decorators))


def _name(node: Definition) -> str:
    return "<lambda>" if isinstance(node, ast.Lambda) else node.name


def _is_at(node: Definition, code: CodeType) -> bool:
    """Tell whether code has the place in its line that a lambda's body has."""
    body = node.body
    if not isinstance(body, ast.AST):
        return False
    place = (body.lineno, body.end_lineno, body.col_offset, body.end_col_offset)
    return place in code.co_positions()


def _codes(code: CodeType) -> Iterator[CodeType]:
    work = [code]
    while work:
        one = work.pop()
        yield one
        work.extend(constant for constant in one.co_consts if isinstance(constant, CodeType))
