"""What a flow is: tasks by name, and the rules that start, stop and restart them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from ..core.executions import TaskStatus
from ..core.graph import Json
from ..errors import GraphError
from .actions import FINISH, TaskAction
from .conditions import Condition, MeetAny, SingleEvent, TaskStatusMet, condition_of, name_of

if TYPE_CHECKING:
    from .operators import Operator, PythonOperator

_open: ContextVar[tuple[FlowDefinition, ...]] = ContextVar("nbflow_flows", default=())
"""The flows whose ``with`` blocks we stand in, the innermost one last."""


@dataclass(frozen=True)
class Rule:
    """When its condition is met, its action happens to its task. ``id`` is "<task>/<number>"."""

    id: str
    task: str
    action: str
    condition: Condition
    once: bool = False

    @property
    def says(self) -> str:
        """The rule in words."""
        return f"{self.action} on {self.condition}" + (", once" if self.once else "")

    def to_json(self) -> Json:
        """Return what the journal and the views know of it."""
        return {
            "id": self.id, "action": str(self.action), "says": self.says,
            "keys": [str(ear) for ear in self.condition.ears()],
            "after": {name: str(status) for name, status in self.condition.statuses().items()},
            "once": self.once,
        }  # fmt: skip


class FlowDefinition:
    """The tasks and rules of a flow: see ``Flow``, which can also run them."""

    driver = "flow"

    def __init__(
        self, name: str, namespace: str = "default", *, stay_open: bool = False, max_rounds: int | None = None,
        begin: Any = "now",
    ) -> None:  # fmt: skip
        if not isinstance(name, str) or not name or "/" in name:
            raise GraphError(f"A flow has a name without '/', not {name!r}.")
        if max_rounds is not None and (type(max_rounds) is not int or max_rounds < 1):
            raise GraphError(f"max_rounds of flow {name!r} is a whole number from 1, or None, not {max_rounds!r}.")
        self.name, self.namespace = name, namespace
        self.stay_open, self.max_rounds, self.begin = stay_open, max_rounds, begin
        self.tasks: dict[str, Operator] = {}
        self._finish: list[tuple[Condition, bool]] = []
        self._fresh: set[str] | None = None
        self._before: list[tuple[dict[str, Operator], set[str] | None]] = []
        self.notices: list[str] = []

    # ---- the with block ----

    def __enter__(self) -> Self:
        self._before.append((dict(self.tasks), self._fresh))
        self._fresh = set()
        _open.set((*_open.get(), self))
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        flows = _open.get()
        # not a reset of a token: a cell that was interrupted may leave in another context than it came
        _open.set(flows[: len(flows) - 1 - flows[::-1].index(self)] if self in flows else flows)
        tasks, self._fresh = self._before.pop()
        if kind is not None:
            self.tasks = tasks  # what a broken block has made is no part of the flow

    def add(self, operator: Operator) -> None:
        """Take a task in; in a ``with`` block that is run again it replaces the one of its name. Raises GraphError."""
        name = operator.name
        if name in self.tasks:
            if self._fresh is None or name in self._fresh:
                raise GraphError(f"Flow {self.name!r} has a task {name!r} already; give this one another name.")
            self.notices.append(f"Task {name!r} of flow {self.name!r} was replaced by the one that was defined now.")
        if self._fresh is not None:
            self._fresh.add(name)
        self.tasks[name] = operator

    def task(self, function: Callable[..., Any] | None = None, /, *, name: str = "", **options: Any) -> Any:
        """Make a function a task of this flow, also as a decorator with options: see ``PythonOperator``.

        >>> from nbflow.rules import Flow
        >>> flow = Flow("greetings")
        >>> @flow.task
        ... def greet():
        ...     return "hello"
        >>> greet.name, greet()
        ('greet', 'hello')
        """
        from .operators import PythonOperator

        def make(body: Callable[..., Any]) -> PythonOperator:
            return PythonOperator(name or getattr(body, "__name__", "task"), body, flow=self, **options)

        return make if function is None else make(function)

    # ---- the end ----

    def finish_on_event_received(
        self, event_key: str | Iterable[str], *, once: bool = False, sender: str | None = None, scope: str = "run"
    ) -> None:
        """Stop all tasks and end the run well when an event of a key comes. As ``action_on_event_received`` else.

        >>> from nbflow.rules import Flow
        >>> flow = Flow("serving", stay_open=True)
        >>> flow.finish_on_event_received("halt")
        >>> flow.rules()
        ["FINISH on 'halt'"]
        """
        self._finish.append((event_condition(event_key, sender, scope), once))

    def finish_on_condition(self, condition: Condition | str, *, once: bool = False) -> None:
        """Stop all tasks and end the run well when a condition is met."""
        self._finish.append((condition_of(condition), once))

    # ---- looking ----

    @property
    def functions(self) -> tuple[Any, ...]:
        """The user's functions, in the order of their tasks."""
        return tuple(found for task in self.tasks.values() for found in task.functions)

    def all_rules(self) -> list[Rule]:
        """Return the rules: those of the flow itself, then those of its tasks in the order of declaration."""
        own = [Rule(f"/{i}", "", FINISH, condition, once) for i, (condition, once) in enumerate(self._finish, 1)]
        return own + [rule for task in self.tasks.values() for rule in task.rules]

    def rules(self) -> list[str]:
        """Return the rules in words."""
        return [f"{rule.task}: {rule.says}" if rule.task else rule.says for rule in self.all_rules()]

    def check(self) -> None:
        """Raise GraphError for a flow without tasks, and for a rule on a task that the flow does not have."""
        if not self.tasks:
            raise GraphError(f"Flow {self.name!r} has no task; make some inside 'with Flow(...) as flow:'.")
        for rule in self.all_rules():
            for name in rule.condition.statuses():
                if name not in self.tasks:
                    raise GraphError(
                        f"The rule {rule.says!r} of task {rule.task!r} needs a task {name!r}, which flow {self.name!r} "
                        f"does not have; it has {', '.join(self.tasks)}."
                    )

    def to_json(self) -> list[Json]:
        """Return what the journal and the views know of the tasks; the rules of the flow itself stand at ''."""
        own = [rule.to_json() for rule in self.all_rules() if not rule.task]
        head = [{"name": "", "kind": "flow", "rules": own}] if own else []
        return head + [task.to_json() for task in self.tasks.values()]

    def __getitem__(self, name: str) -> Operator:
        return self.tasks[name]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_before": [], "_fresh": None, "notices": []}

    def __repr__(self) -> str:
        return f"<flow {self.name!r}: {', '.join(self.tasks) or 'no tasks'}>"


