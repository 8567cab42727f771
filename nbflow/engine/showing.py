"""When a body is shown as running: at once, or a moment later, or not before its executor has begun with it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..core.records import TaskStarted

if TYPE_CHECKING:
    from .ends import Body
    from .runner import Runner

UNTOLD = 0.01
"""Seconds after which a body that started among many others is shown as running; most have ended by then. It may be
twice as many: one look in that time serves all."""


class Showing:
    """Lets the state know of the bodies that run: of the tiny ones among many it need not hear twice."""

    def __init__(self, runner: Runner, running: dict[int, Body]) -> None:
        self._runner = runner
        self._running = running
        self._young: list[Body] = []
        self._old: list[Body] = []

    def now(self, body: Body) -> None:
        """Show a body, if it still runs."""
        if self._running.get(body.node) is body:
            self._runner.apply_volatile(TaskStarted(body.node, body.attempt, body.started))

    def later(self, body: Body) -> None:
        """Show a body that started among many, if it lasts."""
        if not self._young and not self._old:
            self._runner.loop.call_later(UNTOLD, self._look)
        self._young.append(body)

    def _look(self) -> None:
        lasting, self._old, self._young = self._old, self._young, []
        if self._old:
            self._runner.loop.call_later(UNTOLD, self._look)
        for body in lasting:
            if self._running.get(body.node) is body:
                self._tell_of(body)

    def _tell_of(self, body: Body) -> None:
        """Show a body; one that was handed over early, and stands behind long ones, only when it is its turn."""
        slot, end = body.slot, body.end
        if slot is None or not slot.early or not slot.held or end is None or end.running():
            self.now(body)
            return
        begun = partial(self._begun, body)
        slot.lane.executor.when_started(end, partial(self._runner.host.engine.post, begun))  # type: ignore[attr-defined]

    def _begun(self, body: Body) -> None:
        body.started = self._runner.now()
        self.now(body)
