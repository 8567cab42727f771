"""A short text that stands for a value in lists and tables, so that nobody has to unpickle it to look at it."""

from __future__ import annotations

import re
import reprlib
from typing import Any

MAX_CHARACTERS = 200
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_LARGEST_INT = 10**MAX_CHARACTERS


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = self.maxdeque = 20
        self.maxstring = self.maxother = self.maxlong = MAX_CHARACTERS

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        if level <= 0:
            return "{...}"
        shown = [f"{self.repr1(key, level - 1)}: {self.repr1(x[key], level - 1)}" for key in list(x)[: self.maxdict]]
        return "{" + ", ".join(shown + ["..."] * (len(x) > self.maxdict)) + "}"

    def repr_str(self, x: str, level: int) -> str:
        return repr(x[:MAX_CHARACTERS])

    def repr_bytes(self, x: bytes, level: int) -> str:
        return repr(x[:MAX_CHARACTERS])

    def repr_int(self, x: int, level: int) -> str:
        return repr(x) if -_LARGEST_INT < x < _LARGEST_INT else f"<int of {x.bit_length()} bits>"

    def repr_instance(self, x: Any, level: int) -> str:
        return _of_library(x) or repr(x)


_short = _Short()


def preview(value: Any) -> str:
    """Return up to 200 characters on one line, without addresses. Never raises."""
    try:
        text = " ".join(_ADDRESS.sub("", _short.repr(value)).split())
    except Exception:
        text = f"<{type_name(value)}>"
    return text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 1]}…"


def type_name(value: Any) -> str:
    """Return the name of a value's type, with that of its library."""
    kind = type(value)
    root = str(kind.__module__).partition(".")[0]
    return kind.__qualname__ if root in ("builtins", "__main__") else f"{root}.{kind.__qualname__}"


def _of_library(value: Any) -> str:
    """Return the shape of a table or an array instead of its content; empty for anything else."""
    library, shape = type(value).__module__.partition(".")[0], getattr(value, "shape", None)
    if library not in ("numpy", "pandas", "polars", "torch", "scipy") or not isinstance(shape, tuple) or not shape:
        return ""
    size = " x ".join(str(length) for length in shape)
    columns = getattr(value, "columns", None)
    if columns is not None:
        names = [str(name) for name in list(columns[:12])]
        return f"{type(value).__name__} {size}: {', '.join(names)}{', ...' * (len(columns) > 12)}"
    return f"{type(value).__name__} {size} of {getattr(value, 'dtype', 'values')}"
