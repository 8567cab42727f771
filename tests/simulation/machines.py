"""Histories of a state machine: every payment is taken once, whatever befalls the machine that runs it."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from nbflow.core.machine import machine_of
from nbflow.engine import inspect, voice
from nbflow.engine.context import task_context
from nbflow.engine.machines import beginning

from . import graphs, threads
from .plays import History
from .stage import RUN, Stage
from .world import Process, Violation, World

if TYPE_CHECKING:
    from nbflow.core.state import RunState


class Till(Stage):
    """The oracle of a run of the till."""

    def __init__(self, world: World) -> None:
        super().__init__(world, graphs.Plan([]))
        self.items = [f"item{n}" for n in range(world.random.randint(0, 5))]
        self.calls: dict[str, str] = {}
        """What each call charges, by node id."""
        self.unlucky = world.random.random() < 0.5

    def charges(self, item: str) -> int:
        """Take note that a payment is charged, which may be forbidden; return the points for it."""
        speaker = voice.current.get()
        assert speaker is not None and threads.current is not None
        epoch, node_id = speaker.runner.journal.epoch, speaker.place[2]
        self.world.note(f"{node_id} charges {item} for owner {epoch}")
        if not threads.current.owner.dead:
            self.calls[node_id] = item
            for done in (node_id, f"charge of {item}", f"payment of {item}"):
                if self.finished.get(done, epoch + 1) <= epoch:
                    self.break_(f"{item!r} was charged again by {node_id}, and {done} was recorded")
        if self.unlucky and self.random.random() < 0.3:
            raise OSError(item)
        return zlib.crc32(item.encode())

    def rang(self, due: float) -> None:
        """Take note that a wait was given up."""
        if self.world.scheduler.now < due - 0.002:
            self.break_(f"a wait was over {due - self.world.scheduler.now:.3f} s before its time")

    def saw(self, state: RunState, indices: Any, epoch: int) -> None:
        """Take note of what a state shows."""
        super().saw(state, indices, epoch)
        for call in set(self.calls) & set(self.finished):
            self.finished.setdefault(f"charge of {self.calls[call]}", epoch)
        for item in self._seen(state):
            self.finished.setdefault(f"payment of {item}", epoch)

    def known(self, state: RunState) -> set[str]:
        """Return what a state knows; of calls that are over a machine keeps nothing."""
        calls = {name for name in self.finished if not name.startswith("payment")}
        return calls | {f"payment of {item}" for item in self._seen(state)}

    def _seen(self, state: RunState) -> list[str]:
        found = machine_of(state)
        seen = found.store.get("seen") if found is not None else None
        return [*seen["v"]] if seen is not None else []

    def judge(self, value: Any, state: RunState, late: set[str]) -> None:
        """Check what is left when the run has ended well."""
        if sorted(value) != sorted(self.items):
            raise Violation(f"{self.items} were paid, and {value} were taken")


class MachineHistory(History):
    """One run of the till."""

    name = "machine"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.stage: Till

    def make_stage(self) -> Stage:
        """Return the oracle."""
        return Till(self.world)

    def open(self, process: Process, takeover: bool) -> Any:
        """Begin or go on with the run; return its runner, None when it is over."""
        from tests.simulation.till import till

        call, host = process.engine.call, process.host
        if self.random.random() < 0.4 and process.storage.exists(RUN):
            return call(host.resume, RUN, task_context(), takeover)
        given = beginning.arguments(till, {"total": max(1, len(self.stage.items))})
        return call(
            beginning.begin, host, till, RUN, given, {"timeout": None}, None, task_context(), "return", takeover
        )

    def ended(self, process: Process) -> Any:
        """Return the value of a run that is over."""
        state = inspect.read(process.storage, RUN)
        return inspect.stored_value(state, state.output, process.storage.blobs(RUN))

    def events(self) -> list[tuple[str, str]]:
        """Return all payments in some order."""
        self.stage.items = self.stage.items or ["item0"]
        found = [(item, "pay") for item in self.stage.items]
        self.random.shuffle(found)
        return found

    def payload(self, event_id: str, key: str) -> Any:
        """Return what an event brings."""
        return {"item": event_id}
