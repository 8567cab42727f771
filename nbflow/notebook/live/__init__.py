"""The live view of a run: header, questions, graph, table and details in one widget."""

from .widget import LiveView

__all__ = ["LiveView"]
