"""The tasks of a flow: a Python function, a shell command, or the start of another run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..core.graph import Json
from ..core.masking import is_secret
from ..errors import GraphError
from .actions import TaskAction
from .definition import FlowDefinition, Rule, Rules, current_flow
from .schedule import Schedule, schedule_of

PROCESSES = "process:64"
"""Where plain functions and commands run: in processes of their own, which a STOP can kill; so many at once."""


class Operator(Rules):
    """A task of a flow. Without a START rule and a schedule it starts with the flow, unless ``autostart`` is False.

    ``retries`` runs a failed execution again, up to so often, after ``retry_delay`` seconds; other options are those
    of ``nbflow.task`` (``timeout``, ``retry_exceptions``, ``executor`` ...). ``every`` (seconds) or ``cron`` make it
    periodic: see ``Schedule``. With ``overlap=True`` a START starts one more execution beside those under way.

    >>> from nbflow.rules import Flow, Operator, PythonOperator
    >>> with Flow("nightly") as flow:
    ...     clean = PythonOperator("clean", python_callable=print, every=3600)
    >>> isinstance(clean, Operator), clean
    (True, <python task 'clean'>)
    """

    kind = "task"
    default_executor: str | None = None

    def __init__(
        self, name: str, *, flow: FlowDefinition | None = None, retries: int = 0, retry_delay: float = 0.0,
        every: Any = None, cron: str | None = None, timezone: str | None = None, catch_up: str = "last",
        overlap: bool = False, autostart: bool = True, **options: Any,
    ) -> None:  # fmt: skip
        if not isinstance(name, str) or not name or "#" in name or "/" in name:
            raise GraphError(f"A task of a flow has a name without '#' and '/', not {name!r}.")
        self.name = name
        self.rules: list[Rule] = []
        self.schedule: Schedule | None = schedule_of(every, cron, timezone, catch_up)
        self.overlap, self.autostart = overlap, autostart
        if retries:
            options = {"max_retries": retries, "retry_exceptions": True, "backoff": retry_delay, **options}
        self.options = options
        (flow or current_flow(f"{type(self).__name__} {name!r}")).add(self)

    @property
    def functions(self) -> tuple[Any, ...]:
        """The user's functions in it."""
        return ()

    @property
    def starts_at_once(self) -> bool:
        """True when it starts with the flow: no rule and no schedule starts it."""
        return (
            self.autostart and self.schedule is None and all(rule.action is not TaskAction.START for rule in self.rules)
        )

    def to_json(self) -> Json:
        """Return what the journal and the views know of it."""
        found: Json = {"name": self.name, "kind": self.kind, "rules": [rule.to_json() for rule in self.rules]}
        if self.schedule is not None:
            found["schedule"] = str(self.schedule)
        return found

    def __repr__(self) -> str:
        return f"<{self.kind} task {self.name!r}>"


