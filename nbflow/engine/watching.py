"""Who looks on at every record of every run in this process, such as a tracer. While nobody does, nothing is spent."""

from __future__ import annotations

import logging
from contextvars import Context
from typing import TYPE_CHECKING, Protocol

from ..core import commands as c
from ..core import records as r

if TYPE_CHECKING:
    from .runner import Runner

_log = logging.getLogger("nbflow")


class Watcher(Protocol):
    """One who looks on, on the engine's loop: it must be quick. What it raises is logged and harms no run."""

    def took(self, runner: Runner, record: r.Record, commands: list[c.Command]) -> None:
        """Hear of a record that was just taken into the state, and of what came of it."""

    def enters(self, runner: Runner, node: int, context: Context) -> None:
        """Hear that a body is about to run in this context, and put into it what the body shall find there."""


watchers: list[Watcher] = []


def took(runner: Runner, record: r.Record, commands: list[c.Command]) -> None:
    """Tell the watchers of a record."""
    for watcher in [*watchers]:
        try:
            watcher.took(runner, record, commands)
        except Exception:
            _log.exception("%s: a watcher failed", runner.workflow_id)


def enters(runner: Runner, node: int, context: Context) -> None:
    """Tell the watchers of a body."""
    for watcher in [*watchers]:
        try:
            watcher.enters(runner, node, context)
        except Exception:
            _log.exception("%s: a watcher failed", runner.workflow_id)
