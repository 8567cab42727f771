"""What a listener is, and the one for a moment."""

from __future__ import annotations

from ....dag.event import EventListener, TimerListener

__all__ = ["EventListener", "TimerListener"]
