"""What a view shows of a flow: tasks with their executions, rules as edges, what they made of each event, and why.

Everything comes from the records, so another process, or a run that is over, shows the same.
"""

from __future__ import annotations

from typing import Any

from ..core.executions import Execution, TaskState
from ..core.graph import Json
from ..core.rules import BEGIN, RESUME, STATUS, TIME, FlowState, RulesEvaluated, flow_of
from ..core.state import RunState
from ..core.status import NodeStatus
from . import words

TAIL = 50
"""Events that the table of a flow shows."""
UPSTREAM_FAILED = "UPSTREAM_FAILED"
"""Shown of a task that has never run and waits for one that failed."""

_LIVE = {NodeStatus.QUEUED: "QUEUED", NodeStatus.RETRYING: "RETRYING", NodeStatus.PENDING: "QUEUED"}


def flow_view(state: RunState) -> Json | None:
    """Return all that a view shows of a run's flow, as JSON; None when the run is no flow.

    ``tasks`` are in the order of the flow, each with ``status``, ``executions`` (oldest first) and ``rules``; ``edges``
    go from a task to a task: solid ones after a ``status``, dashed ones on an event's ``key``, whose ``from`` is the
    task that was seen to send it, or "". ``evaluations`` and ``events`` are the latest, newest first. Times are UTC
    seconds.
    """
    flow = flow_of(state)
    if flow is None:
        return None
    tasks = [task for task in flow.tasks.values() if task.name and not task.gone]
    senders = _senders(state, flow)
    return {
        "name": state.name,
        "finishing": flow.finish is not None,
        "tasks": [_task(state, flow, task) for task in tasks],
        "ends": [_rule(flow, rule) for rule in flow.tasks[""].spec["rules"]] if "" in flow.tasks else [],
        "edges": [edge for task in tasks for rule in task.spec["rules"] for edge in _edges(task.name, rule, senders)],
        "evaluations": [_evaluation(record) for record in reversed(flow.recent)],
        "events": [
            _event(record) for record in reversed(flow.recent) if record.event["src"] in ("run", "stream", TIME)
        ],
    }


def status_of(state: RunState, flow: FlowState, task: TaskState) -> str:
    """Return the status of a task as it is shown, finer than what rules see."""
    if not task.seq:
        wanted = [name for rule in task.spec["rules"] for name, status in rule["after"].items() if status == "SUCCESS"]
        broken = any(name in flow.tasks and flow.tasks[name].broken for name in wanted)
        return UPSTREAM_FAILED if broken else "INIT"
    return _shown(state, task.executions[task.seq])


def _shown(state: RunState, execution: Execution) -> str:
    index = state.index.get(execution.call)
    if execution.status != "RUNNING":
        return str(execution.status)
    return "QUEUED" if index is None else _LIVE.get(state.nodes[index].status, "RUNNING")


def _task(state: RunState, flow: FlowState, task: TaskState) -> Json:
    return {
        "name": task.name,
        "kind": task.spec["kind"],
        "status": status_of(state, flow, task),
        "seq": task.seq,
        "schedule": task.spec.get("schedule", ""),
        "executions": [_execution(state, each) for each in task.executions.values()],
        "rules": [_rule(flow, rule) for rule in task.spec["rules"]],
    }


def _execution(state: RunState, execution: Execution) -> Json:
    index = state.index.get(execution.call)
    node = state.nodes[index] if index is not None else None
    return {
        "node": execution.call, "seq": execution.seq, "status": _shown(state, execution), "started": execution.at,
        "ended": execution.ended, "cause": _named(execution.cause), "attempt": node.attempt if node is not None else 0,
        "index": -1 if index is None else index,
    }  # fmt: skip


def _rule(flow: FlowState, rule: Json) -> Json:
    held = len(flow.held.get(rule["id"], ()))
    return {**rule, "fired": flow.fired.get(rule["id"], 0), "held": held, "missing": _missing(flow, rule)}


def _missing(flow: FlowState, rule: Json) -> str:
    """Return what a rule still waits for, as its latest look said."""
    for record in reversed(flow.recent):
        for name, word, detail in record.verdicts:
            if name == rule["id"] and word == "not met":
                return str(detail)
            if name == rule["id"] and word == "fired":
                return ""
    return ""


def _senders(state: RunState, flow: FlowState) -> dict[str, str]:
    """Return the task that was seen to send each key."""
    found: dict[str, str] = {}
    for record in flow.recent:
        run, _, task = str(record.event.get("by", "")).rpartition("/")
        name = task.partition("#")[0]
        if run == state.workflow_id and name in flow.tasks:
            found[record.event["key"]] = name
    return found


