"""A driver of random runs: answers commands in random order, and compares each step with the oracle."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any
from zlib import crc32

from nbflow.core import commands as c
from nbflow.core import records as r
from nbflow.core.codec import decode, encode
from nbflow.core.graph import FORGOTTEN, TOP, NodeKind, NodeSpec
from nbflow.core.state import RunState
from nbflow.core.status import NodeStatus, WorkflowStatus

from .oracle import step, waiting
from .programs import Program
from .runs import ERROR, MENDED, check, created
from .twins import Model

N = NodeStatus
W = WorkflowStatus
CAUGHT = {"c": "json", "v": "caught"}


class Driver:
    """One run of a program: ``state`` and ``model`` take the same records; ``journal`` holds the durable ones.

    ``held`` are the values in the memory of the present owner; they are lost in a crash.
    """

    def __init__(self, program: Program, order: int, lines: list[str] | None = None, twin: bool = True) -> None:
        self.program = program
        self.random = Random(order)
        self.state = RunState()
        self.model: Model | None = Model() if twin else None
        self.journal: list[str] = []
        self.events = 0
        self._forget_owner()
        if lines is None:
            for record in [*created(), r.CodeAdded(MENDED)]:
                self.put(record)
            self.give_graph(0)
        else:
            self.journal += lines
            self.crash()

    # ---- records ----

    def put(self, record: r.Record, durable: bool = True) -> None:
        """Take a record as the engine does: journal, state, commands; then compare and check."""
        line = encode(record)
        if durable:
            self.journal.append(line)
        self._take(decode(json.loads(line)))

    def _take(self, record: r.Record | None) -> None:
        assert record is not None
        commands = self.state.handle(record)
        if self.model is not None:
            self.model = step(self.model, record)
            compare(self.state, self.model)
        check(self.state)
        for command in commands:
            self._carry_out(command)

    def give_graph(self, variant: int) -> None:
        """Write the graph of the program, or a changed one."""
        specs = self.program.top(variant)
        self.put(r.NodesAdded(specs))
        self.put(r.GraphCommitted(len(specs) - 1))

    def start(self) -> None:
        """Give the run its turn."""
        self.put(r.RunStarted(2.0))

    def crash(self, fold: bool = True, between: Callable[[], None] | None = None) -> None:
        """Lose all that is not durable; a new owner takes the run."""
        if fold:
            self.state = RunState()
            self.state.handle_all(record for line in self.journal if (record := decode(json.loads(line))))
        self._forget_owner()
        if fold and self.model is not None:
            self.model = Model()
            for line in self.journal:
                record = decode(json.loads(line))
                assert record is not None
                self.model = step(self.model, record)
        self.put(r.RunOpened(3.0))
        if between is not None:
            between()
        self.start()

    def fork(self, nodes: tuple[int, ...]) -> None:
        """Go on as another run that shares the journal, but for the results of ``nodes``."""
        self.journal.append(encode(r.RunForked("fork", self.state.workflow_id, 12.0, nodes=nodes)))
        self.crash()

    def _forget_owner(self) -> None:
        self.held: dict[int, Any] = {}
        self.dropped: set[int] = set()
        self.bodies: dict[int, int] = {}
        self.late: dict[int, int] = {}
        self.retries: dict[int, int] = {}
        self.opening: set[int] = set()
        self.open: dict[int, int] = {}
        self.commits: set[int] = set()
        self.wraps: dict[int, c.WrapCaught | c.CatchFailure] = {}
        self.finishing = False
        self.failing = -1

    # ---- commands ----

    def _carry_out(self, command: c.Command) -> None:
        match command:
            case c.StartTask(node, attempt):
                assert node not in self.bodies, "a body runs twice at once"
                self.arguments(node)
                self.bodies[node] = attempt
            case c.StartRetry(node, attempt, _):
                self.retries[node] = attempt
            case c.StopTask(node):
                if node in self.bodies:
                    self.late[node] = self.bodies.pop(node)
                self.retries.pop(node, None)
                self.opening.discard(node)
            case c.OpenWait(node):
                self.opening.add(node)
            case c.KeepWait(node, token):
                self.open[node] = token
            case c.CloseWait(node, token):
                assert self.open.pop(node, token) == token
            case c.CommitEvent(node):
                self.commits.add(node)
            case c.WrapCaught(node) | c.CatchFailure(node):
                assert node not in self.wraps, "asked twice"
                self.wraps[node] = command
            case c.DropValue(node):
                self._drop(node)
            case c.FinishRun():
                assert not self.finishing, "asked twice"
                self.finishing = True
            case c.FailRun(node):
                self.failing = node

    def _drop(self, node: int) -> None:
        if self.state.nodes[node].status.finished:
            assert node not in self.dropped, "dropped twice"
            assert self.state.nodes[node].uses == 0, "dropped while needed"
            self.dropped.add(node)
        self.held.pop(node, None)

    def value(self, node: int) -> Any:
        """Return a value from memory or journal; fails when it is nowhere."""
        node = self.state.resolve(node)
        spec = self.state.nodes[node].spec
        if spec.kind is NodeKind.ANY:
            chosen = self.state.nodes[node].chosen
            return [spec.deps.index(chosen), self.value(chosen)]
        if spec.kind is NodeKind.VALUE:
            return [self.value(dep) for dep in spec.deps]
        stored = self.state.nodes[node].value
        assert stored is not None or node in self.held, f"the value of {node} is lost while it is needed"
        return self.held[node] if stored is None else stored["v"]

    def arguments(self, node: int) -> list[Any]:
        """Return the values that a body needs."""
        return [self.value(dep) for dep in self.state.nodes[node].spec.deps]

    def _check_duties(self) -> None:
        """What must be done follows from the states alone, so no command was lost and none was given twice."""
        by = {
            status: {i for i, n in enumerate(self.state.nodes) if n.status is status and n.owner != FORGOTTEN}
            for status in N
        }
        waits = {i for i, n in enumerate(self.state.nodes) if n.spec.kind is NodeKind.EVENT}
        assert set(self.bodies) == (by[N.QUEUED] | by[N.RUNNING]) - waits - set(self.late)
        assert set(self.retries) == by[N.RETRYING]
        assert self.opening == by[N.QUEUED] & waits
        assert set(self.open) == by[N.WAITING]
        assert self.commits >= by[N.COMMITTING]

    # ---- what can happen next ----

    def actions(self) -> list[Callable[[], None]]:
        """Return all answers to commands that may come now, in a fixed order."""
        self._check_duties()
        moves: list[Callable[[], None]] = []
        for node, attempt in [*self.bodies.items(), *self.late.items()]:
            moves.append(lambda n=node, a=attempt: self.end_body(n, a))  # type: ignore[misc]
        for node, attempt in self.retries.items():
            moves.append(lambda n=node, a=attempt: self._due(n, a))  # type: ignore[misc]
        moves += [lambda n=node: self.open_wait(n) for node in self.opening]  # type: ignore[misc]
        moves += [lambda n=node: self.end_wait(n) for node in self.open]  # type: ignore[misc]
        moves += [lambda n=node: self._commit(n) for node in self.commits]  # type: ignore[misc]
        moves += [lambda n=node: self.wrap(n) for node in self.wraps]  # type: ignore[misc]
        if self.finishing:
            moves.append(self._finish)
        if self.failing >= 0:
            moves.append(self._fail)
        return moves

    def _due(self, node: int, attempt: int) -> None:
        del self.retries[node]
        self.put(r.RetryDue(node, attempt), durable=False)

    def _commit(self, node: int) -> None:
        self.commits.discard(node)
        self.put(r.ListenerCommitted(node, 6.0))

    def _finish(self) -> None:
        self.finishing = False
        self.value(self.state.output)
        self.put(r.RunSucceeded(9.0))

    def _fail(self) -> None:
        node, self.failing = self.failing, -1
        self.put(r.RunFailed(9.0, node))

    def path(self, node: int) -> tuple[Any, ...]:
        """Return the place of a node in the program, the same in every history."""
        owner = self.state.nodes[node].owner
        if owner == TOP:
            return (self.state.nodes[node].node_id,)
        return (*self.path(owner), node - self.state.nodes[owner].children.start)

    def end_body(self, node: int, attempt: int) -> None:
        """Let a body end as the program says."""
        if self.state.nodes[node].owner == FORGOTTEN:
            self.bodies.pop(node, None)
            self.late.pop(node, None)
            return
        plan = self.program.behaviour(self.path(node))
        once = self.state.marks_start(node)
        queued = self.state.nodes[node].status is N.QUEUED
        if queued and (once or self.random.random() < 0.3):
            self.put(r.TaskStarted(node, attempt, 4.0), durable=once)
            return
        late = node in self.late
        args = [] if late else self.arguments(node)
        (self.late if late else self.bodies).pop(node)
        if attempt <= plan.failures:
            self.put(r.TaskAttemptFailed(node, attempt, ERROR, 5.0, 4.0, 5.0))
        elif plan.dies:
            self._die(node, attempt)
        elif plan.growth:
            self.put(r.NodesAdded(plan.growth, node))
            self.put(r.TaskGrew(node, len(plan.growth) - 1, 4.0, 5.0, attempt))
        else:
            result = 0 if late else crc32(repr((self.path(node), args)).encode())
            self.finish(node, result, plan.memory and not late, attempt)

    def _die(self, node: int, attempt: int) -> None:
        if self.state.catches(node):
            self.put(r.TaskSucceeded(node, CAUGHT, 4.0, 5.0, attempt, caught=True))
        else:
            self.put(r.TaskFailed(node, ERROR, 4.0, 5.0, attempt))

    def finish(self, node: int, result: Any, memory: bool, attempt: int, caught: bool = False) -> None:
        """Write the value of a node."""
        self.held[node] = result
        self.dropped.discard(node)
        stored = None if memory else {"c": "json", "v": result}
        self.put(r.TaskSucceeded(node, stored, 4.0, 5.0, attempt, caught))

    def wrap(self, node: int) -> None:
        """Answer WrapCaught or CatchFailure."""
        command = self.wraps.pop(node)
        if self.state.nodes[node].status is not N.GROWN:
            return
        plan = self.program.behaviour(self.path(node))
        if isinstance(command, c.CatchFailure):
            self.finish(node, "caught", plan.memory, 1, caught=True)
        else:
            self.finish(node, ["wrapped", self.value(command.output)], plan.memory, 1)

    def open_wait(self, node: int) -> None:
        """Answer OpenWait."""
        self.opening.discard(node)
        wait = self.program.wait(self.path(node))
        fallback = {"c": "json", "v": wait.key or "fired"} if wait.expires else None
        deadline = 7.0 if wait.expires else None
        self.put(r.WaitOpened(node, self.state.tokens + 1, 3.0, wait.key, deadline, fallback))

    def end_wait(self, node: int) -> None:
        """Let a wait end: by its deadline, its listener, or an event of its key."""
        wait = self.state.nodes[node].wait
        assert wait is not None
        if wait.fallback is not None and self.random.random() < 0.4:
            self.put(r.WaitExpired(node, wait.token, 7.0))
        elif wait.key:
            self.send(wait.key)
        else:
            self.put(r.WaitExpired(node, wait.token - 1, 7.0))  # what an earlier wait left behind
            self.put(r.ListenerFired(node, wait.token, {"c": "json", "v": "fired"}, 6.0))

    def send(self, key: str) -> None:
        """Let an event come in, now and then twice."""
        self.events += 1
        event = r.EventReceived(f"e{self.events}", key, {"c": "json", "v": key}, 5.0)
        for _ in range(self.random.choice((1, 1, 2))):
            self.put(event)

    def run(self, limit: int = 2000) -> None:
        """Answer commands until nothing is left to answer."""
        for _ in range(limit):
            moves = self.actions()
            if not moves:
                break
            self.random.choice(moves)()
        else:
            raise AssertionError("the run does not come to an end")

    def result(self) -> Any:
        """Return the state of the run and the value of its output."""
        ended = self.state.status
        return ended, self.value(self.state.output) if ended is W.SUCCESSFUL else None


def compare(state: RunState, model: Model) -> None:
    """Assert that the state and the oracle say the same."""
    assert state.status is model.status
    assert len(state.nodes) == len(model.nodes)
    for index, (node, twin) in enumerate(zip(state.nodes, model.nodes, strict=True)):
        assert (node.owner == FORGOTTEN) == (twin.owner == -2), index
        if node.owner == FORGOTTEN:
            continue
        seen = (node.status, node.owner, node.attempt, node.retry_at, tuple(node.children), node.output)
        wanted = (twin.status, twin.owner, twin.attempt, twin.retry_at, twin.children, twin.output)
        assert seen == wanted, (index, seen, wanted)
        assert state.nodes[state.resolve(index)].value == model.value_of(index), index
        assert (node.wait, node.event, node.failing) == (twin.wait, twin.event, twin.failing), index
        assert node.chosen == twin.chosen, index
        assert node.spec.deps == twin.spec.deps
        assert node.changed == model.changed(index), index
    assert state.inbox.waiting() == list(model.inbox)
    for key in {node.wait.key for node in state.nodes if node.wait and node.wait.key}:
        assert state.waiting.get(key, []) == waiting(model, key)


def specs_of(state: RunState) -> list[NodeSpec]:
    """Return the nodes of a run that are part of it."""
    return [node.spec for node in state.nodes if node.owner != FORGOTTEN]
