"""The listener for events by HTTP; ``nbflow.serve()`` is the endpoint."""

from __future__ import annotations

from ....engine.listeners import HTTPListener

__all__ = ["HTTPListener"]
