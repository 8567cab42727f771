"""Who makes the calls of tasks here: nobody but Python, or the handler of a state machine, which journals them."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

calling: ContextVar[Callable[[Any, Any, Any], Any] | None] = ContextVar("nbflow_calling", default=None)
"""Takes a task and its arguments and returns what the call is worth; None where a task is just a function."""
