"""Histories of a flow: each item starts one execution, whatever befalls the machine that looks at its rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.dag.driven import driven
from nbflow.engine import voice
from nbflow.engine.beginning import DEFAULT_CHOICES
from nbflow.engine.context import task_context
from nbflow.rules import Flow, PythonOperator, TaskAction

from . import graphs, threads
from .plays import History
from .stage import RUN, Stage
from .world import Process, Violation, World

if TYPE_CHECKING:
    from nbflow.core.state import RunState


async def count(event: Any) -> Any:
    """Count an item."""
    from tests.simulation import bodies

    return await bodies.counted(event.value)


async def look(event: Any) -> Any:
    """Look at what was counted."""
    from tests.simulation import bodies

    return await bodies.counted("")


class Counting(Stage):
    """The oracle of a run of the flow."""

    def __init__(self, world: World) -> None:
        super().__init__(world, graphs.Plan([]))
        self.items = [f"item{n}" for n in range(world.random.randint(1, 5))]
        self.executions: dict[str, str] = {}
        """What counted each item."""

    def counts(self, item: str) -> str:
        """Take note that an execution runs, which may be forbidden."""
        speaker = voice.current.get()
        assert speaker is not None and threads.current is not None
        epoch, node_id = speaker.runner.journal.epoch, speaker.place[2]
        self.world.note(f"{node_id} counts {item} for owner {epoch}")
        if not threads.current.owner.dead:
            if self.finished.get(node_id, epoch + 1) <= epoch:
                self.break_(f"{node_id!r} ran again under owner {epoch}, and its end was recorded")
            if item and self.executions.setdefault(item, node_id) != node_id:
                self.break_(f"{item!r} was counted by {self.executions[item]} and by {node_id}")
        return item

    def items_left(self) -> set[str]:
        """Return the items that were accepted and not counted yet."""
        return set(self.sent) - set(self.executions) - {"end"}

    def known(self, state: RunState) -> set[str]:
        """Return what a state knows; of executions that are over a flow forgets the older ones."""
        return {*self.finished}

    def judge(self, value: Any, state: RunState, late: set[str]) -> None:
        """Check what is left when the run has ended well."""
        if missing := self.items_left():
            raise Violation(f"{missing} were accepted, and only {self.executions} were counted")
        if len(set(self.executions.values())) < len(self.executions):
            raise Violation(f"one execution counted two items: {self.executions}")
        if value.get("count") not in {*self.items, None}:
            raise Violation(f"the value is {value}")


class FlowHistory(History):
    """One run of the flow."""

    name = "flow"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.stage: Counting

    def make_stage(self) -> Stage:
        """Return the oracle."""
        return Counting(self.world)

    def open(self, process: Process, takeover: bool) -> Any:
        """Begin or go on with the run."""
        call, host = process.engine.call, process.host
        if self.random.random() < 0.4 and process.storage.exists(RUN):
            return call(host.resume, RUN, task_context(), takeover)
        with Flow("count", stay_open=True) as flow:
            counting = PythonOperator("count", count, overlap=True)
            counting.action_on_event_received(TaskAction.START, "item")
            looking = PythonOperator("look", look)
            looking.start_after(counting)
        flow.finish_on_event_received("end")
        return call(host.run, RUN, driven(flow._snapshot()), ((), {}), None, task_context(), takeover, DEFAULT_CHOICES)

    def events(self) -> list[tuple[str, str]]:
        """Return all items in some order."""
        found = [(item, "item") for item in self.stage.items]
        self.random.shuffle(found)
        return found

    def send_all(self, process: Process) -> None:
        """Send all items, and the end when all are counted: it stops what is under way."""
        super().send_all(process)
        while not self.done and self.stage.items_left():
            self.world.scheduler.sleep(1.0)
        self.send_until_accepted(process, "end", "end")

    def payload(self, event_id: str, key: str) -> Any:
        """Return what an event brings."""
        return event_id
