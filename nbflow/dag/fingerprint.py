"""A mark that changes when a function does, and not when only its comments, its docstring's words or its layout do.

It sees the function's own statements, its defaults, what it closes over, and the functions, classes and plain values
(numbers, strings, and lists, tuples, sets and dicts of them) of ``__main__`` (a notebook) and of its own module that it
names, and theirs in turn. It does not see what lies behind an imported library, an attribute looked up at run time, a
file, the inside of an object, or C code. Where the source of a function is not to be found (``exec``, a cell of
``%%time``), its bytecode stands for it, which another minor version of Python compiles otherwise.
"""

from __future__ import annotations

import dis
import enum
import sys
from functools import cached_property, partial
from hashlib import sha256
from types import CodeType, FunctionType, MethodType
from typing import Any, NamedTuple

from ..core.masking import mask
from .source import definition, form, unit_of

_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_CONTAINERS = (list, tuple, set, frozenset, dict)
MOST_ITEMS, DEEPEST = 1000, 50
"""A container with more, or one that is nested deeper, is known by its type and its length."""
MOST_TEXT = 8000
"""Characters of source that are kept for people to look at."""
MOST_VALUE = 200
"""Characters of a value among them."""


class Reading(NamedTuple):
    """What was read of a function: its mark, its source and that of what it names, and the tasks among these."""

    fingerprint: str
    source: str
    tasks: dict[str, Any]


def fingerprint(function: Any) -> str:
    """Return 16 hex digits for a function, a class or another callable.

    >>> fingerprint(lambda x: x + 1) == fingerprint(lambda x: (x + 1))  # layout
    True
    >>> fingerprint(lambda x: x + 1) == fingerprint(lambda x: x + 2)
    False
    """
    return read(function).fingerprint