def _edges(task: str, rule: Json, senders: dict[str, str]) -> list[Json]:
    base = {"to": task, "action": rule["action"], "rule": rule["id"]}
    after = [{**base, "from": name, "status": status, "key": ""} for name, status in rule["after"].items()]
    return after + [{**base, "from": senders.get(key.strip("'"), ""), "status": "", "key": key} for key in rule["keys"]]


def _evaluation(record: RulesEvaluated) -> Json:
    return {"at": record.at, "event": _event(record), "verdicts": record.verdicts, "actions": record.actions}


def _event(record: RulesEvaluated) -> Json:
    event = record.event
    value = (event.get("v") or {}).get("pv") or event.get("pv", "")
    done = [f"nothing: {action[3]}" if action[0] == "ignore" else _did(*action[:3]) for action in record.actions]
    return {
        "at": record.at, "key": event["key"], "what": _named(event), "source": event["src"],
        "offset": event.get("off", 0), "by": event.get("by", ""), "value": words.one_line(str(value)),
        "did": ", ".join(done),
    }  # fmt: skip


def _did(word: str, task: str, seq: int) -> str:
    return {"start": "started", "stop": "stopped", "again": "started again", "finish": "ended the flow"}[word] + (
        f" {task}#{seq}" if seq else ""
    )


def _named(event: Json) -> str:
    """Return an event in a few words."""
    source = event.get("was", event["src"])
    if source == BEGIN:
        return "the flow began"
    if source == RESUME:
        return "the run was resumed"
    if source == STATUS:
        return f"{event['task']}#{event['seq']} came to {event['status']}"
    if source == TIME:
        return f"the schedule of {event['task']}"
    if event["key"].startswith("nbflow."):
        return "a person"
    offset = f" (offset {event['off']})" if "off" in event else ""
    return f"event {event['key']!r}" + (f" from {event['by']}" if event.get("by") else "") + offset


# ---- why ----


def why(state: RunState, task: str) -> list[str]:
    """Return why a task has started, or has not: its executions, its rules, and what they made of the latest events.

    Raises ValueError for a run that is no flow, and for an unknown task.
    """
    flow = flow_of(state)
    if flow is None:
        raise ValueError(f"Run {state.workflow_id!r} is no flow, so no rules start its tasks; see run.story(node).")
    found = flow.tasks.get(task)
    if found is None or not task:
        names = ", ".join(name for name in flow.tasks if name)
        raise ValueError(f"Run {state.workflow_id!r} has no task {task!r}; it has {names}.")
    return [_state_line(state, flow, found), *_rule_lines(flow, found), *_look_lines(found)]


def _state_line(state: RunState, flow: FlowState, task: TaskState) -> str:
    status = status_of(state, flow, task)
    if not task.seq:
        failed = "; a task that it waits for has failed" if status == UPSTREAM_FAILED else ""
        return f"{task.name} has never started{failed}"
    times = "once" if task.seq == 1 else f"{task.seq} times"
    cause = _named(task.executions[task.seq].cause)
    return f"{task.name} was started {times}; {task.name}#{task.seq} was started by {cause} and is {status}"


def _rule_lines(flow: FlowState, task: TaskState) -> list[str]:
    lines = [] if task.spec["rules"] else ["it has no rules"]
    if task.spec.get("schedule"):
        lines.append(f"it is due {task.spec['schedule']}")
    for rule in task.spec["rules"]:
        times = flow.fired.get(rule["id"], 0)
        acted = "has not acted" if not times else "has acted once" if times == 1 else f"has acted {times} times"
        missing = _missing(flow, rule)
        held = flow.held.get(rule["id"])
        waits = f"; waits for {missing}" if missing else ""
        broken = f"; it is broken and keeps {len(held)} event{'s' if len(held) > 1 else ''}" if held else ""
        if not times and not missing and not held:
            waits = "; nothing that it listens to has come"
        lines.append(f"rule {rule['id']}: {rule['says']}: {acted}{waits}{broken}")
    return lines


def _look_lines(task: TaskState) -> list[str]:
    lines = []
    for record in list(task.looks)[-10:]:
        said = [f"{rule} {word}" + (f": {detail}" if detail else "") for rule, word, detail in _mine(task, record)]
        done = [
            f"not started: {detail}" if word == "ignore" else _did(word, name, seq)
            for word, name, seq, detail in record.actions
            if name == task.name
        ]
        lines.append(f"{_named(record.event)}: {'; '.join([*said, *done]) or 'nothing to do'}")
    return lines


def _mine(task: TaskState, record: RulesEvaluated) -> list[list[Any]]:
    return [verdict for verdict in record.verdicts if verdict[0].rpartition("/")[0] == task.name]


__all__ = ["UPSTREAM_FAILED", "flow_view", "status_of", "why"]
