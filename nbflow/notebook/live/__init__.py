"""The live view of a run: header, questions, graph, table and details in one widget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .widget import LiveView

__all__ = ["LiveView"]


def __getattr__(name: str) -> Any:
    if name != "LiveView":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .widget import LiveView  # only now: a page that shows one question needs no widgets

    return LiveView
