"""Random histories of a run: at each step one of the records that may happen, chosen by hypothesis."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hypothesis import strategies as st

from nbflow.core import commands as c
from nbflow.core import records as r
from nbflow.core.graph import FORGOTTEN, NodeKind, NodeSpec
from nbflow.core.status import NodeStatus, WorkflowStatus
from nbflow.errors import InvalidTransition

from .runs import ERROR, PROMPT, Play, event, json_value, task, value

N = NodeStatus
Record = r.Record


def graphs(draw: Callable[[st.SearchStrategy[int]], int], most: int) -> tuple[NodeSpec, ...]:
    """Return a small graph with tasks, mapped tasks, waits and containers; the last node needs all others."""
    specs: list[NodeSpec] = []
    for i in range(draw(st.integers(1, most))):
        deps = tuple(sorted({draw(st.integers(0, i - 1)) for _ in range(draw(st.integers(0, 2)))})) if i else ()
        kind = draw(st.integers(0, 6))
        if kind == 0:
            specs.append(event(f"n{i}", *deps, listener="ButtonListener" if i % 2 else "KeyListener"))
        elif kind == 1:
            specs.append(value(f"n{i}", *deps))
        else:
            group = f"g{draw(st.integers(0, 1))}" if kind > 4 else ""
            specs.append(task(f"n{i}", *deps, code="f" if group or kind == 2 else f"f{i}", group=group))
    return (*specs, value("all", *range(len(specs))))


class Story:
    """A run that chance moves on."""

    def __init__(self, draw: Callable[[st.SearchStrategy[int]], int]) -> None:
        self._draw = draw
        self.play = Play(*graphs(draw, 12))
        self.owed: list[Record] = []

    def step(self) -> None:
        """Let one thing happen."""
        choices = list(self._choices())
        self.play.now += self._draw(st.sampled_from([0.01, 0.1, 1.0, 30.0]))
        record = choices[self._draw(st.integers(0, len(choices) - 1))]
        if record in self.owed:
            self.owed.remove(record)
        if isinstance(record, r.RunOpened | r.GraphCommitted | r.NodesReset):
            self.owed.clear()
            self._take(r.RunOpened(self.play.now))
            if isinstance(record, r.GraphCommitted):
                self.play.bind(graphs(self._draw, 12))
            elif isinstance(record, r.NodesReset):
                self._take(record)
            self._take(r.RunStarted(self.play.now))
        else:
            if isinstance(record, r.TaskGrew):
                specs = graphs(self._draw, 4)
                self.play._know(specs)
                self._take(r.NodesAdded(specs, record.node))
                record = r.TaskGrew(record.node, len(specs) - 1, record.started, record.ended)
            self._take(record)

    def _take(self, record: Record) -> None:
        try:
            commands = self.play.state.handle(record)
        except InvalidTransition:
            return
        now = self.play.now
        for command in commands:
            match command:
                case c.FailRun(node):
                    self.owed.append(r.RunFailed(now, node))
                case c.FinishRun():
                    self.owed.append(r.RunSucceeded(now))
                case c.WrapCaught(node) | c.CatchFailure(node):
                    self.owed.append(r.TaskSucceeded(node, json_value("kept"), now, now, caught=True))

    def _choices(self) -> Iterator[Record]:
        state, now = self.play.state, self.play.now
        yield from self.owed
        for i, node in enumerate(state.nodes):
            if node.owner == FORGOTTEN or node.spec.kind is NodeKind.VALUE:
                continue
            yield from self._waits(i) if node.spec.kind is NodeKind.EVENT else self._bodies(i)
        yield r.RunOpened(now)
        if state.status is WorkflowStatus.RUNNING:
            yield r.RunDetached(now)
        elif state.status not in (WorkflowStatus.SUCCESSFUL, WorkflowStatus.CANCELED):
            yield r.GraphCommitted(0)
            yield r.NodesReset((self._draw(st.integers(0, len(state.nodes) - 1)),))
        if self._draw(st.integers(0, 30)) == 0:
            yield r.RunCanceled(now)

    def _bodies(self, i: int) -> Iterator[Record]:
        node, now = self.play.state.nodes[i], self.play.now
        if node.status is N.RETRYING:
            yield r.RetryDue(i, node.attempt + 1)
        if node.status is N.QUEUED:
            yield r.TaskStarted(i, node.attempt + 1, now)
        if node.status is N.RUNNING:
            yield r.TaskSucceeded(i, json_value(i), now - 1, now, node.attempt)
            yield r.TaskAttemptFailed(i, node.attempt, ERROR, now + 5, now - 1, now)
            yield r.TaskFailed(i, ERROR, now - 1, now, node.attempt)
            if len(self.play.state.nodes) < 60:
                yield r.TaskGrew(i, 0, now - 1, now)

    def _waits(self, i: int) -> Iterator[Record]:
        node, now = self.play.state.nodes[i], self.play.now
        if node.status is N.QUEUED:
            token = self.play.state.tokens + 1
            yield r.WaitOpened(i, token, now, f"q{i}", now + 60, json_value({"option": "reject"}), PROMPT)
            yield r.WaitOpened(i, token, now, f"q{i}")
        if node.status is N.WAITING and node.wait is not None:
            answer = json_value({"option": "approve", "by": "ana", "values": {}})
            yield r.EventReceived(f"e{now}", f"q{i}", answer, now, "ana", "view")
            yield r.WaitExpired(i, node.wait.token, now)
            yield r.ListenerFired(i, node.wait.token, json_value(1), now)
            yield r.TaskFailed(i, ERROR, now - 1, now)
        if node.status is N.COMMITTING:
            yield r.ListenerCommitted(i, now)
