"""What a flow hears: the inbox of its run, the stream of its namespace, and the times of its schedules."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ...core.graph import Json
from ...core.records import EventReceived
from ...core.rules import RUN, STREAM, TIME, FlowState
from ...errors import EventsPruned
from ...rules.actions import SCOPES
from ...rules.decide import Heard
from ...rules.definition import FlowDefinition
from ...storage import values
from ...storage.base import EventStream, Storage
from ..notices import place_of

if TYPE_CHECKING:
    from ..clock import Timer
    from ..runner import Runner

PAGE = 200
"""Events of a stream that are read at once."""


class Inbox:
    """The events that were sent to the run."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def next(self) -> Json | None:
        """Return the oldest event that nobody has taken."""
        for event in self._runner.state.inbox.waiting():
            return {"src": RUN, "key": event.key, "id": event.event_id, **({"by": event.by} if event.by else {})}
        return None

    async def hear(self, event: Json) -> tuple[Heard, Json]:
        """Return an event with its value, and the stored form of that. Raises CheckpointError."""
        received = next(each for each in self._runner.state.inbox.waiting() if each.event_id == event["id"])
        value = await load(received.payload, self._runner.blobs)
        return self._heard(received, value), received.payload

    def _heard(self, received: EventReceived, value: Any) -> Heard:
        return Heard(
            received.key,
            value,
            0,
            "",
            received.at,
            received.event_id,
            received.by,
            self._runner.workflow_id,
            "",
            SCOPES,
        )


class Stream:
    """The stream of the flow's namespace, read behind the last offset that its rules have looked at."""

    def __init__(self, runner: Runner, flow: FlowDefinition, wake: Callable[[], None]) -> None:
        self._runner = runner
        self._flow = flow
        self._wake = wake
        self._ready: deque[tuple[int, Json]] = deque()
        self._place = 0
        self._grown = False
        self._unwatch: Callable[[], None] | None = None
        self._closed = False
        self._names: dict[str, str] = {}
        self._hinted: set[str] = set()
        self.stream: EventStream | None = None

    @property
    def wanted(self) -> bool:
        """True when any rule listens to keys."""
        return listens_to_keys(self._flow)

    async def begin(self) -> dict[str, int]:
        """Return where a new flow begins to read."""
        if not self.wanted:
            return {}
        return {self._flow.namespace: await asyncio.to_thread(beginning, self._runner.host.storage, self._flow)}

    async def open(self, known: FlowState) -> None:
        """Read on from where the rules have come to."""
        if not self.wanted:
            return
        self.stream = await asyncio.to_thread(self._runner.host.storage.stream, self._flow.namespace)
        self._place = known.offsets.get(self._flow.namespace, 1)
        self._grown = True
        await asyncio.to_thread(self._watch, self.stream)

    def _watch(self, stream: EventStream) -> None:
        self._unwatch = stream.watch(self._ring)
        if self._closed:  # the run was stopped while this thread began: nobody else would end what it has begun
            self._unwatch()

    def _ring(self, _: int) -> None:
        self._runner.host.engine.post(self._look)

    def _look(self) -> None:
        self._grown = True
        self._wake()

    async def next(self, heard_by_rules: Callable[[Heard], bool], *, sure: bool = False) -> Json | None:
        """Return the next event that a rule listens to. ``sure``: look at the stream itself, whatever was told."""
        while self.stream is not None:
            while self._ready:
                offset, stored = self._ready.popleft()
                self._place = offset + 1
                heard = await self._heard(offset, stored, None)
                if not heard_by_rules(heard):
                    self._hint(heard, heard_by_rules)
                else:
                    return {
                        "src": STREAM, "key": stored["k"], "ns": self._flow.namespace, "off": offset,
                        "id": stored["id"], **({"by": stored["s"]} if stored["s"] else {}), "stored": stored,
                    }  # fmt: skip
            if not self._grown and not sure:
                return None
            self._grown = sure = False
            await self._read()
            self._grown = self._grown or bool(self._ready)
        return None

    def _hint(self, heard: Heard, heard_by_rules: Callable[[Heard], bool]) -> None:
        """Say once for each key that a rule would have heard an event, had it listened in a wider scope."""
        if heard.key not in self._hinted and heard_by_rules(replace(heard, scopes=SCOPES)):
            self._hinted.add(heard.key)
            self._runner.notice(
                f"Event {heard.key!r} (offset {heard.offset}) came in the {heard.scopes[0]}, where no rule of this run "
                f"listens to it: such a rule needs scope={heard.scopes[0]!r}."
            )

    async def _read(self) -> None:
        assert self.stream is not None
        try:
            self._ready.extend(await asyncio.to_thread(self.stream.read, self._place, PAGE))
        except EventsPruned as error:
            self._runner.notice(
                f"The rules of {self._flow.name!r} have missed events {self._place} to {error.first - 1} of namespace "
                f"{self._flow.namespace!r}: they were pruned before this run could look at them."
            )
            self._place, self._grown = error.first, True

    async def hear(self, event: Json) -> tuple[Heard, Json]:
        """Return an event with its value, and the stored form of that in the run. Raises CheckpointError."""
        assert self.stream is not None
        stored = event.pop("stored")
        value = await load(stored["v"], self.stream)
        heard = await self._heard(event["off"], stored, value)
        if "blob" not in stored["v"]:
            return heard, stored["v"]
        return heard, await asyncio.to_thread(values.encode, value, self._runner.blobs)

    async def _heard(self, offset: int, stored: Json, value: Any) -> Heard:
        run = stored.get("run", "")
        if run == self._runner.workflow_id:
            scopes: tuple[str, ...] = SCOPES
        elif run and await self._flow_name(run) == self._flow.name:
            scopes = SCOPES[1:]
        else:
            scopes = SCOPES[2:]
        return Heard(
            stored["k"], value, offset, self._flow.namespace, stored["at"], stored["id"], stored["s"], run,
            stored.get("task", ""), scopes,
        )  # fmt: skip

    async def _flow_name(self, run: str) -> str:
        """Return the name of a run, which is that of its flow."""
        host = self._runner.host
        if run not in self._names:
            live = host.runners.get(run)
            entry = None if live is not None else await asyncio.to_thread(host.storage.entry, run)
            self._names[run] = (
                live.state.name if live is not None else str(entry.status.get("name", "")) if entry else ""
            )
        return self._names[run]

    def close(self) -> None:
        """Hear nothing more."""
        self._closed = True
        if self._unwatch is not None:
            self._unwatch()