class PythonOperator(Operator):
    """A task that calls a Python function. Its value is what the function returns.

    A function with a parameter ``event`` gets the event that started it: an ``Event`` with ``key`` and ``value``; for a
    start by another task's state the key is "[task_status].<task>" and the value the state, by a schedule
    "[schedule].<task>" and the time; None for a start with the flow or by hand.

    A plain function runs in a process of its own (``executor="process:64"``), so that a STOP can end whatever it does;
    what it shares with others goes through events and values. ``executor="thread"`` runs it in this process: then a
    STOP waits until it looks at ``stopping()`` and returns. A coroutine function runs on the engine's loop, and a STOP
    cancels it.

    >>> import nbflow as nf
    >>> from nbflow.rules import Flow, PythonOperator
    >>> async def greet(name):
    ...     return f"hello {name}"
    >>> with Flow("greetings") as flow:
    ...     first = PythonOperator("first", greet, op_args=["Ann"])
    ...     second = PythonOperator("second", greet, op_kwargs={"name": "Bob"})
    ...     second.start_after(first)
    >>> flow.run()
    {'first': 'hello Ann', 'second': 'hello Bob'}
    """

    kind = "python"

    def __init__(
        self, name: str, python_callable: Callable[..., Any], op_args: Sequence[Any] = (),
        op_kwargs: Mapping[str, Any] | None = None, **options: Any,
    ) -> None:  # fmt: skip
        if not callable(python_callable):
            raise GraphError(f"PythonOperator {name!r} needs a function, not {python_callable!r}.")
        self.python_callable = getattr(python_callable, "function", python_callable)
        self.op_args, self.op_kwargs = tuple(op_args), dict(op_kwargs or {})
        if not inspect.iscoroutinefunction(self.python_callable):
            options.setdefault("executor", PROCESSES)
        super().__init__(name, **options)

    @property
    def functions(self) -> tuple[Any, ...]:
        return (self.python_callable,)

    @property
    def takes_event(self) -> bool:
        """True when the function has a parameter for the event."""
        try:
            parameters = inspect.signature(self.python_callable).parameters
        except (TypeError, ValueError):
            return False
        return "event" in parameters and "event" not in self.op_kwargs

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function directly."""
        return self.python_callable(*args, **kwargs)


class BashOperator(Operator):
    """A task that runs a shell command. Its value is the last line that the command prints.

    What it prints goes to the log of the task line by line. An exit code other than 0 fails the task with
    ``CommandFailed``, which has ``exit_code``. ``env`` (texts, or ``Secret``) is added to the environment, which also
    has NBFLOW_WORKFLOW_ID, NBFLOW_TASK, and NBFLOW_EVENT_KEY and NBFLOW_EVENT_VALUE (text, or JSON) of the event that
    started it. A STOP, and the end of the process that runs the flow, kill the command with all that it has started.

    >>> from nbflow.rules import BashOperator, Flow
    >>> with Flow("shell") as flow:
    ...     _ = BashOperator("count", "echo one; echo $SECOND", env={"SECOND": "two"})
    >>> flow.run()
    one
    two
    {'count': 'two'}
    """

    kind = "bash"

    def __init__(
        self, name: str, bash_command: str, *, env: Mapping[str, Any] | None = None, cwd: str | None = None,
        **options: Any,
    ) -> None:  # fmt: skip
        if not isinstance(bash_command, str) or not bash_command.strip():
            raise GraphError(f"BashOperator {name!r} needs a command, not {bash_command!r}.")
        self.bash_command, self.cwd = bash_command, cwd
        self.env = {str(key): value if is_secret(value) else str(value) for key, value in (env or {}).items()}
        if not str(options.setdefault("executor", PROCESSES)).startswith("process"):
            raise GraphError(f"BashOperator {name!r} runs in a process, so that a STOP can kill the command.")
        super().__init__(name, **options)

    @property
    def functions(self) -> tuple[Any, ...]:
        return (self.bash_command,)


class RunOperator(Operator):
    """A task that begins a run of another flow (or any graph), and does not wait for it: a trigger.

    Its value is the id of that run, "<this run>-<task>-<number>". With ``one_per`` (a function of the event) there is
    one run for each key that it returns, "<this run>-<task>-<key>": while that run goes, later events of the key are
    sent to it instead; when it has ended, the next event begins another. Tasks of that flow that start with it get the
    event. In place of a flow, ``started`` may be a function that makes a graph from the event.

    >>> from nbflow.rules import Flow, RunOperator
    >>> report = Flow("report")
    >>> @report.task
    ... async def write(event):
    ...     return f"report on {event.value}"
    >>> with Flow("watch") as watch:
    ...     trigger = RunOperator("begin", report)
    >>> watch.rules(), trigger.started
    ([], <flow 'report': write>)
    """

    kind = "run"

    def __init__(self, name: str, started: Any, *, one_per: Callable[[Any], Any] | None = None, **options: Any) -> None:
        self.started, self.one_per = started, one_per
        super().__init__(name, **{"overlap": True, **options})

    @property
    def functions(self) -> tuple[Any, ...]:
        return (*getattr(self.started, "functions", ()), *([self.one_per] if self.one_per else []))
