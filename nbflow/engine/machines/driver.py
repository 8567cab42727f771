"""What drives a state machine: one handler at a time, an event before the clock, nothing taken without a record."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from ...core import machine as m
from ...core.calls import calls_of
from ...core.machine import EVENT
from ...core.records import CallsForgotten, EventReceived, Record
from ...errors import NextDirectiveMissingError, TaskTimeout, WorkflowTimeout
from ...machine import registry
from ...machine.context import EventInfo, RunInfo
from ...machine.definition import Handler, Workflow
from ...machine.directives import Directive
from ...storage import values
from ..answers import answer_for, any_ready
from ..clock import Timer
from ..events import deliver
from ..failure import describe, restore
from .act import Act, Raw
from .children import Children
from .definitions import Definitions

if TYPE_CHECKING:
    from ..runner import Runner

KEEP = 100
"""Calls of tasks that are over and stay in the state and the views; the history has all."""


class MachineDriver:
    """Drives one run."""

    def __init__(self, runner: Runner, node: int, definition: Workflow) -> None:
        self.runner, self.node = runner, node
        self.definitions = Definitions(self, definition)
        self.children = Children(runner, node)
        self._wake = asyncio.Event()
        self._act: Act | None = None
        self._late = False
        self._options: dict[str, Any] = {}
        self._calls: deque[int] = deque()
        self._answered: set[str] = set()
        self._rests = False

    @property
    def machine(self) -> m.Machine:
        """What is recorded of the machine."""
        machine: m.Machine = self.runner.state.parts[self.node]
        return machine

    @property
    def resting(self) -> bool:
        """True while only an event, a person or time can move the machine."""
        return self._rests if self._act is None else self._act.sleeping > 0

    # ---- what the run tells ----

    def event_kept(self, event_id: str) -> None:
        """Look at the inbox."""
        self._rouse()

    def call_ended(self, node: int) -> None:
        """Take no notice: the handler that made a call awaits it."""

    def door(self, key: str, payload: Any) -> tuple[str, str]:
        """Return "rejected" or "closed" and why an event is not taken, or '' and a warning."""
        self.definitions.refresh()
        return self.definitions.door(key, payload)

    def cancel(self, by: str) -> bool:
        """Have the run canceled as soon as its handler has ended; False when nothing is to be waited for."""
        if self._act is None or self.machine.cancel is not None:
            return False
        # the handler may have ended by the time that this is written, and the machine have come to rest
        self.runner.write(m.CancelAsked(self.node, self.runner.now(), by), then=self._rouse)
        return True

    # ---- the loop ----

    async def drive(self, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Run handlers until one chooses the end; return the value of the run."""
        given, self._options = args
        stop_watching = registry.watch(self.definitions.changed)
        limit = await self._open()
        try:
            return await self._main(given)
        finally:
            stop_watching()
            if limit is not None:
                limit.cancel()
            if self._act is not None:
                self._act.stop()

    async def _open(self) -> Timer | None:
        """Record that the machine is taken up, and set the timer of the run."""
        runner, state = self.runner, self.runner.state
        machine, seconds = state.parts.get(self.node), self._options.get("timeout")
        deadline = None
        if seconds is not None and (machine is None or machine.late or machine.deadline is None):
            deadline = runner.now() + float(seconds)
        form = self.definitions.form()
        known = machine is not None and machine.form == form
        await runner.commit(m.MachineOpened(self.node, runner.now(), None if known else form, deadline))
        questions = set(self.machine.questions.values())
        self._calls.extend(
            i for i in calls_of(state, self.node) if i not in questions and state.nodes[i].status.finished
        )
        self.definitions.announce()
        self.children.go_on()
        if self.machine.deadline is None:
            return None
        return runner.host.clock.call_at(self.machine.deadline, self._expire)

    def _expire(self) -> None:
        self._late = True
        self._rouse()
        if self._act is not None:
            self._act.stop()

    async def _main(self, given: dict[str, Any]) -> Any:
        while True:
            self._wake.clear()
            await self._check()
            waiting = self.runner.state.inbox.oldest()
            move = m.due(self.machine, waiting, self.runner.now())
            if move.do == "rest":
                await self._rest(move.until)
            elif move.do == m.COMPLETE:
                return await asyncio.to_thread(values.decode, self.machine.next["value"], self.runner.blobs)
            elif move.do == m.FAIL:
                raise restore(self.machine.next["error"], self.runner.blobs)
            else:
                await self._handle(move, given)

    async def _check(self) -> None:
        """End the run when its time is up, or when it is to be canceled."""
        if self._late:
            self.runner.write(m.MachineLate(self.node, self.runner.now()))
            seconds = self._options.get("timeout")
            raise WorkflowTimeout(
                f"Run {self.runner.workflow_id!r} of {self.definitions.name!r} was not over within {seconds:g} "
                f"seconds. nbflow.resume({self.runner.workflow_id!r}) goes on and gives it as much again."
            )
        if self.machine.cancel is not None:
            self.runner.cancel(self.machine.cancel, at_once=True)
            await asyncio.Event().wait()  # the cancellation of the run ends this task

    def _rouse(self) -> None:
        self._rests = False  # from this moment on, and not when the loop comes to it
        self._wake.set()

    async def _rest(self, until: float | None) -> None:
        timer = None if until is None else self.runner.host.clock.call_at(until, self._rouse)
        if self.machine.asked and any_ready():
            self._give_answers()
        try:
            self._rests = not self._wake.is_set()
            await self._wake.wait()
        finally:
            self._rests = False
            if timer is not None:
                timer.cancel()

    def _give_answers(self) -> None:
        """Send the answer that stands ready for one of the open questions, if one does."""
        state = self.runner.state
        for key, index in self.machine.asked.items():
            wait = state.nodes[index].wait
            if key in self._answered or wait is None or wait.prompt is None:
                continue
            ready = answer_for(self.machine.name_of(key), str(wait.prompt["title"]))
            if ready is not None:
                self._answered.add(key)
                self.runner.spawn(self._answer(key, *ready))
                return

    async def _answer(self, key: str, option: str, fields: dict[str, Any]) -> None:
        name = self.machine.name_of(key)
        payload = {"option": name, "values": fields, "comment": "answered in advance"}
        receipt = await deliver(self.runner.host, self.runner, key, payload, None, "", "answers")
        if receipt.status == "rejected":
            self.runner.notice(f"The answer that was given in advance for {name!r} does not fit: {receipt.reason}.")

    # ---- one handler ----

    async def _handle(self, move: m.Move, given: dict[str, Any]) -> None:
        machine, workflow = self.machine, self.definitions.workflow
        try:
            handler = workflow.handler(move.name, EVENT) if move.why == m.EVENT else workflow.handler(move.name)
            args, kwargs = await self._arguments(move, handler, given)
        except (ValueError, TypeError) as error:  # a Misfit too: the definition is not what it was at the door
            if move.event is None:
                raise
            await self._set_aside(move.event, error)
            return
        number, again = machine.number, machine.current is not None
        if not again:
            number += 1
            event_id = move.event.event_id if move.event is not None else ""
            self.runner.write(m.HandlerBegan(self.node, number, move.name, move.why, self.runner.now(), event_id))
        act = self._act = Act(self.runner, self.node, workflow, handler, number, self.children, again)
        try:
            act.begin(self._info(handler, move, number), _info_of(move), args, kwargs)
            directive = await self._end_of(act)
        except Exception as error:
            await self._failed(move, handler, error)
        else:
            await self._done(act, directive)
        finally:
            self._act = None
            act.stop()
            self._stop_calls(act)

    async def _arguments(self, move: m.Move, handler: Handler, given: dict[str, Any]) -> tuple[tuple[Any, ...], Any]:
        """Return what a handler gets after ``ctx``. Raises Misfit."""
        following, event = self.machine.next, move.event
        if event is not None:
            payload = await asyncio.to_thread(values.decode, event.payload, self.runner.blobs)
            if move.why == m.ENDED:
                return (payload,), {}
            if self.machine.name_of(event.key) != event.key:
                payload = payload["values"] or None  # it is the answer to a question
            return (), handler.parameters.take(payload)[0]
        if move.why == m.TIMEOUT:
            return (), {}
        if move.why == m.START and "args" not in following:
            return (), given
        stored = following.get("args")
        if stored is None:
            return (), {}
        args, kwargs = await asyncio.to_thread(values.decode, stored, self.runner.blobs)
        return tuple(args), kwargs

    async def _end_of(self, act: Act) -> Directive:
        """Return what a handler chose. Raises what it raised, TaskTimeout, NextDirectiveMissingError."""
        assert act.task is not None
        limit, timer = act.handler.timeout, None
        if limit is not None:
            timer = self.runner.host.clock.call_at(self.runner.now() + limit, lambda: _time_out(act))
        try:
            await asyncio.wait([act.task])
        finally:
            if timer is not None:
                timer.cancel()
        if act.timed_out:
            raise TaskTimeout(
                f"Handler {act.handler.name!r} of run {self.runner.workflow_id!r} ran longer than {limit:g} seconds."
                + ("" if act.handler.is_async else " It runs in a thread, which nobody can stop: it is abandoned.")
            )
        if act.task.cancelled():
            raise RuntimeError(f"handler {act.handler.name!r} was cancelled: something that it awaited was")
        found = act.task.result()
        if not isinstance(found, Directive):
            said = "nothing" if found is None else repr(found)[:80]
            raise NextDirectiveMissingError(
                f"Handler {act.handler.name!r} of {self.definitions.name!r} returned {said}. Each handler says what "
                "comes next: return ctx.next.wait_for_event(), ctx.next.step(...) or ctx.next.complete(...)."
            )
        return found

    async def _done(self, act: Act, directive: Directive) -> None:
        """Record what a handler stored and chose, all in one commit."""
        following = await self._stored(directive)
        puts = {}
        if directive.do != m.START:
            for key, stored in act.store.puts.items():
                puts[key] = await self.runner.trouble.store(stored.value) if isinstance(stored, Raw) else stored
        drops = [*act.store.drops]
        lines: list[Record] = [
            m.HandlerDone(self.node, act.number, self.runner.now(), following, puts, drops), *self._old_calls(act)
        ]  # fmt: skip
        await self.runner.commit(*lines)

    async def _stored(self, directive: Directive) -> dict[str, Any]:
        runner = self.runner
        following: dict[str, Any] = {"do": directive.do}
        if directive.name and directive.do != m.START:
            following["name"] = directive.name
        if directive.args or directive.kwargs or directive.do == m.START:
            following["args"] = await runner.trouble.store([[*directive.args], directive.kwargs])
        if directive.seconds is not None:
            following["until"] = round(runner.now() + directive.seconds, 3)
        if directive.do == m.COMPLETE:
            following["value"] = await runner.trouble.store(directive.value)
        if directive.error is not None:
            following["error"] = describe(directive.error, runner.blobs)
        return following

    async def _failed(self, move: m.Move, handler: Handler, error: Exception) -> None:
        """Put the event of a handler that failed aside if that is wanted; else raise, which fails the run."""
        rule = handler.on_error or self.definitions.workflow.on_error
        if self._late or self.machine.cancel is not None:
            return
        if move.event is None or rule != "set_aside":
            raise error
        await self._set_aside(move.event, error)

    async def _set_aside(self, event: EventReceived, error: BaseException) -> None:
        report = describe(error, self.runner.blobs)
        await self.runner.commit(m.EventSetAside(self.node, event.event_id, self.runner.now(), report))
        name = self.machine.name_of(event.key)
        self.runner.notice(
            f"The event {name!r} was set aside: {report['type']}: {report['message']}. run.set_aside lists such "
            f"events; run.retry_event({event.event_id!r}) handles it again."
        )

    # ---- its calls ----

    def _old_calls(self, act: Act) -> list[CallsForgotten]:
        """Return the record that lets old calls go, so that a long loop does not fill the memory."""
        state = self.runner.state
        self._calls.extend(state.index[name] for name in act.calls if name in state.index)
        old = [self._calls.popleft() for _ in range(len(self._calls) - KEEP)]
        return [CallsForgotten(self.node, tuple(old))] if old else []

    def _stop_calls(self, act: Act) -> None:
        """Stop what a handler has called and did not wait for."""
        state = self.runner.state
        for name in act.calls:
            index = state.index.get(name, -1)
            if index >= 0 and state.nodes[index].status.active:
                self.runner.drivers.stop_call(index, f"the end of handler {act.handler.name!r}")

    def _info(self, handler: Handler, move: m.Move, number: int) -> RunInfo:
        state = self.runner.state
        return RunInfo(
            state.workflow_id, self.definitions.name, handler.name, move.why, state.created, state.started,
            str(self._options.get("parent") or ""), self.machine.deadline, number,
        )  # fmt: skip


def _time_out(act: Act) -> None:
    act.timed_out = True
    act.stop()


def _info_of(move: m.Move) -> EventInfo | None:
    event = move.event
    if event is None:
        return None
    return EventInfo(event.event_id, move.name, event.by, event.source, event.at)
