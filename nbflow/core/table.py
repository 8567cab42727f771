"""The transition tables: which record may happen to a run or to a node in which state, and where it leads.

Theory of operation. A node is born ``pending``. When the nodes that it needs are finished it is ``queued``, without
a record: that follows from theirs. A body then runs (``TaskStarted`` is usually not journaled, so every later record
of the body is legal from ``queued`` too) and ends with one of four records. A wait opens, and is ended by an event, a
listener, its deadline or a failure. A result that comes after the node's fate is sealed is legal and changes nothing:
those pairs lead to ``IGNORED``. A pair that is not in the table cannot happen.

A run is ``PENDING`` from its creation, and again from each ``RunOpened``, until it gets its turn; its graph changes
only there. An answer to a command may become durable after the run was canceled, let go or failed by another node:
the first end stands, except that a run that was let go may still end by what it had under way.
"""

from __future__ import annotations

from .records import (
    CallAgain,
    CallStopped,
    GraphCommitted,
    ListenerCommitted,
    ListenerFired,
    NodeRecord,
    NodesRecoded,
    NodesReset,
    Record,
    RetryDue,
    RunCanceled,
    RunCreated,
    RunDetached,
    RunFailed,
    RunForked,
    RunOpened,
    RunStarted,
    RunSucceeded,
    TaskAttemptFailed,
    TaskFailed,
    TaskGrew,
    TaskStarted,
    TaskSucceeded,
    WaitExpired,
    WaitOpened,
)
from .status import NodeStatus, WorkflowStatus

N = NodeStatus
W = WorkflowStatus

IGNORED: None = None

_BODY: dict[type[NodeRecord], NodeStatus] = {
    TaskStarted: N.RUNNING,
    TaskSucceeded: N.DONE,
    TaskGrew: N.GROWN,
    TaskAttemptFailed: N.RETRYING,
    TaskFailed: N.FAILED,
}
_OVER = frozenset({N.PENDING, N.FAILED, N.CANCELED})
_SEALED = frozenset({N.DONE, N.RESTORED, N.FAILED, N.SKIPPED, N.CANCELED})
NODE_RECORDS: tuple[type[NodeRecord], ...] = (
    TaskStarted,
    TaskSucceeded,
    TaskGrew,
    TaskAttemptFailed,
    TaskFailed,
    RetryDue,
    WaitOpened,
    ListenerFired,
    ListenerCommitted,
    WaitExpired,
)

TRANSITIONS: dict[tuple[NodeStatus, type[NodeRecord]], NodeStatus | None] = {
    # a body may end after RunFailed has put its node back to pending
    **{(N.PENDING, record): target for record, target in _BODY.items()},
    (N.PENDING, RetryDue): IGNORED,
    (N.PENDING, WaitOpened): IGNORED,
    (N.PENDING, ListenerFired): IGNORED,
    (N.PENDING, ListenerCommitted): IGNORED,
    (N.PENDING, WaitExpired): IGNORED,
    **{(N.QUEUED, record): target for record, target in _BODY.items()},
    (N.QUEUED, WaitOpened): N.WAITING,
    (N.QUEUED, RetryDue): IGNORED,
    **{(N.RUNNING, record): target for record, target in _BODY.items() if record is not TaskStarted},
    **{(N.RETRYING, record): target for record, target in _BODY.items()},
    (N.RETRYING, RetryDue): N.QUEUED,
    (N.WAITING, ListenerFired): N.COMMITTING,
    (N.WAITING, WaitExpired): N.DONE,
    (N.WAITING, TaskFailed): N.FAILED,
    (N.COMMITTING, ListenerCommitted): N.DONE,
    (N.COMMITTING, TaskFailed): N.FAILED,
    (N.COMMITTING, WaitExpired): IGNORED,
    (N.GROWN, TaskSucceeded): N.DONE,
    (N.GROWN, TaskFailed): N.FAILED,
    # the deadline and the event may race in one commit: whoever is second changes nothing
    (N.DONE, WaitExpired): IGNORED,
    (N.DONE, ListenerFired): IGNORED,
    (N.DONE, ListenerCommitted): IGNORED,
    (N.DONE, TaskFailed): IGNORED,
    (N.FAILED, WaitExpired): IGNORED,
    (N.FAILED, ListenerFired): IGNORED,
    (N.FAILED, ListenerCommitted): IGNORED,
    **{(N.CANCELED, record): IGNORED for record in NODE_RECORDS},
    # only calls of a driver are stopped and started again by themselves
    **{(status, CallAgain): N.QUEUED if status in _OVER else IGNORED for status in N},
    **{(status, CallStopped): IGNORED if status in _SEALED else N.CANCELED for status in N},
    **{(N.SKIPPED, record): IGNORED for record in NODE_RECORDS},
}

RUN_RECORDS: tuple[type[Record], ...] = (
    RunCreated,
    RunOpened,
    GraphCommitted,
    NodesReset,
    NodesRecoded,
    RunStarted,
    RunSucceeded,
    RunFailed,
    RunCanceled,
    RunDetached,
    RunForked,
)

RUN_TRANSITIONS: dict[tuple[WorkflowStatus | None, type[Record]], WorkflowStatus | None] = {
    (None, RunCreated): W.PENDING,
    **{(status, RunOpened): W.PENDING for status in W if status is not W.CANCELED},
    (W.CANCELED, RunOpened): IGNORED,
    (W.PENDING, GraphCommitted): W.PENDING,
    (W.PENDING, NodesReset): W.PENDING,
    (W.PENDING, NodesRecoded): W.PENDING,
    (W.PENDING, RunStarted): W.RUNNING,
    # the turn of a run may come in the same commit as its cancellation
    (W.CANCELED, RunStarted): IGNORED,
    (W.RUNNING, RunSucceeded): W.SUCCESSFUL,
    (W.RESUMABLE, RunSucceeded): W.SUCCESSFUL,
    (W.CANCELED, RunSucceeded): IGNORED,
    (W.RUNNING, RunFailed): W.FAILED,
    (W.RESUMABLE, RunFailed): W.FAILED,
    (W.FAILED, RunFailed): IGNORED,
    (W.CANCELED, RunFailed): IGNORED,
    **{(status, RunCanceled): W.CANCELED for status in (W.PENDING, W.RUNNING, W.RESUMABLE, W.FAILED)},
    (W.SUCCESSFUL, RunCanceled): IGNORED,
    (W.CANCELED, RunCanceled): IGNORED,
    (W.PENDING, RunDetached): W.RESUMABLE,
    (W.RUNNING, RunDetached): W.RESUMABLE,
    # a history that another run shares
    **{(status, RunForked): W.RESUMABLE for status in W},
    **{(status, RunDetached): IGNORED for status in (W.RESUMABLE, W.SUCCESSFUL, W.FAILED, W.CANCELED)},
}
