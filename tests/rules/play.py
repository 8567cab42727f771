"""A player of flows without an engine: what came, what ended and when the process died is up to the test."""

from __future__ import annotations

import json
from typing import Any

from nbflow.core import records as r
from nbflow.core.codec import decode, encode
from nbflow.core.executions import TaskStatus
from nbflow.core.graph import Code, NodeKind, NodeSpec
from nbflow.core.rules import (
    BEGIN,
    RESUME,
    RUN,
    STATUS,
    STREAM,
    FlowDefined,
    FlowState,
    RulesEvaluated,
    announced,
    flow_of,
)
from nbflow.core.state import RunState
from nbflow.core.status import NodeStatus
from nbflow.rules.decide import Decider, Heard
from nbflow.rules.definition import FlowDefinition

SCOPES = ("run", "flow", "namespace")


class Death(Exception):
    """The process dies here."""


class Player:
    """Does what the driver does, one record at a time; ``dies_in`` counts down to the death of the process."""

    def __init__(self, flow: FlowDefinition) -> None:
        self.flow = flow
        self.journal: list[str] = []
        self.stream: list[str] = []
        self.dies_in = -1
        self.events = 0
        self.state = RunState()
        for record in (
            r.RunCreated("run", "run", 1.0),
            r.CodeAdded(Code("c", "flow")),
            r.NodesAdded((NodeSpec("flow", NodeKind.DRIVER, (), "c"),)),
            r.GraphCommitted(0),
        ):
            self.put(record)
        self.restart()

    @property
    def known(self) -> FlowState:
        return flow_of(self.state) or FlowState()

    def put(self, *records: r.Record) -> None:
        """Write records as one unit, unless the process dies just before."""
        if self.dies_in == 0:
            self.dies_in = -1
            raise Death
        self.dies_in -= 1
        for record in records:
            line = encode(record)
            self.journal.append(line)
            again = decode(json.loads(line))
            assert again == record
            self.state.handle(record)

    # ---- what happens outside ----

    def send(self, key: str) -> None:
        """Send an event to the run; it is durable."""
        self.events += 1
        self.put(r.EventReceived(f"e{self.events}", key, {"c": "json", "v": self.events}, 5.0))

    def publish(self, key: str) -> None:
        """Send an event to the namespace, which outlives the process."""
        self.stream.append(key)

    def end(self, call: str, failed: bool = False) -> None:
        """Let an execution end."""
        index = self.state.index[call]
        self.put(r.TaskFailed(index, {"type": "OSError"}) if failed else r.TaskSucceeded(index, {"c": "json", "v": 1}))

    def running(self) -> list[str]:
        """Return the calls that are under way."""
        return [n.node_id for n in self.state.nodes if n.owner == 0 and n.status.active]

    # ---- the driver ----

    def restart(self) -> None:
        """Begin anew from what is durable."""
        self.dies_in = -1
        self.state = RunState()
        lines, self.journal = self.journal, []
        for line in lines:
            record = decode(json.loads(line))
            assert record is not None
            self.state.handle(record)
            self.journal.append(line)
        self.put(r.RunOpened(2.0))
        self.put(r.RunStarted(2.0))

    def go(self) -> None:
        """Open the flow and do all there is to do. Raises Death."""
        if not self.known.began:
            self.put(FlowDefined(0, self.flow.to_json(), {"default": 1}, 3.0))
        lost = [
            each
            for each in self.known.live()
            if (index := self.state.index.get(each.call)) is not None
            and self.state.nodes[index].status is NodeStatus.PENDING
        ]
        for status in announced(self.state, self.known):
            self.look(status)
        broken = [[task.name, task.seq] for task in self.known.tasks.values() if task.broken]
        if broken:
            self.look({"src": RESUME, "key": "[resume]", "tasks": broken})
        failed = [each for each in self.known.live() if self._status(each.call) is NodeStatus.FAILED]
        for call in dict.fromkeys(each.call for each in [*lost, *failed] if each.status is TaskStatus.RUNNING):
            self.put(r.CallAgain(self.state.index[call]))
        new = [name for name in self.flow.tasks if not self.known.tasks[name].begun]
        if new:
            self.look({"src": BEGIN, "key": "[begin]", "tasks": new})
        self.pump()

    def _status(self, call: str) -> NodeStatus | None:
        index = self.state.index.get(call)
        return None if index is None else self.state.nodes[index].status

    def pump(self) -> None:
        """Look at all that has come."""
        self.carry_out()
        while (event := self.next()) is not None:
            self.look(event)

    def next(self) -> dict[str, Any] | None:
        """Return the next event for the rules."""
        ended = [each for each in announced(self.state, self.known) if each["status"] != "RUNNING"]
        if ended:
            return ended[0]
        for event in self.state.inbox.waiting():
            return {"src": RUN, "key": event.key, "id": event.event_id}
        offset = self.known.offsets["default"]
        if offset <= len(self.stream):
            return {"src": STREAM, "key": self.stream[offset - 1], "ns": "default", "off": offset, "id": f"s{offset}"}
        return None

    def look(self, event: dict[str, Any]) -> None:
        """Let the rules look at an event."""
        status = TaskStatus(event["status"]) if event["src"] == STATUS else None
        heard = Heard(event["key"], scopes=SCOPES, task=event.get("task", ""), status=status)
        decider = Decider(self.flow, self.known, lambda rule: self.known.states.get(rule, {}))
        said = decider.decide(event, heard)
        self.put(RulesEvaluated(0, event, said.verdicts, said.actions, said.states, 4.0))
        self.carry_out()

    def carry_out(self) -> None:
        """Begin and stop what was decided."""
        for execution in self.known.live():
            index = self.state.index.get(execution.call)
            if execution.status is TaskStatus.STOPPING and index is not None:
                self.put(r.CallStopped(index, 4.0))
            elif execution.status is TaskStatus.RUNNING and index is None:
                spec = NodeSpec(execution.call, NodeKind.TASK, (), "c")
                self.put(r.NodesAdded((spec,), 0), r.NodesCalled(0))

    # ---- what came of it ----

    def looks(self) -> list[RulesEvaluated]:
        """Return all that the rules have looked at, in order."""
        found = [decode(json.loads(line)) for line in self.journal]
        return [record for record in found if isinstance(record, RulesEvaluated)]

    def fired(self, event: Any = None) -> list[tuple[str, str]]:
        """Return (rule, event key) of all that acted."""
        return [
            (rule, each.event["key"]) for each in self.looks() for rule, word, _ in each.verdicts if word == "fired"
        ]

    def started(self) -> list[str]:
        """Return the executions that were decided, in order."""
        return [f"{a[1]}#{a[2]}" for each in self.looks() for a in each.actions if a[0] == "start"]
