"""A mark that changes when a function does, and not when only its comments, its docstring's words or its formatting do.

It sees the function's own instructions and constants, its defaults, what it closes over, and the functions and
plain values of ``__main__`` (a notebook) and of its own module that it names, and theirs in turn. It does not see
what lies behind an imported library, an attribute looked up at run time, a file, or the inside of an object.
"""

from __future__ import annotations

import sys
from hashlib import sha256
from types import CodeType, FunctionType
from typing import Any

_PLAIN = (type(None), bool, int, float, complex, str, bytes)


def fingerprint(function: Any) -> str:
    """Return 16 hex digits for a function, a class or another callable."""
    parts: list[str] = [f"{sys.version_info[0]}.{sys.version_info[1]}"]
    _Walk(parts).any(function)
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


class _Walk:
    """One walk over a function and what it refers to; each thing is visited once."""

    def __init__(self, parts: list[str]) -> None:
        self.parts = parts
        self.seen: dict[int, Any] = {}
        """What was visited, by id; held, so that nothing else gets its id while the walk goes on."""

    def any(self, value: Any) -> None:
        """Take in one value."""
        if isinstance(value, _PLAIN):
            self.parts.append(repr(value))
            return
        if id(value) in self.seen:
            self.parts.append("again")
            return
        self.seen[id(value)] = value
        inner = getattr(value, "__wrapped__", None) or getattr(value, "function", None)
        if isinstance(value, FunctionType):
            self._function(value)
        elif isinstance(value, CodeType):
            self._code(value)
        elif isinstance(value, (tuple, list)):
            self.parts.append(f"{type(value).__name__}{len(value)}")
            for part in value:
                self.any(part)
        elif isinstance(value, (frozenset, set)):
            self.parts.append(repr(sorted(map(repr, value))))
        elif isinstance(value, dict):
            for key in value:
                self.any(key)
                self.any(value[key])
        elif isinstance(value, type):
            self._class(value)
        elif callable(inner):
            self.any(inner)
        elif isinstance(functions := getattr(value, "functions", None), tuple):
            self.any(functions)  # a definition is what the functions in it are
        else:
            self.parts.append(f"{type(value).__module__}.{type(value).__qualname__}")

    def _function(self, function: FunctionType) -> None:
        self._code(function.__code__, function.__doc__)
        self.any(function.__defaults__)
        self.any(function.__kwdefaults__ or {})
        for cell in function.__closure__ or ():
            try:
                self.any(cell.cell_contents)
            except ValueError:
                self.parts.append("empty")
        for name in sorted(_names(function.__code__)):
            self._global(function, name)

    def _global(self, function: FunctionType, name: str) -> None:
        if name not in function.__globals__:
            return
        value = function.__globals__[name]
        home = getattr(value, "__module__", None)
        if isinstance(value, _PLAIN) or home in ("__main__", function.__module__):
            self.parts.append(name)
            self.any(value)

    def _code(self, code: CodeType, doc: str | None = None) -> None:
        self.parts += [code.co_code.hex(), repr(code.co_names), repr(code.co_varnames), str(code.co_flags)]
        documented = isinstance(doc, str) and code.co_consts[:1] == (doc,)
        for constant in code.co_consts[documented:]:
            self.any(constant)

    def _class(self, value: type) -> None:
        self.parts.append(value.__qualname__)
        if value.__module__ == "__main__":
            for name, part in sorted(vars(value).items()):
                if isinstance(part, (*_PLAIN, FunctionType, staticmethod, classmethod)) and name != "__doc__":
                    self.parts.append(name)
                    self.any(part)


def _names(code: CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names
