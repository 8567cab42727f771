"""What really happened in a history, beside the engine: who ran, who was told what; and what must follow from it."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

from nbflow.core.status import NodeStatus, WorkflowStatus
from nbflow.engine import voice

from . import threads
from .graphs import SHARED, Plan, Step, plain
from .world import Violation, World

if TYPE_CHECKING:
    from nbflow.core.state import RunState
    from nbflow.engine.runner import Runner

RUN = "run"
ACCEPTED = ("queued", "delivered", "duplicate")
"""What a receipt says of an event that counts."""
DONE = (NodeStatus.DONE, NodeStatus.RESTORED)


class Stage:
    """The oracle of one run. ``finished`` holds, by node id, the epoch of the owner that had it on the disk first."""

    def __init__(self, world: World, plan: Plan) -> None:
        self.world = world
        self.random: Random = world.random
        self.plan = plan
        self.steps = {step.name: step for step in plan.all()}
        self.mended = False
        self.bodies: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.finished: dict[str, int] = {}
        self.ended: WorkflowStatus | None = None
        self.earliest: dict[str, float] = {}
        """When the value of a step was there first: what waits for it may not have waited before."""
        self.sent: dict[str, Any] = {}
        """The events of which a sender was told that they count."""
        self.messages = {
            step.name: [f"{step.name}-{n}" for n in range(3)] for step in plan.all() if step.kind == "source"
        }
        self.taken: dict[str, list[str]] = {name: [] for name in self.messages}

    # ---- what bodies say ----

    def began(self, name: str) -> Step:
        """Take note that a body runs, which may be forbidden."""
        step = self.steps[name]
        speaker = voice.current.get()
        assert speaker is not None and threads.current is not None
        if threads.current.owner.dead:
            return step
        self.bodies[name] += 1
        epoch = speaker.runner.journal.epoch
        self.world.note(f"body of {name} ({step.kind}) for owner {epoch}")
        first = self.finished.get(name)
        if first is not None and first <= epoch and step.kind != "volatile":
            self.break_(f"{name!r} ran again under owner {epoch}, and owner {first} had its result on the disk")
        if step.kind == "once" and self.bodies[name] > 1:
            self.break_(f"{name!r} ran {self.bodies[name]} times, and its start is journaled")
        for each in step.inputs:
            self._check_time(step, each)
        return step

    def _check_time(self, step: Step, before: Step) -> None:
        if before.kind == "sleep":
            due = self.earliest[before.inputs[0].name] + before.seconds
            if self.world.scheduler.now < due - 0.002:
                self.break_(f"{step.name!r} ran {due - self.world.scheduler.now:.3f} s before {before.name!r} was over")

    def returns(self, step: Step, value: Any) -> Any:
        """Take note that a body has its value."""
        self.earliest.setdefault(step.name, self.world.scheduler.now)
        return value

    def fails(self, step: Step) -> bool:
        """Tell whether a body fails now."""
        self.failures[step.name] += 1
        if step.kind == "flaky":
            return self.failures[step.name] <= step.fails
        return step.kind == "caught error" or (step.kind == "broken" and not self.mended)

    def seconds(self) -> float:
        """Return how long a body takes."""
        return self.random.choice((0.0, 0.0, 0.01, 3.0))

    def dawdle(self) -> None:
        """Take some time in a thread."""
        seconds = self.seconds()
        if seconds:
            self.world.scheduler.sleep(seconds)
        else:
            self.world.scheduler.pause()

    # ---- the source of messages ----

    def oldest_message(self, name: str) -> Any:
        """Return the message that a source would give now."""
        return {"key": name, "message": self.messages[name][0]} if self.messages[name] else None

    def message_taken(self, event: Any) -> None:
        """Take a message out of its source, which is told so once or more."""
        assert threads.current is not None
        if not threads.current.owner.dead and event["message"] in self.messages[event["key"]]:
            self.messages[event["key"]].remove(event["message"])
            self.taken[event["key"]].append(event["message"])

    # ---- what a process shows ----

    def watch(self, runner: Runner) -> None:
        """Look on a run as a view does: what it shows as done is promised."""

        def look(_: Runner) -> None:
            if runner.host.engine.process.dead:  # type: ignore[attr-defined]
                return
            self.saw(runner.state, [*runner.state.take_changes()], runner.journal.epoch)

        runner.observers.append(look)
        look(runner)

    def saw(self, state: RunState, indices: Any, epoch: int) -> None:
        """Take note of what a state shows."""
        for index in indices:
            node = state.nodes[index]
            self.world.note(f"owner {epoch} shows {node.node_id} {node.status}")
            if node.status in DONE:
                self.finished[node.node_id] = min(epoch, self.finished.get(node.node_id, epoch))
        if state.status in (WorkflowStatus.SUCCESSFUL, WorkflowStatus.CANCELED):
            self.ended = state.status

    def known(self, state: RunState) -> set[str]:
        """Return what a state knows of all that can be finished."""
        return set(state.index)

    def told(self, status: str, event_id: str, key: str) -> None:
        """Take note of the receipt of an event."""
        self.world.note(f"event {event_id} is {status}")
        if status in ACCEPTED:
            self.sent[event_id] = key

    # ---- what must hold ----

    def break_(self, what: str) -> None:
        """Say that a promise was broken."""
        self.world.complain(what)

    def judge(self, value: Any, state: RunState, late: set[str]) -> None:
        """Check what is left when the run has ended well; ``late`` are the events that came when it needed none."""
        found = plain(value)
        possible = self.plan.values()
        if found not in possible:
            raise Violation(f"the value is {found}, and it can be {possible} only")
        for name in self.finished:
            if name in state.index and not state.nodes[state.index[name]].status.finished:
                raise Violation(f"{name!r} was done, and is {state.nodes[state.index[name]].status} in the end")
        for name, gone in self.taken.items():
            self._judge_source(name, gone, state)
        self._judge_events(state, late)

    def _judge_source(self, name: str, gone: list[str], state: RunState) -> None:
        if len(gone) > 1:
            raise Violation(f"the source of {name!r} was told that {gone} were taken, and one was needed")
        node = state.nodes[state.index[name]] if name in state.index else None
        if gone and node is not None and node.status in DONE and gone[0] not in repr(node.value):
            raise Violation(f"the source of {name!r} was told that {gone[0]} was taken, and {node.value} is the value")

    def _judge_events(self, state: RunState, late: set[str]) -> None:
        for event_id, key in self.sent.items():
            if not state.inbox.knows(event_id) and event_id not in late:
                raise Violation(f"event {event_id!r} of {key!r} was accepted, and is nowhere")
        waiting = {event.event_id for event in state.inbox.waiting()}
        shared = [node for node in state.nodes if node.node_id in self.steps and self.steps[node.node_id].key == SHARED]
        got = [repr(node.value) for node in shared if node.status in DONE]
        if len(set(got)) < len(got):
            raise Violation(f"one event went to two waits: {got}")
        for event_id in waiting:
            if any(f"'{event_id}'" in each for each in got):
                raise Violation(f"event {event_id!r} was taken, and waits still")