def read(function: Any) -> Reading:
    """Read a function, a class or another callable."""
    walk = _Walk()
    walk.any(function)
    mark = sha256("\0".join(walk.parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return Reading(mark, walk.text(), walk.tasks)


class _Walk:
    """One walk over a function and what it refers to; each thing is visited once."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.tasks: dict[str, Any] = {}
        self.seen: dict[int, Any] = {}
        """What was visited, by id; held, so that nothing else gets its id while the walk goes on."""
        self._sources: list[str] = []
        self._shown: set[str] = set()
        """The classes whose text has that of their methods."""
        self._values: dict[str, str] = {}
        self._depth = 0

    def text(self) -> str:
        """Return the source that was met, the outermost function first, then the values by name."""
        values = "\n".join(f"{name} = {value}" for name, value in self._values.items())
        text = mask("\n\n\n".join([*self._sources, *([values] if values else [])]))
        return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}\n# ... cut here"

    def any(self, value: Any) -> None:
        """Take in one value."""
        if isinstance(value, _PLAIN) and not isinstance(value, enum.Enum):
            self.parts.append(f"{type(value).__name__}:{value!r}")
            return
        if id(value) in self.seen:
            self.parts.append("again")
            return
        self.seen[id(value)] = value
        if isinstance(value, FunctionType):
            self._function(value)
        elif isinstance(value, CodeType):
            self._code(value)
        elif isinstance(value, _CONTAINERS):
            self._container(value)
        elif isinstance(value, type):
            self._class(value)
        elif isinstance(value, partial):
            self._each(value.func, value.args, value.keywords)
        elif isinstance(value, MethodType):
            self._each(value.__func__, value.__self__)
        else:
            self._object(value)

    def _each(self, *values: Any) -> None:
        for value in values:
            self.any(value)

    def _container(self, value: Any) -> None:
        self.parts.append(f"{type(value).__name__}{len(value)}")
        if len(value) > MOST_ITEMS or self._depth >= DEEPEST:
            return
        self._depth += 1
        if isinstance(value, dict):
            for key in value:
                self._each(key, value[key])
        elif isinstance(value, (set, frozenset)):
            self.parts += sorted(repr(part) if isinstance(part, _PLAIN) else type(part).__name__ for part in value)
        else:
            self._each(*value)
        self._depth -= 1

    def _object(self, value: Any) -> None:
        """Take in what an object is made of as far as that is code: a task, a wrapper, a definition, its class."""
        wrapped = _attribute(value, "__wrapped__")
        inner = _attribute(value, "function") if wrapped is None else wrapped
        functions = _attribute(value, "functions")
        if callable(inner):
            if isinstance(name := _attribute(value, "name"), str) and _attribute(value, "settings") is not None:
                self.tasks.setdefault(name, value)
            self.any(inner)
        elif isinstance(functions, tuple):
            self.any(functions)  # a definition is what the functions in it are
        else:
            self.any(type(value))
            if isinstance(value, enum.Enum):
                self.parts.append(value.name)

    # ---- functions ----

    def _function(self, function: FunctionType) -> None:
        found = definition(function)
        if found is not None:
            unit, node = found
            self.parts.append(form(node))
            if function.__qualname__.rpartition(".")[0] not in self._shown:
                self._sources.append(unit.text(node))
        else:
            self.parts.append(f"{sys.version_info[0]}.{sys.version_info[1]}")
            self._code(function.__code__, function.__doc__)
        self._each(function.__defaults__, function.__kwdefaults__ or {})
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                self._named(name, cell.cell_contents)
            except ValueError:
                self.parts.append("empty")
        for name in sorted(_names(function.__code__)):
            self._global(function, name)

    def _named(self, name: str, value: Any) -> None:
        self.parts.append(name)
        if isinstance(value, (*_PLAIN, *_CONTAINERS)):
            self._values.setdefault(name, _short(value))
        self.any(value)

    def _global(self, function: FunctionType, name: str) -> None:
        if name not in function.__globals__:
            return
        value = function.__globals__[name]
        home = _attribute(value, "__module__")
        if isinstance(value, (*_PLAIN, *_CONTAINERS, partial)) or home in ("__main__", function.__module__):
            self._named(name, value)

    def _code(self, code: CodeType, doc: str | None = None) -> None:
        self.parts += [code.co_code.hex(), repr(code.co_names), repr(code.co_varnames), str(code.co_flags)]
        documented = isinstance(doc, str) and code.co_consts[:1] == (doc,)
        self._each(*code.co_consts[documented:])

    # ---- classes ----

    def _class(self, value: type) -> None:
        self.parts.append(f"{value.__module__}.{value.__qualname__}")
        if value.__module__ != "__main__":
            return
        text = _class_text(value)
        if text:
            self._sources.append(text)
            self._shown.add(value.__qualname__)
        self._each(*value.__bases__)
        for name, part in sorted(vars(value).items()):
            self._member(name, part)

    def _member(self, name: str, part: Any) -> None:
        if isinstance(part, (staticmethod, classmethod)):
            part = part.__func__
        hidden = name.startswith("__") and not isinstance(part, FunctionType)
        if isinstance(part, FunctionType) and part.__code__.co_filename.startswith("<string>"):
            hidden = True  # the methods of a dataclass are made of its fields
        if name == "__annotations__":
            self._each(name, {key: str(hint) for key, hint in part.items()})
        elif isinstance(part, property):
            self._each(name, part.fget, part.fset, part.fdel)
        elif isinstance(part, cached_property):
            self._each(name, part.func)
        elif isinstance(part, (*_PLAIN, *_CONTAINERS, FunctionType, type)) and not hidden:
            self._each(name, part)
        elif isinstance(part, enum.Enum):
            self._each(name, part.value)


def _class_text(value: type) -> str:
    """Return the source of a class that has a method by which it can be found."""
    for part in vars(value).values():
        part = getattr(part, "__func__", part)
        if isinstance(part, FunctionType) and definition(part) is not None:
            unit = unit_of(part.__code__)
            node = unit.classes.get(value.__qualname__) if unit is not None else None
            if unit is not None and node is not None:
                return unit.text(node)
    return ""


def _attribute(value: Any, name: str) -> Any:
    try:
        return getattr(value, name, None)
    except Exception:
        return None  # an object may answer any name, or refuse to


def _names(code: CodeType) -> set[str]:
    """Return the globals that code and the functions in it read."""
    names = {each.argval for each in dis.get_instructions(code) if each.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names


def _short(value: Any) -> str:
    if isinstance(value, (str, bytes, *_CONTAINERS)) and len(value) > MOST_ITEMS:
        return f"<{type(value).__name__} of {len(value)}>"
    try:
        text = repr(value)
    except Exception:
        return f"<{type(value).__name__}>"
    return text if len(text) <= MOST_VALUE else f"{text[:MOST_VALUE]}..."
