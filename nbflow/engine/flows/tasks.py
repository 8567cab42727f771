"""From the operators of a flow to the tasks that the engine calls, and to their arguments."""

from __future__ import annotations

import json
from typing import Any

from ...dag.task import Task
from ...errors import GraphError
from ...executors.shell import run_command
from ...rules.notification import Event
from ...rules.operators import BashOperator, Operator, PythonOperator, RunOperator
from .begin import BeginRun


def task_of(operator: Operator) -> Task[Any, Any]:
    """Return the task of an operator. Raises ValueError for a bad option, GraphError when nothing says what it runs."""
    if isinstance(operator, PythonOperator):
        return Task(operator.python_callable, **{"name": operator.name, **operator.options})
    if isinstance(operator, BashOperator):
        return Task(run_command, **{"name": operator.name, **operator.options})
    if isinstance(operator, RunOperator):
        return Task(BeginRun(operator.started, operator.one_per), **{"name": operator.name, **operator.options})
    name = operator.name
    raise GraphError(
        f"Nothing says what task {name!r} runs: {type(operator).__name__} itself runs nothing. Write "
        f"PythonOperator({name!r}, <function>), BashOperator({name!r}, <command>) or RunOperator({name!r}, <flow>)."
    )


def call_of(operator: Operator, event: Event | None, workflow_id: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of an execution that an event has started."""
    if isinstance(operator, PythonOperator):
        given = {"event": event} if operator.takes_event else {}
        return operator.op_args, {**operator.op_kwargs, **given}
    if isinstance(operator, BashOperator):
        return (operator.bash_command, _environment(operator, event, workflow_id), operator.cwd), {}
    return (event,), {}


def _environment(operator: BashOperator, event: Event | None, workflow_id: str) -> dict[str, Any]:
    found = {"NBFLOW_WORKFLOW_ID": workflow_id, "NBFLOW_TASK": operator.name}
    if event is not None:
        found |= {"NBFLOW_EVENT_KEY": event.key, "NBFLOW_EVENT_VALUE": _text(event.value)}
    return {**found, **operator.env}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        return repr(value)
