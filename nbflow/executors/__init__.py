"""Where the bodies of tasks run: on the caller's thread, in threads, in processes, or in the user's own pools."""

from nbflow.executors.base import Executor
from nbflow.executors.registry import resolve

__all__ = ["Executor", "resolve"]
