"""What a flow knows: its tasks, their executions, and what came of each event that its rules have looked at.

An event and what the rules made of it are one record, so no rule fires twice for one event and none is missed. An
execution of a task is decided here and is a call of the run's driver, ``<task>#<number>``; a crash between the two
leaves an execution without a call, which the driver then makes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..errors import InvalidTransition
from .cheap import cheap
from .commands import Command
from .executions import KEEP, Execution, TaskState, TaskStatus
from .graph import Json, NodeKind
from .records import NodeRecord, Record

if TYPE_CHECKING:
    from .state import RunState

BEGIN, RESUME, RUN, STREAM, STATUS, TIME, HELD = "begin", "resume", "run", "stream", "status", "time", "held"
"""Where an event comes from: the start of the flow, its resumption, the run's inbox, a stream, the end of an
execution, a schedule, and an event that a broken rule has kept."""


@cheap
class FlowDefined(NodeRecord):
    """The flow was given its tasks and rules. ``offsets`` says where in each stream it begins to read."""

    tag = "flow"
    node: int
    tasks: list[Any]
    offsets: Json
    at: float


@cheap
class RulesEvaluated(NodeRecord):
    """The rules of a flow looked at one event, and this is what came of it.

    ``event`` has ``src`` and ``key``, and by its source an ``id``, an ``off``, a ``task`` with its ``seq`` and
    ``status``, or a ``due`` time. ``verdicts`` are [rule, word, detail], ``actions`` [word, task, number, detail],
    ``states`` what conditions remember from now on, by rule.
    """

    tag = "rules"
    node: int
    event: Json
    verdicts: list[Any]
    actions: list[Any]
    states: Json
    at: float


class FlowState:
    """Everything that a flow has decided so far. Read it anywhere; only records change it."""

    def __init__(self) -> None:
        self.tasks: dict[str, TaskState] = {}
        self.offsets: dict[str, int] = {}
        self.times: dict[str, float] = {}
        self.states: dict[str, Json] = {}
        self.fired: dict[str, int] = {}
        self.held: dict[str, list[Json]] = {}
        """Events that a rule could not look at, since its condition raised: for when it is mended."""
        self.evaluations = 0
        self.began = 0.0
        self.finish: Json | None = None
        """The event that a FINISH rule took: the flow ends as soon as nothing runs."""
        self.recent: deque[RulesEvaluated] = deque(maxlen=KEEP)

    def executions(self) -> Iterator[Execution]:
        """Yield the executions that are remembered, those of one task in order."""
        for task in self.tasks.values():
            yield from task.executions.values()

    def live(self) -> list[Execution]:
        """Return the executions that are not over."""
        return [each for each in self.executions() if not each.status.ended]

    def knows(self, event: Json) -> bool:
        """Tell whether the rules have looked at an event already; one of the inbox is known by being taken from it."""
        source = event["src"]
        if source == STREAM:
            return bool(event["off"] < self.offsets.get(event["ns"], 0))
        if source == TIME:
            return bool(event["due"] <= self.times.get(event["task"], 0.0))
        if source == STATUS:
            execution = self.tasks[event["task"]].executions.get(event["seq"])
            return execution is None or execution.status.ended or (event["status"] == "RUNNING" and execution.told)
        if source == HELD:
            return not any(each["id"] == event["id"] for each in self.held.get(event["rule"], ()))
        return False


def flow_of(state: RunState) -> FlowState | None:
    """Return what the flow of a run knows; None when the run is no flow, or has not begun."""
    part = state.parts.get(state.driver)
    return part if isinstance(part, FlowState) else None


# ---- the records ----


def defined(state: RunState, record: FlowDefined, _: list[Command]) -> None:
    """Take the tasks of a flow in; one that is known keeps what it has done."""
    flow = _flow(state, record)
    flow.began = flow.began or record.at
    for rule in _changed(flow, record):
        flow.states.pop(rule, None)
        flow.fired.pop(rule, None)
    for task in flow.tasks.values():
        task.gone = True
    for spec in record.tasks:
        known = flow.tasks.setdefault(spec["name"], TaskState(spec))
        known.spec, known.gone = spec, False
    _stop_all([each for each in flow.live() if flow.tasks[each.task].gone])
    for namespace, offset in record.offsets.items():
        flow.offsets.setdefault(namespace, offset)


def _changed(flow: FlowState, record: FlowDefined) -> list[str]:
    """Return the rules that say something else now: what another condition remembered is not theirs."""
    before = {rule["id"]: rule["says"] for task in flow.tasks.values() for rule in task.spec["rules"]}
    now = {rule["id"]: rule["says"] for spec in record.tasks for rule in spec["rules"]}
    return [rule for rule, says in before.items() if now.get(rule) != says]


def evaluated(state: RunState, record: RulesEvaluated, _: list[Command]) -> None:
    """Take an event away and do what the rules said; an event that was looked at before changes nothing."""
    flow, event = _flow(state, record), record.event
    source = event["src"]
    if source == RUN and state.inbox.take_id(event["id"]) is None:
        return
    if flow.knows(event):
        return
    _pass_on(flow, record)
    flow.evaluations += 1
    flow.recent.append(record)
    for rule, states in record.states.items():
        if states:
            flow.states[rule] = states
        else:
            flow.states.pop(rule, None)
    for rule, word, _detail in record.verdicts:
        if word == "fired":
            flow.fired[rule] = flow.fired.get(rule, 0) + 1
        elif word == "broken":
            flow.held.setdefault(rule, []).append({**event, "rule": rule})
    for name in {_task_of(rule) for rule, *_ in record.verdicts} | {task for _, task, *_ in record.actions}:
        if name in flow.tasks:
            flow.tasks[name].looks.append(record)
    for word, name, seq, *_ in record.actions:
        _ACTIONS[word](flow, name, seq, record)


def _pass_on(flow: FlowState, record: RulesEvaluated) -> None:
    """Remember that an event was looked at."""
    event = record.event
    source = event["src"]
    if source == STREAM:
        flow.offsets[event["ns"]] = event["off"] + 1
    elif source == TIME:
        flow.times[event["task"]] = event["due"]
    elif source == STATUS:
        _tell(flow, record)
    elif source == HELD:
        kept = [each for each in flow.held.get(event["rule"], ()) if each["id"] != event["id"]]
        flow.held[event["rule"]] = kept


def _tell(flow: FlowState, record: RulesEvaluated) -> None:
    event = record.event
    task = flow.tasks[event["task"]]
    execution = task.executions[event["seq"]]
    execution.told = True
    status = TaskStatus(event["status"])
    if status.ended:
        execution.status, execution.ended = status, event.get("ended") or record.at
        if status is TaskStatus.FAILED and any(word == "fired" for _, word, _ in record.verdicts):
            task.handled = execution.seq


def _start(flow: FlowState, name: str, seq: int, record: RulesEvaluated) -> None:
    task = flow.tasks[name]
    task.seq, task.begun = seq, True
    task.executions[seq] = Execution(name, seq, record.event, record.at)
    for old in [each for each in task.executions.values() if each.status.ended][: max(0, len(task.executions) - KEEP)]:
        del task.executions[old.seq]


def _stop(flow: FlowState, name: str, seq: int, _: RulesEvaluated) -> None:
    execution = flow.tasks[name].executions[seq]
    if execution.status is TaskStatus.RUNNING:
        execution.status = TaskStatus.STOPPING


def _again(flow: FlowState, name: str, seq: int, record: RulesEvaluated) -> None:
    execution = flow.tasks[name].executions[seq]
    execution.status, execution.ended = TaskStatus.RUNNING, 0.0


def _finish(flow: FlowState, name: str, seq: int, record: RulesEvaluated) -> None:
    flow.finish = record.event
    _stop_all(flow.live())


def _stop_all(executions: list[Execution]) -> None:
    for execution in executions:
        if execution.status is TaskStatus.RUNNING:
            execution.status = TaskStatus.STOPPING


def _ignore(flow: FlowState, name: str, seq: int, record: RulesEvaluated) -> None:
    if record.event["src"] == BEGIN and name in flow.tasks:
        flow.tasks[name].begun = True


_ACTIONS: dict[str, Callable[[FlowState, str, int, RulesEvaluated], None]] = {
    "start": _start,
    "stop": _stop,
    "again": _again,
    "finish": _finish,
    "ignore": _ignore,
}


def _task_of(rule: str) -> str:
    """Return the task that a rule belongs to; the rules of the flow itself belong to ''."""
    return rule.rpartition("/")[0]


def _flow(state: RunState, record: FlowDefined | RulesEvaluated) -> FlowState:
    if not 0 <= record.node < len(state.nodes) or state.nodes[record.node].spec.kind is not NodeKind.DRIVER:
        raise InvalidTransition(f"run {state.workflow_id!r} has no driver {record.node}: {record}")
    flow = state.parts.setdefault(record.node, FlowState())
    if not isinstance(flow, FlowState):
        raise InvalidTransition(f"the driver {record.node} of run {state.workflow_id!r} is no flow: {record}")
    return flow


# ---- what is to be done ----


def announced(state: RunState, flow: FlowState) -> list[Json]:
    """Return the status events that the rules have not looked at yet, in the order in which things happened."""
    found = []
    for execution in flow.live():
        index = state.index.get(execution.call)
        node = state.nodes[index] if index is not None else None
        status, ended = _status_of(execution, node)
        if status is not None and not (status == "RUNNING" and execution.told):
            found.append((ended, status_event(execution, status, ended)))
    return [event for _, event in sorted(found, key=lambda pair: pair[0])]


def _status_of(execution: Execution, node: Any) -> tuple[str | None, float]:
    """Return the status that an execution has come to, and when; None while there is nothing to say."""
    if node is None:
        return ("STOPPED" if execution.status is TaskStatus.STOPPING else None), execution.at
    if node.status.finished:
        return "SUCCESS", node.ended
    if node.status == "failed":
        return "FAILED", node.ended
    if node.status == "canceled":
        return "STOPPED", node.ended
    return ("RUNNING" if execution.status is TaskStatus.RUNNING else None), execution.at


def status_event(execution: Execution, status: str, ended: float = 0.0) -> Json:
    """Return the event that an execution has come to a status."""
    return {
        "src": STATUS, "key": f"[task_status].{execution.task}", "task": execution.task, "seq": execution.seq,
        "status": status, "ended": ended,
    }  # fmt: skip


HANDLERS: dict[type[Record], Callable[[Any, Any, list[Command]], None]] = {
    FlowDefined: defined,
    RulesEvaluated: evaluated,
}
RECORDS: dict[str, type[Record]] = {cls.tag: cls for cls in (FlowDefined, RulesEvaluated)}
