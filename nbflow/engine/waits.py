"""The open waits of one run: their timers, the polls of their listeners, and the word to the source of an event."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..core.records import ListenerCommitted, ListenerFired, TaskFailed, WaitExpired, WaitOpened
from ..dag.event import EventListener, InboxListener, Wait
from ..errors import TaskTimeout
from ..storage import values
from .answers import answer_for
from .clock import Timer
from .events import deliver
from .failure import describe

if TYPE_CHECKING:
    from .runner import Runner


class Waits:
    """What a run waits for. A wait holds no thread: at most a timer, and a poll if its listener has one."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self._timers: dict[int, Timer] = {}
        self._polls: dict[int, asyncio.Task[None]] = {}
        self.answering = asyncio.Lock()
        """Held by an answer to a question until it is durable."""

    def open(self, index: int) -> None:
        """Work out what a node waits for, and journal it before anything else."""
        self.runner.spawn(self._open(index))

    async def _open(self, index: int) -> None:
        runner = self.runner
        try:
            args, kwargs = await runner.memory.load(index, runner.memory.arguments)
            kind = self._kind(index)
            now = runner.now()
            limit = runner.state.options(index).timeout
            wait = Wait(deadline=None if limit is None else now + limit)
            if issubclass(kind, InboxListener):
                wait = await asyncio.to_thread(kind().wait, runner.state.nodes[index].node_id, now, *args, **kwargs)
                if limit is not None and (wait.deadline is None or now + limit < wait.deadline):
                    wait = replace(wait, deadline=now + limit, fallback=None, has_fallback=False)
            stored = await asyncio.to_thread(values.encode, wait.fallback, runner.blobs) if wait.has_fallback else None
        except Exception as error:
            runner.write(TaskFailed(index, describe(error, runner.blobs), runner.now(), runner.now()))
            return
        token = runner.next_token()
        runner.write(WaitOpened(index, token, now, wait.key, wait.deadline, stored, wait.prompt))

    def _kind(self, index: int) -> type[EventListener]:
        listener: Any = self.runner.task_of(index).function
        return listener  # type: ignore[no-any-return]

    def _listener(self, index: int) -> EventListener:
        return self._kind(index)()

    def keep(self, index: int, token: int) -> None:
        """Set the timer of an open wait and begin to poll its listener."""
        wait = self.runner.state.nodes[index].wait
        if wait is None or wait.token != token:
            return
        if wait.deadline is not None:
            self._timers[index] = self.runner.host.clock.call_at(wait.deadline, lambda: self._expire(index, token))
        try:
            listener = self._listener(index)
        except Exception as error:
            self._fail(index, error)
            return
        if not isinstance(listener, InboxListener):
            self._polls[index] = self.runner.spawn(self._poll(index, token, listener))
        elif wait.prompt is not None:
            self._answer(index, wait)

    def _answer(self, index: int, wait: WaitOpened) -> None:
        """Give the answer that stands ready for a question, if one does."""
        node_id = self.runner.state.nodes[index].node_id
        try:
            ready = answer_for(node_id, str((wait.prompt or {}).get("title", "")))
        except ValueError as error:
            self._fail(index, error)
            return
        if ready is not None:
            self.runner.spawn(self._deliver(index, wait.key, *ready))

    async def _deliver(self, index: int, key: str, option: str, fields: dict[str, Any]) -> None:
        runner = self.runner
        payload = {"option": option, "values": fields, "comment": "answered in advance"}
        receipt = await deliver(runner.host, runner, key, payload, None, "", "answers")
        if receipt.status == "rejected":
            node_id = runner.state.nodes[index].node_id
            reason = f"The answer that was given in advance for {node_id!r} does not fit: {receipt.reason}."
            self._fail(index, ValueError(reason))

    def close(self, index: int) -> None:
        """Drop the timer and the poll of a wait."""
        timer = self._timers.pop(index, None)
        if timer is not None:
            timer.cancel()
        poll = self._polls.pop(index, None)
        if poll is not None and poll is not asyncio.current_task():
            poll.cancel()

    def close_all(self) -> None:
        """Drop every timer and poll."""
        for index in [*self._timers, *self._polls]:
            self.close(index)

    async def _poll(self, index: int, token: int, listener: EventListener) -> None:
        runner = self.runner
        try:
            args, kwargs = await runner.memory.load(index, runner.memory.arguments)
            found = listener.poll_for_event(*args, **kwargs)
            if not inspect.isawaitable(found):
                raise TypeError(f"{type(listener).__name__}.poll_for_event must be 'async def'.")
            event = await found
            stored = await asyncio.to_thread(values.encode, event, runner.blobs)
        except asyncio.CancelledError:
            return
        except BaseException as error:
            self._fail(index, error)
            return
        runner.write(ListenerFired(index, token, stored, runner.now()))

    def commit(self, index: int) -> None:
        """Tell the source of a durable event, until it knows."""
        self.runner.spawn(self._commit(index))

    async def _commit(self, index: int) -> None:
        runner = self.runner
        stored: Any = runner.state.nodes[index].event
        try:
            event: Any = await asyncio.to_thread(values.decode, stored, runner.blobs)
            told = self._listener(index).event_checkpointed(event)
            if inspect.isawaitable(told):
                await told
        except asyncio.CancelledError:
            return
        except BaseException as error:
            self._fail(index, error)
            return
        runner.write(ListenerCommitted(index, runner.now()))

    def _expire(self, index: int, token: int) -> None:
        runner = self.runner
        node = runner.state.nodes[index]
        if node.wait is None or node.wait.token != token or runner.closed:
            return
        if node.wait.fallback is not None:
            runner.write(WaitExpired(index, token, runner.now()))
            return
        self._fail(index, TaskTimeout(
            f"Nothing came for {node.node_id!r} of run {runner.workflow_id!r} before its deadline. resume() waits "
            "anew; give a default to go on without an event."
        ))  # fmt: skip

    def _fail(self, index: int, error: BaseException) -> None:
        runner = self.runner
        if not runner.closed:
            began = runner.state.nodes[index].started
            runner.write(TaskFailed(index, describe(error, runner.blobs), began, runner.now()))
