"""The copy of a run that a notebook's file keeps under the live view, for the day when no kernel is there.

A page whose kernel is gone shows an error in the place of a widget, whatever else that output holds. So the copy is an
output of its own, kept up to date, with a style sheet that lets one of the two be seen: the live view while it lives.
"""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..views.feed import Delta
from ..views.html import to_bundle
from ..views.snapshot import Snapshot
from . import comms

if TYPE_CHECKING:
    from ..engine.runner import Runner

PAUSE = 0.5
"""Seconds at least between two copies."""

_CHILD = ".jp-OutputArea-child"
STYLE = (
    f"<style>{_CHILD}:has(.nbf)~{_CHILD} .nbf-still{{display:none}}"
    f"{_CHILD}:has(>.jupyter-widgets):not(:has(.nbf)):has(+{_CHILD} .nbf-still){{display:none}}</style>"
)
"""Hide the copy under a view that lives, and what stands in the place of one that does not."""


class StillCopy:
    """Stands in a cell under a live view. A ``Watch`` tells it what changes; made in the thread of the cell."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._context = comms.capture_parent()
        shown = import_module("IPython.display").display(_bundle(snapshot), raw=True, display_id=True)
        self._handle: Any = shown  # the door is open: this is a kernel
        self._runner: Runner | None = None
        self._task: asyncio.Task[None] | None = None
        self._behind = False

    async def follow(self, runner: Runner) -> None:
        """Be told of what changes in a live run, and look at once. On the engine's loop."""
        from .watch import Watch

        self._runner = runner
        Watch.of(runner).add(self)

    def apply(self, delta: Delta) -> None:
        """Take notice of a change; only what ends a state of the run or of a question is worth a new copy."""
        if self._runner is None or (delta.run is None and delta.asks is None):
            return
        self._behind = True
        if self._task is None:
            self._task = self._runner.loop.create_task(self._renew(self._runner))

    def clear(self) -> None:
        """Take the copy away."""
        self._runner = None
        self._handle.update({"text/plain": ""}, raw=True)

    async def _renew(self, runner: Runner) -> None:
        while self._behind and self._runner is not None:
            self._behind = False
            await asyncio.to_thread(self._show, Snapshot.of(runner.state, runner.now()))
            await asyncio.sleep(PAUSE)
        self._task = None

    def _show(self, snapshot: Snapshot) -> None:
        bundle = _bundle(snapshot)
        if self._runner is not None:
            self._context.copy().run(self._handle.update, bundle, raw=True)


def _bundle(snapshot: Snapshot) -> dict[str, str]:
    bundle = to_bundle(snapshot)
    return bundle | {"text/html": f'{STYLE}<div class="nbf-still">{bundle["text/html"]}</div>'}
