"""The open waits of one run: their timers, the polls of their listeners, and the word to the source of an event."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..core.inbox import RESERVED
from ..core.records import ListenerCommitted, ListenerFired, TaskFailed, WaitExpired, WaitOpened
from ..dag.event import EventListener, InboxListener, ThisWait, Wait, serve_wait
from ..dag.node import DEFAULT
from ..errors import TaskTimeout, WaitCanceled
from ..storage import values
from . import keys, over_http
from .answers import answer_for
from .clock import Timer
from .events import deliver
from .failure import describe
from .notify import Notifier

if TYPE_CHECKING:
    from .runner import Runner


AT_ONCE = 64
"""Waits of one run that are being opened at once: more than there are threads to do it."""


class Waits:
    """What a run waits for. A wait holds no thread: at most a timer, and a poll if its listener has one."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self._timers: dict[int, Timer] = {}
        self._polls: dict[int, asyncio.Task[None]] = {}
        self._notifier = Notifier(runner)
        self._to_open: deque[int] = deque()
        self._openers = 0
        self._opening: dict[str, bool] = {}
        """Whether who opens with a key asks a question, until that is durable."""
        self.answering = asyncio.Lock()
        """Held by an answer to a question until it is durable."""

    def open(self, index: int) -> None:
        """Work out what a node waits for, and journal it before anything else."""
        self._to_open.append(index)
        if self._openers < AT_ONCE:
            self._openers += 1
            self.runner.spawn(self._open_all())

    async def _open_all(self) -> None:
        try:
            while self._to_open:
                await self._open(self._to_open.popleft())
        finally:
            self._openers -= 1

    async def _open(self, index: int) -> None:
        runner = self.runner
        try:
            now, wait = await self._wait_of(index)
            stored = await asyncio.to_thread(values.encode, wait.fallback, runner.blobs) if wait.has_fallback else None
            told = await asyncio.to_thread(values.encode, [*wait.notify], runner.blobs) if wait.notify else None
            if wait.key.startswith(RESERVED):
                raise ValueError(f"{wait.key!r}: keys that begin with {RESERVED!r} are nbflow's own; use another.")
            asks = self._opening.get(wait.key, keys.holder(runner.state, wait.key))
            if wait.key and asks is not None and asks is not (wait.prompt is not None):
                raise ValueError(keys.shared(wait.key))
        except Exception as error:
            await self._never_opened(index, error)
            return
        token, self._opening[wait.key] = runner.next_token(), wait.prompt is not None
        opened = WaitOpened(index, token, now, wait.key, wait.deadline, stored, wait.prompt, told)
        runner.write(opened, then=lambda: self._has_opened(wait.key))

    def _has_opened(self, key: str) -> None:
        self._opening.pop(key, None)

    async def _wait_of(self, index: int) -> tuple[float, Wait]:
        """Return now and what a node waits for from now on. Raises what its listener raises."""
        runner = self.runner
        args, kwargs = await self._arguments(index, own=False)
        default = (kwargs.pop(DEFAULT),) if DEFAULT in kwargs else ()
        kind, now, limit = self._kind(index), runner.now(), runner.state.options(index).timeout
        wait = Wait()
        if issubclass(kind, InboxListener):
            node_id = runner.state.nodes[index].node_id
            if kind.quick:
                wait = kind().wait(node_id, now, *args, **kwargs)
            else:
                wait = await asyncio.to_thread(kind().wait, node_id, now, *args, **kwargs)
        if default and wait.prompt is not None:
            raise ValueError("The default of a question is one of its options: say on_timeout= in place of default=.")
        if limit is not None and (wait.deadline is None or now + limit < wait.deadline):
            wait = replace(wait, deadline=now + limit, fallback=None, has_fallback=False)
        if default:
            wait = replace(wait, fallback=default[0], has_fallback=True)
        return now, wait

    async def _arguments(self, index: int, own: bool = True) -> tuple[list[Any], dict[str, Any]]:
        """Return what a listener was called with; ``own`` leaves out what is meant for the engine."""
        memory = self.runner.memory
        args, kwargs = memory.arguments(index) if memory.ready(index) else await memory.load(index, memory.arguments)
        if own:
            kwargs.pop(DEFAULT, None)
        return args, kwargs

    async def _serve(self, index: int) -> tuple[list[Any], dict[str, Any]]:
        """Let the listener know which wait it serves, and return its arguments."""
        args, kwargs = await self._arguments(index)
        node, workflow_id = self.runner.state.nodes[index], self.runner.workflow_id
        opened = node.wait.at if node.wait is not None else node.started
        serve_wait(ThisWait(workflow_id, node.node_id, tuple(args), kwargs, opened))
        return args, kwargs

    async def _never_opened(self, index: int, error: BaseException) -> None:
        runner, now = self.runner, self.runner.now()
        if runner.state.catches(index):
            await runner.catching.finish(index, error, now, now, 1)
        else:
            runner.write(TaskFailed(index, describe(error, runner.blobs), now, now))

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
        elif over_http.is_over_http(type(listener)):
            self.runner.spawn(over_http.open_for(self.runner))

    def _answer(self, index: int, wait: WaitOpened) -> None:
        """Give the answer that stands ready for a question, if one does."""
        node_id = self.runner.state.nodes[index].node_id
        try:
            ready = answer_for(node_id, str((wait.prompt or {}).get("title", "")))
        except ValueError as error:
            self._fail(index, error)
            return
        if ready is not None:
            self.runner.spawn(self._deliver(index, wait, *ready))
        else:
            self._notifier.begin(index, wait)

    async def _deliver(self, index: int, wait: WaitOpened, option: str, fields: dict[str, Any]) -> None:
        runner, comment = self.runner, "answered in advance"
        if "comment" not in (((wait.prompt or {}).get("fields") or {}).get("properties") or {}):
            comment = str(fields.pop("comment", comment))
        payload = {"option": option, "values": fields, "comment": comment}
        receipt = await deliver(runner.host, runner, wait.key, payload, None, "", "answers")
        if receipt.status == "rejected":
            node_id = runner.state.nodes[index].node_id
            reason = f"The answer that was given in advance for {node_id!r} does not fit: {receipt.reason}."
            self._fail(index, ValueError(reason))

    def close(self, index: int) -> None:
        """Drop the timer and the poll of a wait."""
        timer = self._timers.pop(index, None)
        if timer is not None:
            timer.cancel()
        self._notifier.close(index)
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
            args, kwargs = await self._serve(index)
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
            await self._serve(index)
            told = self._listener(index).event_checkpointed(event)
            if inspect.isawaitable(told):
                await told
        except asyncio.CancelledError:
            return
        except BaseException as error:
            self._fail(index, error, catch=False)  # what is durable must not be given up: the run can tell it later
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

    def cancel(self, index: int, by: str) -> None:
        """End an open wait without an event: with its fallback, or with WaitCanceled."""
        runner, wait = self.runner, self.runner.state.nodes[index].wait
        assert wait is not None
        why = "it was canceled" + (f" by {by}" if by else "")
        if wait.fallback is not None:
            runner.write(WaitExpired(index, wait.token, runner.now(), why))
            return
        node_id = runner.state.nodes[index].node_id
        self._fail(index, WaitCanceled(
            f"The wait {node_id!r} of run {runner.workflow_id!r} ended without an event: {why}. resume() waits anew; "
            "give it a default to go on without an event."
        ))  # fmt: skip

    def _fail(self, index: int, error: BaseException, catch: bool = True) -> None:
        runner = self.runner
        if runner.closed:
            return
        if catch and runner.state.catches(index):
            runner.spawn(self._caught(index, error))
            return
        began = runner.state.nodes[index].started
        runner.write(TaskFailed(index, describe(error, runner.blobs), began, runner.now()))

    async def _caught(self, index: int, error: BaseException) -> None:
        """End a wait with its failure as its value."""
        runner, wait = self.runner, self.runner.state.nodes[index].wait
        if wait is not None:
            _, stored = await runner.catching.store(error)
            why = f"{type(error).__name__} was caught"
            runner.write(WaitExpired(index, wait.token, runner.now(), why, stored))
