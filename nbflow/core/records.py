"""Everything that can happen to a run, as small values in the past tense.

A record is the only thing that changes a run's state, and the journal is a list of them. ``node`` is the index
of a node in the run. Times are UTC seconds, for display and deadlines, never for order. ``value`` and ``payload``
are stored values, which nothing here looks into.
"""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar

from .cheap import cheap
from .graph import TOP, Code, Json, NodeSpec


class Record:
    """The base of all records; ``tag`` is the name in the journal."""

    __slots__ = ()
    tag: ClassVar[str]


class NodeRecord(Record):
    """A record of one node."""

    __slots__ = ()
    node: int


@cheap
class RunCreated(Record):
    """A run was accepted."""

    tag = "created"
    workflow_id: str
    name: str
    at: float
    metadata: Json = field(default_factory=dict)
    environment: Json = field(default_factory=dict)


@cheap
class RunOpened(Record):
    """A process took the run: what was under way before is not under way any more."""

    tag = "opened"
    at: float
    owner: Json = field(default_factory=dict)


@cheap
class CodeAdded(Record):
    """A function or a listener class became known to the run."""

    tag = "code"
    code: Code


@cheap
class NodesAdded(Record):
    """Nodes were laid ready for ``GraphCommitted`` (owner TOP) or for ``TaskGrew`` of their owner.

    Their ``deps`` count from the first node that was laid ready for the same owner.
    """

    tag = "nodes"
    specs: tuple[NodeSpec, ...]
    owner: int = TOP


@cheap
class GraphCommitted(Record):
    """The nodes that lay ready became the graph; known ids keep what they have. ``cleanup`` empty is as before."""

    tag = "graph"
    output: int
    metadata: Json | None = None
    cleanup: str = ""


@cheap
class RunStarted(Record):
    """The run got its turn."""

    tag = "started"
    at: float


@cheap
class NodesReset(Record):
    """The user asked for finished nodes to be run again, with all that depends on them."""

    tag = "reset"
    nodes: tuple[int, ...]


@cheap
class NodesRecoded(Record):
    """Nodes that the run had grown took the code given now; ``key`` names it. Results stay, and are marked."""

    tag = "recoded"
    key: str
    nodes: tuple[int, ...]


@cheap
class RunForked(Record):
    """All before is the history of run ``source``, shared but for the results of ``nodes`` and what needs them."""

    tag = "forked"
    workflow_id: str
    source: str
    at: float
    after: str = ""
    metadata: Json = field(default_factory=dict)
    nodes: tuple[int, ...] = ()


@cheap
class TaskStarted(NodeRecord):
    """A body began. Journaled only for tasks that must run at most once."""

    tag = "start"
    node: int
    attempt: int
    started: float


@cheap
class TaskSucceeded(NodeRecord):
    """A node has its value; None as ``value`` means that it lives in memory only."""

    tag = "done"
    node: int
    value: Json | None
    started: float = 0.0
    ended: float = 0.0
    attempt: int = 1
    caught: bool = False


@cheap
class TaskGrew(NodeRecord):
    """A body returned a continuation; ``output`` counts within the nodes laid ready for it."""

    tag = "grew"
    node: int
    output: int
    started: float = 0.0
    ended: float = 0.0
    attempt: int = 1


@cheap
class TaskAttemptFailed(NodeRecord):
    """An attempt failed and another will follow at ``retry_at``."""

    tag = "retry"
    node: int
    attempt: int
    error: Json
    retry_at: float
    started: float = 0.0
    ended: float = 0.0


@cheap
class RetryDue(NodeRecord):
    """The time of the next attempt has come. Never journaled: the moment was."""

    tag = "due"
    node: int
    attempt: int


@cheap
class TaskFailed(NodeRecord):
    """A node failed for good."""

    tag = "failed"
    node: int
    error: Json
    started: float = 0.0
    ended: float = 0.0
    attempt: int = 1


