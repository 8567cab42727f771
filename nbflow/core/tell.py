"""One line of plain words for each record, without the values that it carries."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from . import machine
from . import records as r
from .caching import origin
from .condensing import Condensed
from .graph import TOP, Json
from .rules import FlowDefined, RulesEvaluated

RECENT = 100
"""Records that a state remembers, to be told when one comes that cannot happen."""

_SENTENCES: dict[type[r.Record], Callable[[Any], str]] = {
    r.RunCreated: lambda x: f"run {x.workflow_id!r} was accepted",
    r.RunOpened: lambda x: "a process took the run",
    r.CodeAdded: lambda x: f"the code of {x.code.name!r} became known",
    r.NodesAdded: lambda x: f"{_nodes(len(x.specs))} laid ready" + ("" if x.owner == TOP else f" for node {x.owner}"),
    r.GraphCommitted: lambda x: "the graph was set",
    r.RunStarted: lambda x: "the run got its turn",
    r.NodesReset: lambda x: f"{_nodes(len(x.nodes))} put back to run again",
    r.NodesRecoded: lambda x: f"{_nodes(len(x.nodes))} given other code",
    r.RunForked: lambda x: _forked(x),
    r.TaskStarted: lambda x: f"attempt {x.attempt} began",
    r.TaskSucceeded: lambda x: _succeeded(x),
    r.TaskGrew: lambda x: f"attempt {x.attempt} returned a continuation",
    r.TaskAttemptFailed: lambda x: f"attempt {x.attempt} failed{_cause(x.error)}; another follows",
    r.RetryDue: lambda x: f"attempt {x.attempt} is due",
    r.TaskFailed: lambda x: f"failed for good in attempt {x.attempt}{_cause(x.error)}",
    r.WaitOpened: lambda x: f"wait {x.token} opened" + (f" for {x.key!r}" if x.key else ""),
    r.Notified: lambda x: _told(x),
    r.EventReceived: lambda x: f"event {x.event_id!r} for {x.key!r} came in" + (f" from {x.by}" if x.by else ""),
    r.ListenerFired: lambda x: f"the listener of wait {x.token} brought an event",
    r.ListenerCommitted: lambda x: "the source of the event was told",
    r.WaitExpired: lambda x: f"wait {x.token} " + (f"ended: {x.why}" if x.why else "passed its deadline"),
    r.NodesCalled: lambda x: f"node {x.node} called what lay ready for it",
    r.CallAgain: lambda x: "it was started again",
    r.CallStopped: lambda x: "it was stopped" + (f" by {x.by}" if x.by else ""),
    r.CallsForgotten: lambda x: f"{_nodes(len(x.calls))} left to the history",
    FlowDefined: lambda x: f"the flow was given {_count(len(x.tasks), 'task')}",
    RulesEvaluated: lambda x: _evaluated(x),
    **machine.SENTENCES,
    Condensed: lambda x: f"what came before was condensed: {x.what}",
    r.RunSucceeded: lambda x: "the run succeeded",
    r.RunFailed: lambda x: f"the run failed at node {x.node}",
    r.RunCanceled: lambda x: "the run was canceled" + (f" by {x.by}" if x.by else ""),
    r.RunDetached: lambda x: "the run was let go" + (f": {x.why}" if x.why else ""),
}


def tell(record: r.Record) -> str:
    """Return what a record says, in words."""
    return _SENTENCES[type(record)](record)


def lately(recent: Iterable[r.Record], index: int) -> str:
    """Return the last things that happened to a node, as far as they are remembered."""
    told = [tell(record) for record in recent if isinstance(record, r.NodeRecord) and record.node == index]
    return ", ".join(told[-10:]) or "nothing"


def moment(record: r.Record) -> float | None:
    """Return the UTC seconds of a record, None when it has none."""
    at = getattr(record, "at", 0.0) or getattr(record, "ended", 0.0) or getattr(record, "started", 0.0)
    return at or None


def _nodes(count: int) -> str:
    return "1 node was" if count == 1 else f"{count} nodes were"


def _evaluated(x: RulesEvaluated) -> str:
    done = [f"{word} {task}#{seq}" if seq else f"{word} {task}".strip() for word, task, seq, *_ in x.actions]
    return f"the rules looked at {x.event['key']!r}: {', '.join(done) or 'nothing to do'}"


def _count(number: int, what: str) -> str:
    return f"1 {what}" if number == 1 else f"{number} {what}s"


def _forked(x: r.RunForked) -> str:
    return f"run {x.workflow_id!r} was forked from {x.source!r}" + (f" after {x.after!r}" if x.after else "")


def _succeeded(record: r.TaskSucceeded) -> str:
    if record.caught:
        return "a failure was caught and became the value"
    if run := origin(record.value):
        return f"the cache had its result, which run {run!r} made"
    return f"attempt {record.attempt} succeeded" + ("" if record.value is not None else ", its value in memory only")


def _told(record: r.Notified) -> str:
    who = f"notification {record.target + 1} of wait {record.token}"
    return f"{who} could not be sent: {record.trouble}" if record.trouble else f"{who} was sent"


def _cause(error: Json) -> str:
    kind, message = error.get("type"), error.get("message")
    return f" with {kind}: {message}" if kind else ""
