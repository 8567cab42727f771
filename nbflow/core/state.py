"""The state of one run behind one door: ``handle(record)`` is the only thing that changes it.

Fold all records of a journal and the state is what it was; each call also returns what must be done next. The engine
writes a record first and hands it in here when it is durable, so the state never runs ahead of the disk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from ..errors import InvalidTransition
from . import bodies, calls, changes, choice, condensing, flow, growth, moves, resume, rules, waits
from . import records as r
from .asked import Asked
from .commands import Command
from .graph import FORGOTTEN, TOP, VALUE, Code, Json
from .inbox import Inbox
from .node import TOMB, Node
from .status import PENDING, NodeStatus, WorkflowStatus
from .table import RUN_TRANSITIONS, TRANSITIONS
from .tell import RECENT, lately

Handler = Callable[[Any, Any, list[Command]], None]


class RunState:
    """Everything that is known about one run. ``changed`` collects node indices for views to drain.

    ``driver`` is the node that moves a state machine or a flow, -1 in a graph of tasks; ``parts`` holds what such a
    front keeps beside the nodes, by driver. ``remembers`` keeps nodes that left the run, for who tells its story.
    """

    def __init__(self, remembers: bool = False) -> None:
        self.remembers: Final = remembers
        self.workflow_id = ""
        self.name = ""
        self.metadata: Json = {}
        self.environment: Json = {}
        self.status: WorkflowStatus | None = None
        self.created = 0.0
        self.started = 0.0
        self.ended = 0.0
        self.nodes: list[Node] = []
        self.index: dict[str, int] = {}
        self.codes: dict[str, Code] = {}
        self.output = -1
        self.failed = -1
        self.undelivered: tuple[str, ...] = ()
        self.cleanup = ""
        self.forked_from = ""
        self.forked_after = ""
        self.numbers: dict[str, int] = {}
        self.inbox: Final = Inbox()
        self.tokens = 0
        self.changed: set[int] = set()
        self.counts: dict[NodeStatus, int] = dict.fromkeys(NodeStatus, 0)
        self.staged: dict[int, list[Any]] = {}
        self.driver = -1
        self.parts: dict[int, Any] = {}
        self.waiting: dict[str, list[int]] = {}
        self.asked: Final = Asked()
        self.silent: set[int] = set()
        """The nodes that nobody sees: values in the graph."""
        self.recheck = False
        self.choices: list[int] = []
        self._recent: deque[r.Record] = deque(maxlen=RECENT)

    # ---- the door ----

    def handle(self, record: r.Record) -> list[Command]:
        """Take one durable record and return what to do next. Raises InvalidTransition and changes nothing."""
        commands: list[Command] = []
        _HANDLERS[type(record)](self, record, commands)
        self._recent.append(record)
        while self.choices or self.recheck:
            (choice.settle if self.choices else flow.deliver_early)(self, commands)
        return commands

    def handle_all(self, records: Iterable[r.Record]) -> list[Command]:
        """Take records in order; return all their commands."""
        return [command for record in records for command in self.handle(record)]

    # ---- reading ----

    @property
    def live(self) -> bool:
        """True while new nodes may start."""
        return self.status is WorkflowStatus.RUNNING

    def resolve(self, index: int) -> int:
        """Return the node that holds the value of this one: itself, or the end of its continuations."""
        nodes = self.nodes
        while nodes[index].alias >= 0:
            index = nodes[index].alias
        return index

    def options(self, index: int) -> Any:
        """Return the options of a node."""
        return self.codes[self.nodes[index].spec.code].options

    def catches(self, index: int) -> bool:
        """Tell whether a failure below this node becomes its value."""
        code = self.nodes[index].spec.code
        return bool(code) and self.codes[code].options.catch_exceptions

    def marks_start(self, index: int) -> bool:
        """Tell whether the start of this node's body is journaled."""
        code = self.nodes[index].spec.code
        return bool(code) and self.codes[code].options.mark_start

    def pending(self) -> list[int]:
        """Return the nodes that the run waits for now: running, waiting, retrying, committing."""
        return [i for i, node in enumerate(self.nodes) if node.status.active and node.status is not NodeStatus.GROWN]

    def take_changes(self) -> set[int]:
        """Return the nodes that changed since the last call."""
        changed, self.changed = self.changed, set()
        return changed

    # ---- for the modules that carry out a record (never called from outside the door) ----

    def add(self, node: Node) -> None:
        """Take a new node in at the next index."""
        self.changed.add(len(self.nodes))
        if node.spec.kind is VALUE:
            self.silent.add(len(self.nodes))
        self.nodes.append(node)
        self.counts[node.status] += 1

    def forget(self, index: int) -> None:
        """Leave a node out of everything but the history; its place stays, for late records. Idempotent."""
        node = self.nodes[index]
        if node.owner == FORGOTTEN:
            return
        node.owner = FORGOTTEN
        self.counts[node.status] -= 1
        if self.index.get(node.node_id) == index:
            del self.index[node.node_id]
        node.value = node.event = node.wait = None
        self.asked.discard(index)
        self.silent.discard(index)
        node.status = PENDING
        self.changed.add(index)
        if not self.remembers:
            self.nodes[index] = TOMB

    def set_status(self, index: int, status: NodeStatus) -> None:
        """Move a node and keep the counts."""
        node = self.nodes[index]
        self.counts[node.status] -= 1
        self.counts[status] += 1
        node.status = status
        self.changed.add(index)

    def target(self, record: r.NodeRecord) -> NodeStatus | None:
        """Return where the table leads, None when the record is legal and changes nothing. Raises InvalidTransition."""
        if not 0 <= record.node < len(self.nodes):
            raise InvalidTransition(f"run {self.workflow_id!r} has no node {record.node}: {record}")
        node = self.nodes[record.node]
        if node.owner == FORGOTTEN:
            return None
        try:
            return TRANSITIONS[node.status, type(record)]
        except KeyError:
            raise InvalidTransition(
                f"{type(record).__name__} cannot happen to node {node.node_id!r} of run {self.workflow_id!r}, "
                f"which is {node.status}: {record}; the node is {node.describe()}; "
                f"lately: {lately(self._recent, record.node)}"
            ) from None

    def move(self, record: r.NodeRecord) -> bool:
        """Apply the table; return False when the record is legal and changes nothing."""
        target = self.target(record)
        if target is None:
            return False
        self.set_status(record.node, target)
        return True

    def move_run(self, record: r.Record) -> bool:
        """Apply the table of runs; return False when the record is legal and changes nothing."""
        try:
            target = RUN_TRANSITIONS[self.status, type(record)]
        except KeyError:
            raise InvalidTransition(
                f"{type(record).__name__} cannot happen to run {self.workflow_id!r}, which is {self.status}: {record}"
            ) from None
        if target is None:
            return False
        self.status = target
        return True

    # ---- the run ----

    def _on_created(self, record: r.RunCreated, _: list[Command]) -> None:
        if self.move_run(record):
            self.workflow_id, self.name, self.created = record.workflow_id, record.name, record.at
            self.metadata, self.environment = record.metadata, record.environment

    def _on_opened(self, record: r.RunOpened, _: list[Command]) -> None:
        opened = self.move_run(record)
        self.environment = record.owner.get("environment", self.environment)
        self.staged.clear()
        if opened:
            resume.reopen(self)

    def _on_code(self, record: r.CodeAdded, _: list[Command]) -> None:
        self.codes[record.code.key] = record.code

    def _on_nodes(self, record: r.NodesAdded, _: list[Command]) -> None:
        self.staged.setdefault(record.owner, []).extend(record.specs)

    def _on_graph(self, record: r.GraphCommitted, _: list[Command]) -> None:
        growth.check_output(self, record, TOP)
        if self.move_run(record):
            growth.adopt(self, record.output)
            self.metadata = self.metadata if record.metadata is None else record.metadata
            self.cleanup = record.cleanup or self.cleanup

    def _on_started(self, record: r.RunStarted, commands: list[Command]) -> None:
        if self.move_run(record):
            self.started, self.ended, self.failed, self.undelivered = record.at, 0.0, -1, ()
            resume.plan(self, commands)

    def _on_reset(self, record: r.NodesReset, _: list[Command]) -> None:
        self._check_nodes(record)
        if self.move_run(record):
            resume.reset(self, record.nodes)

    def _on_recoded(self, record: r.NodesRecoded, _: list[Command]) -> None:
        self._check_nodes(record)
        if self.move_run(record):
            changes.recode(self, record.key, record.nodes)

    def _on_forked(self, record: r.RunForked, _: list[Command]) -> None:
        self._check_nodes(record)
        self.move_run(record)
        self.staged.clear()
        resume.fork(self, record)

    def _check_nodes(self, record: r.NodesReset | r.NodesRecoded | r.RunForked) -> None:
        unknown = [index for index in record.nodes if not 0 <= index < len(self.nodes)]
        if unknown:
            raise InvalidTransition(f"run {self.workflow_id!r} has no nodes {unknown}: {record}")

    def _on_run_succeeded(self, record: r.RunSucceeded, _: list[Command]) -> None:
        if self.move_run(record):
            self.ended, self.undelivered = record.at, self._left(record)

    def _left(self, record: r.RunSucceeded | r.RunCanceled) -> tuple[str, ...]:
        """Return the ids of the events that nobody took, with those that came while the end was written down."""
        return tuple(dict.fromkeys((*record.undelivered, *(event.event_id for event in self.inbox.waiting()))))

    def _on_run_failed(self, record: r.RunFailed, commands: list[Command]) -> None:
        if self.move_run(record):
            self.ended, self.failed = record.at, record.node
            flow.halt(self, commands)

    def _on_canceled(self, record: r.RunCanceled, commands: list[Command]) -> None:
        if self.move_run(record):
            self.ended, self.undelivered = record.at, self._left(record)
            flow.cancel(self, commands)

    def _on_detached(self, record: r.RunDetached, commands: list[Command]) -> None:
        if self.move_run(record):
            flow.halt(self, commands)


_HANDLERS: dict[type[r.Record], Handler] = {
    r.RunCreated: RunState._on_created,
    r.RunOpened: RunState._on_opened,
    r.CodeAdded: RunState._on_code,
    r.NodesAdded: RunState._on_nodes,
    r.GraphCommitted: RunState._on_graph,
    r.RunStarted: RunState._on_started,
    r.NodesReset: RunState._on_reset,
    r.NodesRecoded: RunState._on_recoded,
    r.RunForked: RunState._on_forked,
    r.RunSucceeded: RunState._on_run_succeeded,
    r.RunFailed: RunState._on_run_failed,
    r.RunCanceled: RunState._on_canceled,
    r.RunDetached: RunState._on_detached,
    **bodies.HANDLERS,
    **waits.HANDLERS,
    **calls.HANDLERS,
    **moves.HANDLERS,
    **rules.HANDLERS,
    **condensing.HANDLERS,
}
