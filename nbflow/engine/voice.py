"""How the body of a task is heard: its context carries its voice, into threads, coroutines and back from processes."""

from __future__ import annotations

import os
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..storage.base import Storage
    from .runner import Runner

PAUSE = 0.1
"""Seconds between two words about how far a task is."""


class Voice:
    """The voice of one attempt. Any thread may use it, and nothing that goes wrong here harms the task."""

    __slots__ = ("_attempt", "_node", "_pace", "_runner")

    def __init__(self, runner: Runner, node: int, attempt: int) -> None:
        self._runner = runner
        self._node = node
        self._attempt = attempt
        self._pace: Pace | None = None

    @property
    def place(self) -> tuple[Storage, str, str, str]:
        """The storage of the run, the run, the node that this is the body of, and the namespace of its events."""
        runner = self._runner
        node_id = runner.state.nodes[self._node].node_id
        return runner.host.storage, runner.workflow_id, node_id, runner.drivers.namespace

    def say(self, stream: str, text: str) -> None:
        """Take what the body wrote to a stream."""
        try:
            runner = self._runner
            runner.logs.add(runner.state.nodes[self._node].node_id, self._attempt, stream, text)
        except Exception:
            pass

    @property
    def wanted(self) -> bool:
        """True while somebody wants what the body does: it was not stopped, and its run was not let go."""
        body = self._runner.bodies.running.get(self._node)
        return body is not None and body.attempt == self._attempt

    @property
    def runner(self) -> Runner:
        """The run of the body, for what goes on on the engine's loop."""
        return self._runner

    def waits_for(self, workflow_id: str = "") -> None:
        """Make room: the body is about to wait for a run, whose tasks need a place, and which may need its turn."""
        runner = self._runner
        host = runner.host

        def make_room() -> None:
            runner.bodies.give_way(self._node, self._attempt)
            host.give_turn(workflow_id)

        host.engine.post(make_room)

    def notice(self, text: str) -> None:
        """Say something to the person who watches the run."""
        runner = self._runner
        runner.host.engine.post(lambda: runner.notice(text))

    def progress(self, done: int, total: int) -> None:
        """Take how far the body is; those who watch are told some ten times a second."""
        runner = self._runner
        try:
            body = runner.bodies.running.get(self._node)
            if body is None or body.attempt != self._attempt:
                return  # an abandoned body must not move the bar of the next attempt
            runner.progress[self._node] = (done, total)
            if not runner.observers:
                return
            self._pace = self._pace or Pace()
            if self._pace.lets(done, total):
                runner.host.engine.post(runner.notify)
        except Exception:
            pass


current: ContextVar[Voice | None] = ContextVar("nbflow_voice", default=None)
"""The voice of the body that runs here; None outside a task, and in another process."""


class Pace:
    """Lets the first word through, the last, and between them one in ``PAUSE`` seconds."""

    def __init__(self) -> None:
        self._next = 0.0
        self._last = (0, 0)

    def lets(self, done: int, total: int) -> bool:
        """Tell whether this word counts. A smaller count or another total begins anew."""
        before, self._last = self._last, (done, total)
        now = time.monotonic()
        if now < self._next and done < total and before[1] == total and done >= before[0]:
            return False
        self._next = now + PAUSE
        return True


def _fall_silent() -> None:
    current.set(None)  # the engine is not in a forked child, and a lock of its logs may be held there for ever


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_fall_silent)