@cheap
class WaitOpened(NodeRecord):
    """A wait began. ``key`` names the events that end it (empty: a listener or a deadline does).

    ``token`` tells this wait from a later one of the same node; ``deadline`` is absolute. ``fallback`` is the stored
    value at the deadline, None when passing it is a failure. ``prompt`` is what a person is asked, ``notify`` the
    stored list of who is told that.
    """

    tag = "wait"
    node: int
    token: int
    at: float
    key: str = ""
    deadline: float | None = None
    fallback: Json | None = None
    prompt: Json | None = None
    notify: Json | None = None


@cheap
class Notified(NodeRecord):
    """Somebody was told that a question is open; with ``trouble`` it was given up. ``target`` counts in ``notify``."""

    tag = "told"
    node: int
    token: int
    at: float
    target: int = 0
    trouble: str = ""


@cheap
class EventReceived(Record):
    """An event came in from outside; the oldest wait of its key takes it, else it stays in the inbox."""

    tag = "event"
    event_id: str
    key: str
    payload: Json
    at: float
    by: str = ""
    source: str = ""


@cheap
class ListenerFired(NodeRecord):
    """A listener's poll returned an event, which is now durable."""

    tag = "fired"
    node: int
    token: int
    event: Json
    at: float


@cheap
class ListenerCommitted(NodeRecord):
    """The source of a listener's event was told."""

    tag = "committed"
    node: int
    at: float


@cheap
class WaitExpired(NodeRecord):
    """A wait ended without an event: its deadline passed, or ``why`` tells what else. Dropped when it is over already.

    Its value is the wait's fallback; with ``value`` a failure that was caught is.
    """

    tag = "expired"
    node: int
    token: int
    at: float
    why: str = ""
    value: Json | None = None


@cheap
class NodesCalled(Record):
    """The nodes that lay ready for a driver became its calls, and start; ``node`` is the driver."""

    tag = "called"
    node: int


@cheap
class CallAgain(NodeRecord):
    """A call that its owner's death, a failure or a stop has ended starts once more, with a fresh budget."""

    tag = "again"
    node: int


@cheap
class CallStopped(NodeRecord):
    """A driver, or a person, stopped a call; a later result of its body is ignored."""

    tag = "stopped"
    node: int
    at: float
    by: str = ""


@cheap
class CallsForgotten(Record):
    """Calls of a driver that are over left the state; only the history has them. ``node`` is the driver."""

    tag = "forgot"
    node: int
    calls: tuple[int, ...]


@cheap
class RunSucceeded(Record):
    """The run has its output. ``undelivered`` are the ids of the events that nobody took."""

    tag = "succeeded"
    at: float
    undelivered: tuple[str, ...] = ()


@cheap
class RunFailed(Record):
    """A node failed, so no new node is started. Bodies that still run may yet finish."""

    tag = "broke"
    at: float
    node: int


@cheap
class RunCanceled(Record):
    """The run was canceled; later results are ignored."""

    tag = "canceled"
    at: float
    by: str = ""
    undelivered: tuple[str, ...] = ()


@cheap
class RunDetached(Record):
    """The owner let the run go; anybody may resume it."""

    tag = "detached"
    at: float
    why: str = ""


RECORDS: dict[str, type[Record]] = {
    cls.tag: cls
    for cls in (
        RunCreated, RunOpened, CodeAdded, NodesAdded, GraphCommitted, RunStarted, NodesReset,
        NodesRecoded, RunForked, TaskStarted, TaskSucceeded, TaskGrew, TaskAttemptFailed, RetryDue, TaskFailed,
        WaitOpened, Notified, EventReceived, ListenerFired, ListenerCommitted, WaitExpired,
        NodesCalled, CallAgain, CallStopped, CallsForgotten, RunSucceeded, RunFailed, RunCanceled, RunDetached,
    )
}  # fmt: skip
