"""Where Ray's programs find the statuses and the type of an event."""

from __future__ import annotations

from typing import Any

from ....core.status import WorkflowStatus

Event = Any
"""What a listener returns: anything that can be stored."""

__all__ = ["Event", "WorkflowStatus"]
