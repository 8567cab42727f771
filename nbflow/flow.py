"""The flow in the user's hands: tasks, the rules that act on them, and the runs of them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from html import escape
from typing import Any

from . import api
from .core.executions import TaskStatus
from .dag.driven import driven
from .dag.node import Node
from .engine.flows.sources import beginning, listens_to_keys
from .engine.flows.tasks import task_of
from .handle import Run
from .home import default_host
from .rules.actions import TaskAction
from .rules.definition import FlowDefinition
from .rules.operators import RunOperator

__all__ = ["Flow", "TaskStatus"]


class Flow(FlowDefinition):
    """Tasks and the rules that start, stop and restart them when events come, other tasks end, or it is time.

    Operators that are made in its ``with`` block are its tasks. ``namespace`` is that of the events that its rules hear
    beside those sent to the run itself (scopes "flow" and "namespace"); ``begin`` is where a new run begins to read
    them: "now", "earliest", an offset or a datetime.

    A run ends when nothing is under way, every task has run or can never start, and no schedule goes on; a task that
    waits for an event, and has never run, keeps it going. ``stay_open=True`` keeps it going until a FINISH rule ends
    it, or ``run.cancel()``. With ``max_rounds`` no task starts more often than that. When a task has failed and no rule
    takes care of that (by ``action_on_task_status`` on FAILED), the run ends FAILED as soon as nothing is under way;
    resumed, it goes on with the failed task.

    >>> from nbflow.rules import Flow, PythonOperator, TaskAction
    >>> async def count(event):
    ...     return len(event.value)
    >>> with Flow("words") as flow:
    ...     task = PythonOperator("count", count)
    ...     task.action_on_event_received(TaskAction.START, "text")
    >>> run = flow.run_async()
    >>> run.send("text", "three").status
    'queued'
    >>> run.result()
    {'count': 5}
    """

    def run(
        self, workflow_id: str | None = None, *, event: Any = None, metadata: dict[str, Any] | None = None,
        takeover: bool = False, on_change: str = "keep",
    ) -> dict[str, Any]:  # fmt: skip
        """Run the flow and return the value of the latest successful execution of each task, by name.

        With a ``workflow_id`` that was used, that run goes on, with the tasks and rules given now. One that has
        succeeded with other functions, or another ``event``, does as ``on_change`` says: "keep" its values, with a
        notice; "rerun", begin the flow anew; "error" (WorkflowChangedError). ``event`` is given to the tasks that start
        with the flow. Otherwise as ``nbflow.run``.

        >>> from nbflow.rules import Flow
        >>> flow = Flow("sums")
        >>> @flow.task
        ... async def add():
        ...     return 1 + 1
        >>> flow.run()
        {'add': 2}
        """
        found: dict[str, Any] = api.run(
            self._graph(event), workflow_id=workflow_id, metadata=metadata, takeover=takeover, on_change=on_change
        )
        return found

    def run_async(
        self, workflow_id: str | None = None, *, event: Any = None, metadata: dict[str, Any] | None = None,
        takeover: bool = False, on_change: str = "keep",
    ) -> Run:  # fmt: skip
        """Start a run of the flow in the background and return its handle. As ``run`` otherwise."""
        return api.run_async(
            self._graph(event), workflow_id=workflow_id, metadata=metadata, takeover=takeover, on_change=on_change
        )

    def trigger(
        self, event_key: str | Iterable[str] | None = None, *, one_per: Callable[[Any], Any] | None = None,
        scope: str = "namespace", sender: str | None = None, begin: Any = "now", every: Any = None,
        cron: str | None = None, timezone: str | None = None, catch_up: str = "last", name: str = "",
    ) -> Flow:  # fmt: skip
        """Return a flow that begins a run of this one for each event of a key, or at the times of a schedule.

        Its run is the trigger: it lasts until it is canceled, and ``resume`` goes on with it after a restart; what came
        meanwhile counts (``begin`` for events at its first start, ``catch_up`` for times). Tasks that start with this
        flow get the event. With ``one_per`` there is one run for each key: see ``RunOperator``.

        >>> from nbflow.rules import Flow
        >>> flow = Flow("report")
        >>> @flow.task
        ... async def write(event):
        ...     return event.value
        >>> flow.trigger("day.closed").rules()
        ["run: START on 'day.closed' in the namespace"]
        """
        found = Flow(name or f"{self.name}.trigger", self.namespace, stay_open=True, begin=begin)
        started = RunOperator(
            "run", self, one_per=one_per, flow=found, every=every, cron=cron, timezone=timezone, catch_up=catch_up
        )
        if event_key is not None:
            started.action_on_event_received(TaskAction.START, event_key, scope=scope, sender=sender)
        return found

    def _graph(self, event: Any = None) -> Node[Any]:
        self.check()
        for operator in self.tasks.values():
            task_of(operator)
        given = () if event is None else (event,)
        frozen = self._snapshot()
        if listens_to_keys(frozen):
            # now: what is sent after this line must be heard, however long it takes until the run has begun
            frozen.begin = beginning(default_host().storage, frozen)
        node = driven(frozen, *given)
        self.notices.clear()
        return node

    def _snapshot(self) -> Flow:
        """Return the flow as it is now: a run must not change because a later cell does."""
        other = copy.copy(self)
        other._finish, other.notices, other.tasks = [*self._finish], [*self.notices], {}
        for name, operator in self.tasks.items():
            other.tasks[name] = copy.copy(operator)
            other.tasks[name].rules = [*operator.rules]
        return other

    def _repr_html_(self) -> str:
        lines = "".join(
            f"<li><b>{escape(name)}</b>: {escape('; '.join(_said(operator)))}</li>"
            for name, operator in self.tasks.items()
        )
        return f"<p>Flow <b>{escape(self.name)}</b></p><ul>{lines}</ul>"


def _said(operator: Any) -> list[str]:
    found = [rule.says for rule in operator.rules]
    if operator.schedule is not None:
        found.append(str(operator.schedule))
    return found if not operator.starts_at_once else ["starts with the flow", *found]