class Times:
    """The times of the flow's schedules. What passed while nobody ran the flow is counted and told."""

    def __init__(self, runner: Runner, flow: FlowDefinition, wake: Callable[[], None]) -> None:
        self._runner = runner
        self._flow = flow
        self._wake = wake
        self._timer: Timer | None = None
        self._opened = runner.now()

    def next(self, known: FlowState) -> Json | None:
        """Return the event of a schedule that is due, and set the timer for the next one."""
        now, soonest = self._runner.now(), float("inf")
        for name, operator in self._flow.tasks.items():
            if operator.schedule is None or self._over(known, name):
                continue
            last = known.times.get(name, known.began)
            due = operator.schedule.after(last, known.began)
            if due > now:
                soonest = min(soonest, due)
                continue
            if operator.schedule.catch_up == "all" and known.tasks[name].alive and not operator.overlap:
                continue  # one after the other: the end of this execution asks again
            missed = 0
            if operator.schedule.catch_up != "all":
                due, count = operator.schedule.missed(last, now, known.began)
                missed = count - 1
            return self._event(name, due, missed, operator.schedule.catch_up == "none" and due < self._opened)
        self._set(soonest)
        return None

    def _event(self, name: str, due: float, missed: int, skipped: bool) -> Json:
        if missed or skipped:
            when = datetime.fromtimestamp(due, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            times = "1 time" if missed == 1 else f"{missed} times"
            before = f" and {times} before it" if missed else ""
            what = "passed over, as catch_up='none' says" if skipped else "made up for with one start"
            self._runner.notice(f"Task {name!r} was due at {when}{before} while nobody ran the flow: {what}.")
        found: Json = {"src": TIME, "key": f"[schedule].{name}", "task": name, "due": due}
        return {**found, **({"missed": missed} if missed else {}), **({"skipped": 1} if skipped else {})}

    def _over(self, known: FlowState, name: str) -> bool:
        limit = self._flow.max_rounds
        return known.finish is not None or (limit is not None and known.tasks[name].seq >= limit)

    def _set(self, moment: float) -> None:
        self.close()
        if moment != float("inf"):
            self._timer = self._runner.host.clock.call_at(moment, self._wake)

    def close(self) -> None:
        """Ring no more."""
        if self._timer is not None:
            self._timer.cancel()


def listens_to_keys(flow: FlowDefinition) -> bool:
    """Tell whether any rule of a flow listens to keys."""
    return any(rule.condition.ears() for rule in flow.all_rules())


def beginning(storage: Storage, flow: FlowDefinition) -> int:
    """Return the offset at which a new run of a flow begins to read the stream of its namespace."""
    return place_of(storage.stream(flow.namespace), flow.begin)


async def load(stored: Json, blobs: Any) -> Any:
    """Return a stored value, read in a thread when it is large. Raises CheckpointError."""
    if "blob" in stored:
        return await asyncio.to_thread(values.decode, stored, blobs)
    return values.decode(stored, blobs)
