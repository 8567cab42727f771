"""The driver of a flow: one event after the other goes to the rules, and what they say is done.

The event, the verdict of each rule and what conditions remember are one record. Everything else here follows from the
records: after a crash, executions that were decided and not begun are begun, and those that were under way go again.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ...core.executions import TaskStatus
from ...core.graph import Json
from ...core.rules import (
    BEGIN,
    HELD,
    RESUME,
    RUN,
    STATUS,
    STREAM,
    TIME,
    FlowDefined,
    FlowState,
    RulesEvaluated,
    announced,
)
from ...core.status import NodeStatus
from ...rules.decide import Decider, Heard, Verdict, outlook
from ...rules.definition import FlowDefinition
from ...rules.notification import Event
from ...storage import values
from ..failure import restore
from .executions import Executions
from .sources import Inbox, Stream, Times, load

if TYPE_CHECKING:
    from ..runner import Runner


class FlowDriver:
    """Drives one run of a flow; its first argument, if there is one, is the event that began the run."""

    def __init__(self, runner: Runner, node: int, definition: FlowDefinition) -> None:
        self.runner = runner
        self.node = node
        self.flow = definition
        self.wake = asyncio.Event()
        self.inbox = Inbox(runner)
        self.stream = Stream(runner, definition, self.wake.set)
        self.times = Times(runner, definition, self.wake.set)
        self.executions = Executions(self)
        self.began_by: Event | None = None
        self._memories: dict[str, dict[str, Any]] = {}

    @property
    def known(self) -> FlowState:
        """What the flow has decided so far."""
        part = self.runner.state.parts.get(self.node)
        return part if isinstance(part, FlowState) else FlowState()

    def event_kept(self, event_id: str) -> None:
        """Take notice of an event in the inbox."""
        self.wake.set()

    def call_ended(self, node: int) -> None:
        """Take notice of the end of an execution."""
        self.wake.set()

    async def drive(self, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Return the value of the latest successful execution of each task. Raises what a task failed with."""
        self.began_by = args[0] if args else None
        try:
            await self._open()
            while True:
                self.wake.clear()
                while (event := await self._next()) is not None:
                    await self._take(event)
                await self.executions.carry_out()
                if not self.wake.is_set() and not self.known.live():
                    ended, tasks = outlook(self.flow, self.known)
                    if ended != "waits" and not await self._more():
                        if ended == "failed":
                            raise self._error(tasks[0])
                        return await self.executions.values()
                await self.wake.wait()
        finally:
            self.stream.close()
            self.times.close()

    # ---- the beginning, or going on ----

    async def _open(self) -> None:
        for notice in self.flow.notices:
            self.runner.notice(notice)
        flow, tasks = self.known, self.flow.to_json()
        if not flow.began or tasks != [task.spec for task in flow.tasks.values() if not task.gone]:
            offsets = await self.stream.begin()
            await self.runner.commit(FlowDefined(self.node, tasks, offsets, self.runner.now()))
        await self.stream.open(self.known)
        self.executions.recall()
        for status in announced(self.runner.state, self.known):
            await self._take(status)
        broken = [[task.name, task.seq] for task in self.known.tasks.values() if task.broken and not task.gone]
        if broken:
            await self._take({"src": RESUME, "key": "[resume]", "tasks": broken})
        await self.executions.go_on()
        for kept in [each for events in self.known.held.values() for each in events]:
            await self._take({**kept, "src": HELD, "was": kept["src"]})
        new = [name for name in self.flow.tasks if not self.known.tasks[name].begun]
        if new:
            await self._take({"src": BEGIN, "key": "[begin]", "tasks": new})

    # ---- one event ----

    async def _next(self) -> Json | None:
        """Return the next event for the rules, None when there is none now."""
        for status in announced(self.runner.state, self.known):
            if status["status"] != TaskStatus.RUNNING or self._decider().listening(_status_heard(status)):
                return status
        return self.inbox.next() or await self.stream.next(self._decider().listening) or self.times.next(self.known)

    async def _more(self) -> bool:
        """Look once more where events come from, before the run may end: what a task has sent must not be missed."""
        await self.runner.host.keeper.sweep()
        await self.runner.committer.drained()
        event = await self.stream.next(self._decider().listening, sure=True)
        if event is not None:
            await self._take(event)
            self.wake.set()
        return self.wake.is_set()

    async def _take(self, event: Json) -> None:
        """Let the rules look at an event, and write what they say."""
        stored: Json | None = None
        try:
            heard, stored = await self._hear(event)
        except Exception as error:  # the code of a class in a value may raise anything
            verdict = self._unheard(event, error)
        else:
            verdict = await self._decide(event, heard)
        event.pop("stored", None)
        if verdict.starts or verdict.broke:
            event = {**event, **({"v": stored} if stored is not None else {})}
        elif stored is not None and stored.get("pv"):
            event = {**event, "pv": stored["pv"]}  # nobody needs the value any more; a person may want to know it
        states = {rule: await self._remembered(rule, found) for rule, found in verdict.states.items()}
        self._say(verdict)
        record = RulesEvaluated(self.node, event, verdict.verdicts, verdict.actions, states, self.runner.now())
        await self.runner.commit(record)
        self._memories.update(verdict.states)
        await self.executions.carry_out()

    async def _hear(self, event: Json) -> tuple[Heard, Json | None]:
        source = event["src"]
        if source == RUN:
            return await self.inbox.hear(event)
        if source == STREAM:
            return await self.stream.hear(event)
        if source == STATUS:
            return _status_heard(event), None
        if source == HELD:
            return await self._held(event), event.get("v")
        value = datetime.fromtimestamp(event["due"], UTC) if source == TIME else None
        return Heard(event["key"], value), None

    async def _held(self, event: Json) -> Heard:
        was = {**event, "src": event["was"]}
        if was["src"] == STATUS:
            return _status_heard(was)
        value = await load(event["v"], self.runner.blobs) if "v" in event else None
        return Heard(
            event["key"], value, event.get("off", 0), event.get("ns", ""), 0.0, event.get("id", ""),
            event.get("by", ""), scopes=("run", "flow", "namespace"),
        )  # fmt: skip

    def _unheard(self, event: Json, error: Exception) -> Verdict:
        """Keep an event whose value cannot be loaded here for the rules that listen to its key."""
        said = f"{type(error).__name__}: {error}"
        heard = Heard(event["key"], None, scopes=("run", "flow", "namespace"), sender=event.get("by", ""))
        found = Verdict()
        for rule in self.flow.all_rules():
            if any(ear.hears(heard, heard.scopes) for ear in rule.condition.ears()):
                found.verdicts.append([rule.id, "broken", said])
        return found

    async def _decide(self, event: Json, heard: Heard) -> Verdict:
        decider = self._decider()
        for rule in self.known.states:
            if rule not in self._memories:
                self._memories[rule] = await self._recalled(rule)
        if any(part.custom for rule in self.flow.all_rules() for part in rule.condition.parts()):
            return await asyncio.to_thread(decider.decide, event, heard)
        return decider.decide(event, heard)

    def _decider(self) -> Decider:
        return Decider(self.flow, self.known, lambda rule: self._memories.get(rule, {}))

    async def _recalled(self, rule: str) -> dict[str, Any]:
        stored = self.known.states[rule]
        return {name: await load(value, self.runner.blobs) for name, value in stored.items()}

    async def _remembered(self, rule: str, found: dict[str, Any]) -> Json:
        return {name: await asyncio.to_thread(values.encode, value, self.runner.blobs) for name, value in found.items()}

    def _say(self, verdict: Verdict) -> None:
        for rule, word, detail in verdict.verdicts:
            if word == "broken":
                self.runner.notice(
                    f"Rule {rule} of flow {self.flow.name!r} is broken ({detail}). The event is kept for it: mend the "
                    f"condition and run the flow again with workflow_id={self.runner.workflow_id!r}."
                )

    # ---- the end ----

    def _error(self, task: str) -> BaseException:
        state, found = self.runner.state, self.known.tasks[task]
        index = state.index.get(found.executions[found.seq].call)
        error = (
            state.nodes[index].error if index is not None and state.nodes[index].status is NodeStatus.FAILED else None
        )
        return restore(error, self.runner.blobs)


def _status_heard(event: Json) -> Heard:
    return Heard(event["key"], event["status"], task=event["task"], status=TaskStatus(event["status"]))
