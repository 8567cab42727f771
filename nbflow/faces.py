"""Names of a module that are imported when they are first used: it loads at once, and completion knows them all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any


def on_first_use(
    module: str, homes: Mapping[str, str], rooms: Collection[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a module.

    ``homes`` says where each name is defined, relative to the module. ``rooms`` are modules in it, which are there as
    ``nbflow.errors`` is, without an import of their own.
    """

    def find(name: str) -> Any:
        if name in rooms:
            return import_module(f".{name}", module)
        if name not in homes:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        found = getattr(import_module(homes[name], module), name)
        setattr(sys.modules[module], name, found)
        return found

    def names() -> list[str]:
        return sorted({*vars(sys.modules[module]), *homes, *rooms})

    return find, names
