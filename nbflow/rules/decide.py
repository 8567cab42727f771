"""What the rules of a flow make of one event: pure, so that a test can play any history.

Rules of one task are tried in the order of their declaration, and the first that is met acts. What a condition
remembers changes only with the record that says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..core.executions import TaskState, TaskStatus
from ..core.graph import Json
from ..core.rules import BEGIN, HELD, RESUME, STATUS, TIME, FlowState
from .actions import FINISH, TaskAction
from .conditions import listens
from .context import Context
from .definition import FlowDefinition, Rule
from .notification import Event

ORDERS = {f"nbflow.{action.lower()}_task": action for action in TaskAction}
"""The keys of events by which a person starts, stops or restarts a task; their value is the task's name."""


@dataclass(frozen=True, slots=True)
class Heard(Event):
    """An event as rules hear it: ``scopes`` it belongs to, or the ``status`` that ``task`` has come to."""

    scopes: tuple[str, ...] = ()
    status: TaskStatus | None = None

    def plain(self) -> Event:
        """Return the event as a task gets it."""
        return Event(*(getattr(self, name) for name in Event.__dataclass_fields__))


@dataclass(slots=True)
class Verdict:
    """What came of one event: see ``RulesEvaluated``. ``states`` are values as conditions gave them."""

    verdicts: list[list[Any]] = field(default_factory=list)
    actions: list[list[Any]] = field(default_factory=list)
    states: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def starts(self) -> bool:
        """True when an execution is started, which needs its cause."""
        return any(word == "start" for word, *_ in self.actions)

    @property
    def broke(self) -> bool:
        """True when a rule could not look at the event, which is kept for it."""
        return any(word == "broken" for _, word, _ in self.verdicts)


