"""Find the part of a value that cannot be pickled, and the path that leads to it."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

MAX_DEPTH = 40
LONGEST = 200
"""Characters of a path; of a longer one the middle is left out."""
MAX_TRIALS = 2000
"""Parts that are tried before the search ends with what it has."""


def find_culprit(value: Any, pickle: Callable[[Any], Any], error: Exception) -> tuple[str, Any, Exception]:
    """Return (path, part, error) of the deepest part that ``pickle`` refuses, starting from ``value``."""
    path, value, error = _search(value, pickle, error)
    if len(path) > LONGEST:
        path = f"{path[: LONGEST // 2]} … {path[-LONGEST // 2 :]}"
    return path, value, error


def said_of(path: str, part: Any, error: Exception) -> str:
    """Return in words what ``find_culprit`` has found, up to the full stop, which is left out."""
    name = _name(part)
    return f"{path} is {'an' if name[0] in 'aeiou' else 'a'} {name} and cannot be stored: {str(error).rstrip('.')}"


def _name(part: Any) -> str:
    kind = type(part)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _search(value: Any, pickle: Callable[[Any], Any], error: Exception) -> tuple[str, Any, Exception]:
    path, trials, seen = "value", 0, {id(value)}
    for _ in range(MAX_DEPTH):
        for suffix, part in _parts(value):
            trials += 1
            if id(part) in seen or trials > MAX_TRIALS:
                continue
            try:
                pickle(part)
            except Exception as refusal:
                seen.add(id(part))
                path, value, error = path + suffix, part, refusal
                break
        else:
            return path, value, error
    return path, value, error


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield f"[{key!r}]", part
        yield from (("'s key", key) for key in value)
    elif isinstance(value, (list, tuple)):
        yield from ((f"[{place}]", part) for place, part in enumerate(value))
    elif isinstance(value, (set, frozenset)):
        yield from (("'s element", part) for part in value)
    elif isinstance(value, types.FunctionType):
        yield from _parts_of_function(value)
    elif isinstance(value, types.MethodType):
        yield ".__self__", value.__self__
    elif isinstance(value, functools.partial):
        yield from ((".func", value.func), (".args", value.args), (".keywords", value.keywords))
    elif isinstance(value, type):
        yield from ((f".{name}", part) for name, part in vars(value).items() if not name.startswith("__"))
    yield from _attributes(value)


def _parts_of_function(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            yield f"'s variable {name!r}", cell.cell_contents
        except ValueError:
            pass  # not bound yet
    for name in dict.fromkeys(_names(function.__code__)):
        if name in function.__globals__:
            yield f"'s global {name!r}", function.__globals__[name]
    yield from ((f"'s default {place}", part) for place, part in enumerate(function.__defaults__ or ()))


def _names(code: types.CodeType) -> Iterator[str]:
    """Return the names that a function looks up, and the functions inside it."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _names(inner)


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    # What pickle would take: the state that the value itself gives, in whatever way.
    if isinstance(value, (type, types.ModuleType, types.FunctionType)):
        return
    try:
        reduced = value.__reduce_ex__(5)
    except Exception:
        reduced = ()
    state = reduced[2] if isinstance(reduced, tuple) and len(reduced) > 2 else getattr(value, "__dict__", None)
    for attributes in state if isinstance(state, tuple) else (state,):
        if isinstance(attributes, dict):
            yield from ((f".{name}", part) for name, part in attributes.items())
    if isinstance(reduced, tuple) and len(reduced) > 1 and isinstance(reduced[1], tuple):
        yield from ((f"'s argument {place}", part) for place, part in enumerate(reduced[1]) if part is not type(value))
