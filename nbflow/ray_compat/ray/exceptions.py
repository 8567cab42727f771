"""Ray's errors."""

from __future__ import annotations

from ..failures import GetTimeoutError, RayError, RayTaskError, TaskCancelledError, WorkerCrashedError

__all__ = ["GetTimeoutError", "RayError", "RayTaskError", "TaskCancelledError", "WorkerCrashedError"]