def current_flow(what: str) -> FlowDefinition:
    """Return the flow in whose ``with`` block we stand. Raises GraphError."""
    flows = _open.get()
    if not flows:
        raise GraphError(
            f"{what} stands outside of a flow: make it inside 'with Flow(\"name\") as flow:', or give it flow=flow."
        )
    return flows[-1]


def event_condition(event_key: str | Iterable[str], sender: str | None, scope: str) -> Condition:
    """Return the condition that any event of these keys meets."""
    keys = [event_key] if isinstance(event_key, str) else list(event_key)
    found = [SingleEvent(key, scope=scope, sender=sender) for key in keys]
    return found[0] if len(found) == 1 else MeetAny(found)


class Rules:
    """The rules of one task, as it declares them."""

    name: str
    rules: list[Rule]

    def action_on_event_received(
        self, action: TaskAction | str, event_key: str | Iterable[str], *, once: bool = False,
        sender: str | None = None, scope: str = "run",
    ) -> None:  # fmt: skip
        """Act on this task when an event of a key (a glob; or of any of several) comes.

        ``scope`` says whose events: "run" (default) those that were sent to this run by ``run.send`` or by its tasks,
        "flow" those that tasks of any run of this flow sent, "namespace" all of the flow's namespace. ``sender`` (a
        glob) lets only some senders count; with ``once`` the rule acts at most once in a run.

        Of the rules of one task that listen to an event, the first one that is met acts.
        """
        self.action_on_condition(action, event_condition(event_key, sender, scope), once=once)

    def action_on_condition(self, action: TaskAction | str, condition: Condition | str, *, once: bool = False) -> None:
        """Act on this task when a condition is met: ``MeetAll``, ``MeetAny``, ``Count`` or one of your own."""
        rule = Rule(f"{self.name}/{len(self.rules) + 1}", self.name, _action(action), condition_of(condition), once)
        self.rules.append(rule)

    def action_on_task_status(
        self, action: TaskAction | str, statuses: Mapping[Any, TaskStatus | str], *, once: bool = False
    ) -> None:
        """Act on this task when other tasks, given by operator or name, have come to these states all at once."""
        self.action_on_condition(action, TaskStatusMet(statuses), once=once)

    def start_after(self, tasks: Any) -> None:
        """Start this task when the latest executions of one or several others are SUCCESS.

        When one of them fails and no rule takes care of that, the run ends FAILED, and goes on with it when resumed.
        """
        several = [tasks] if isinstance(tasks, str) or hasattr(tasks, "name") else list(tasks)
        self.action_on_task_status(TaskAction.START, {name_of(task): TaskStatus.SUCCESS for task in several})


def _action(action: TaskAction | str) -> TaskAction:
    try:
        return TaskAction(action)
    except ValueError:
        raise GraphError(f"An action is START, STOP or RESTART, not {action!r}.") from None
