"""One run and all its live views: what changes is worked out once, on the engine's loop, and given to each of them."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Any, Protocol

from ..core.codec import decode
from ..core.graph import Json
from ..core.state import RunState
from ..core.story import story
from ..engine.runner import Runner
from ..storage.base import Storage
from ..views import words
from ..views.detail import attempts_of, detail_of
from ..views.feed import Delta
from ..views.picture import Drawn
from ..views.scene_feed import SceneFeed, feed_of


class View(Protocol):
    """What takes over what changed in a run."""

    def apply(self, delta: Delta, /) -> None:
        """Take a change over, in whatever thread."""


PAUSE = 1 / 12
"""Seconds between two messages to the views."""


class Watch:
    """Follows one live run for its views. Made and used on the engine's loop."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.feed = feed_of(runner.state)
        self.feed.delta(runner.now(), everything=True)
        self.views: weakref.WeakSet[View] = weakref.WeakSet()
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0.0
        runner.observers.append(self._changed)

    @classmethod
    def of(cls, runner: Runner) -> Watch:
        """Return the watch of a run, made when there is none."""
        # found by what it observes, so that a run and its watch are freed together
        watches = (getattr(observer, "__self__", None) for observer in runner.observers)
        return next((watch for watch in watches if isinstance(watch, cls)), None) or cls(runner)

    def add(self, view: View) -> None:
        """Give a view the whole picture, and from now on what changes."""
        self._tick()
        self.views.add(view)
        view.apply(self.feed.full())

    def _changed(self, _: Any) -> None:
        if self._timer is None and self.views:
            loop = self.runner.loop
            self._timer = loop.call_later(max(0.0, self._next - loop.time()), self._tick)

    def _tick(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        loop = self.runner.loop
        self._next = loop.time() + PAUSE
        self._take_progress()
        delta = self.feed.delta(self.runner.now())
        if delta is not None:
            self._tell(delta)
        if self.feed.behind and self.views:
            self._timer = loop.call_later(PAUSE, self._tick)

    def _take_progress(self) -> None:
        told = self.runner.progress
        while told:  # one by one: other threads add to it meanwhile
            node, (done, total) = told.popitem()
            self.feed.progress(node, done, total)

    def _tell(self, delta: Delta) -> None:
        for view in [*self.views]:
            view.apply(delta)

    async def detail(self, place: int) -> Json:
        """Return the details of a drawn node."""
        drawn = self.feed.picture.nodes
        if not 0 <= place < len(drawn):
            return {}
        beside = self.feed.detail(place) if isinstance(self.feed, SceneFeed) else {}
        if not drawn[place].members:
            return beside
        found = detail_of(self.runner.state, drawn[place]) | await asyncio.to_thread(self._history, drawn[place])
        return merged(found, beside)

    def _history(self, drawn: Drawn) -> Json:
        return history(self.runner.host.storage, self.runner.state, drawn, self.runner.logs.text)


def merged(found: Json, beside: Json) -> Json:
    """Return the details of a node with what its scene says of it."""
    facts = {**found.get("facts", {}), **beside.get("facts", {})}
    return {**found, **beside, "facts": facts, "story": beside.get("story") or found.get("story", [])}


def history(storage: Storage, state: RunState, drawn: Drawn, log: Callable[[str], str]) -> Json:
    """Return what is not in the state of a node: its attempts, its story and its ``log``. A stack of many has none."""
    if drawn.stacked:
        return {}
    index = drawn.members[0]
    records = [record for wire in storage.read_run(state.workflow_id) if (record := decode(wire)) is not None]
    node_id = state.nodes[index].node_id
    found: Json = {"attempts": attempts_of(records, index), "story": story(records, node_id)}
    printed = log(node_id)
    return found | {"log": words.clean(printed)} if printed else found