class Decider:
    """Decides what one event does. ``remember`` gives what the conditions of a rule remember."""

    def __init__(self, flow: FlowDefinition, known: FlowState, remember: Callable[[str], dict[str, Any]]) -> None:
        self.flow = flow
        self.known = known
        self.remember = remember
        self.statuses = {name: self._task(name).status for name in flow.tasks}

    def _task(self, name: str) -> TaskState:
        return self.known.tasks.get(name) or TaskState({"name": name})

    # ---- one event ----

    def decide(self, event: Json, heard: Heard) -> Verdict:
        """Return what an event does; user's conditions are called here."""
        found = Verdict()
        source = event["src"]
        if source == BEGIN:
            self._begin(event, found)
        elif source == RESUME:
            found.actions = [["again", name, seq, "the run goes on"] for name, seq in event["tasks"]]
        elif heard.key in ORDERS:
            self._order(ORDERS[heard.key], heard.value, found)
        elif source == TIME and event.get("skipped"):
            found.actions.append(["ignore", event["task"], 0, "it passed while nobody ran the flow"])
        elif source == TIME:
            self._act(TaskAction.START, event["task"], event["key"], found)
        elif source == HELD:
            rules = [rule for rule in self.flow.all_rules() if rule.id == event["rule"]]
            self._try(rules, heard, found)
        elif self._counts(event):
            self._listen(heard, found)
        return found

    def listening(self, heard: Heard) -> bool:
        """Tell whether any rule listens to an event."""
        return any(listens(rule.condition, heard) for rule in self.flow.all_rules())

    def _counts(self, event: Json) -> bool:
        """A word about an execution that is not the latest one any more is no news of its task."""
        if event["src"] != STATUS:
            return True
        status = TaskStatus(event["status"])
        if self._task(event["task"]).seq != event["seq"]:
            return False
        self.statuses[event["task"]] = status
        return True

    def _begin(self, event: Json, found: Verdict) -> None:
        for name in event["tasks"]:
            operator = self.flow.tasks[name]
            if operator.starts_at_once or self._holds_already(name):
                self._start(name, "the flow began", found)
            else:
                found.actions.append(["ignore", name, 0, "it waits for a rule"])

    def _holds_already(self, name: str) -> bool:
        """Tell whether a task that a flow got later on should have been started by what is done already."""
        context = Context(statuses=self.statuses)
        for rule in self.flow.tasks[name].rules:
            condition = rule.condition
            waits = rule.action is TaskAction.START and condition.statuses() and not condition.ears()
            if waits and condition.is_met(None, context):
                return True
        return False

    # ---- rules ----

    def _listen(self, heard: Heard, found: Verdict) -> None:
        by_task: dict[str, list[Rule]] = {}
        for rule in self.flow.all_rules():
            if listens(rule.condition, heard):
                by_task.setdefault(rule.task, []).append(rule)
        for rules in by_task.values():
            self._try(rules, heard, found)

    def _try(self, rules: list[Rule], heard: Heard, found: Verdict) -> None:
        """Ask the rules of one task in order, up to the first that is met."""
        winner: Rule | None = None
        for rule in rules:
            if winner is not None:
                found.verdicts.append([rule.id, "passed over", f"{winner.id} acted"])
            elif rule.once and self.known.fired.get(rule.id):
                found.verdicts.append([rule.id, "spent", "it acts once"])
            elif self._met(rule, heard, found):
                winner = rule
                self._act(rule.action, rule.task, rule.id, found)

    def _met(self, rule: Rule, heard: Heard, found: Verdict) -> bool:
        before = self.remember(rule.id)
        values = dict(before)
        context = Context(values, self.statuses)
        try:
            met = bool(rule.condition.is_met(heard, context))
            missing = "" if met else " and ".join(rule.condition.missing(context))
        except Exception as error:
            found.verdicts.append([rule.id, "broken", f"{type(error).__name__}: {error}"])
            return False
        if values != before:
            found.states[rule.id] = values
        found.verdicts.append([rule.id, "fired" if met else "not met", missing])
        return met

    # ---- actions ----

    def _order(self, action: TaskAction, name: Any, found: Verdict) -> None:
        if name in self.flow.tasks:
            self._act(action, name, "by hand", found)
        else:
            found.actions.append(["ignore", str(name), 0, "there is no such task"])

    def _act(self, action: str, name: str, why: str, found: Verdict) -> None:
        if action == FINISH:
            found.actions.append(["finish", "", 0, why])
            return
        if name not in self.flow.tasks:
            found.actions.append(["ignore", name, 0, "there is no such task"])
            return
        task = self._task(name)
        if action is TaskAction.START and task.alive and not self.flow.tasks[name].overlap:
            found.actions.append(["ignore", name, task.seq, f"{name}#{task.seq} is under way"])
            return
        if action is TaskAction.STOP and not task.alive:
            found.actions.append(["ignore", name, task.seq, "nothing of it is under way"])
            return
        if action is not TaskAction.START:
            found.actions += [
                ["stop", name, each.seq, why] for each in task.executions.values() if each.status is TaskStatus.RUNNING
            ]
        if action is not TaskAction.STOP:
            self._start(name, why, found)

    def _start(self, name: str, why: str, found: Verdict) -> None:
        seq, limit = self._task(name).seq + 1, self.flow.max_rounds
        if self.known.finish is not None:
            found.actions.append(["ignore", name, seq - 1, "the flow is finishing"])
        elif limit is not None and seq > limit:
            found.actions.append(["ignore", name, seq - 1, f"max_rounds={limit} are over"])
        else:
            found.actions.append(["start", name, seq, why])


# ---- when a run is over ----


def outlook(flow: FlowDefinition, known: FlowState) -> tuple[str, list[str]]:
    """Return what a flow with nothing under way comes to, and the tasks by which it does.

    "failed": the latest execution of these tasks failed, and no rule took care of it; "waits": these can still be
    started, by an event, a schedule or another task that waits; "done": nothing can happen any more but from outside.
    """
    broken = [name for name in flow.tasks if name in known.tasks and known.tasks[name].broken]
    if broken:
        return "failed", broken
    if known.finish is not None:
        return "done", []
    waiting = [] if not flow.stay_open else list(flow.tasks)
    return ("waits", waiting) if waiting else _waiting(flow, known)


def _waiting(flow: FlowDefinition, known: FlowState) -> tuple[str, list[str]]:
    open_tasks: set[str] = set()
    for name, operator in flow.tasks.items():
        task = known.tasks.get(name)
        used = task.seq if task is not None else 0
        if flow.max_rounds is not None and used >= flow.max_rounds:
            continue
        heard = any(rule.action is not TaskAction.STOP and rule.condition.ears() for rule in operator.rules)
        if operator.schedule is not None or (not used and heard):
            open_tasks.add(name)
    while True:
        more = {
            name
            for name, operator in flow.tasks.items()
            if name not in open_tasks and not (known.tasks[name].seq if name in known.tasks else 0)
            and any(
                rule.action is not TaskAction.STOP and set(rule.condition.statuses()) & open_tasks
                for rule in operator.rules
            )
        }  # fmt: skip
        if not more:
            return ("waits", sorted(open_tasks)) if open_tasks else ("done", [])
        open_tasks |= more
