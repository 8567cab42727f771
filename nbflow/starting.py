"""How a person starts a state machine: with ``start_workflow`` in a cell, or with a ``Client`` that is awaited."""

from __future__ import annotations

from typing import Any

from . import api, door
from .dag.checked import check_metadata
from .engine import outputs
from .engine.beginning import chosen
from .engine.machines import beginning
from .engine.machines.acts import HistoryEvent
from .handle import Run
from .home import default_host
from .machine import registry
from .machine.definition import Workflow
from .machine.directives import Duration, seconds_of
from .views.machine import Description


def start_workflow(
    workflow: Workflow | str | None = None, *, workflow_type: Workflow | str | None = None,
    type: Workflow | str | None = None, workflow_id: str | None = None, id: str | None = None,
    workflow_input: Any = None, input: Any = None, timeout: Duration | None = None,
    metadata: dict[str, Any] | None = None, existing: str = beginning.RESUME, takeover: bool = False,
    on_change: str = "keep",
) -> Run:  # fmt: skip
    """Start a run of a state machine and return its handle, once it is stored.

    The workflow is an object or the name of its type, given first or as ``workflow_type`` (or ``type``);
    ``workflow_id`` (``id``) names the run, ``workflow_input`` (``input``) are the arguments of its start: a dict by
    name, or the value of its only one. ``timeout`` (a timedelta, or seconds; none by default) is for the whole run:
    when it is up it fails with WorkflowTimeout, described as TIMED_OUT, and ``resume`` gives it as much again.

    Of a run that has the id, ``existing="resume"`` goes on with one that is not over, with the handlers in the notebook
    now, and begins anew in the place of one that is over (succeeded, canceled, chose to fail); ``"return"`` keeps one
    that is over; ``"restart"`` begins anew in any case; ``"error"`` raises WorkflowStillActiveError. Of one that
    ``"return"`` would keep, and that succeeded with other handlers or another input, ``on_change`` decides: "keep" it;
    "rerun", begin anew; "error" (WorkflowChangedError). Raises RunIsLive when it is under way, TypeError for an input
    that does not fit, WorkflowTypeNotRegisteredError.

    >>> import nbflow as nf
    >>> hello = nf.Workflow("Hello")
    >>> @hello.start()
    ... async def start(ctx, name: str):
    ...     return ctx.next.complete(f"Hello, {name}")
    >>> nf.start_workflow(workflow_type="Hello", workflow_input={"name": "Ann"}).result()
    'Hello, Ann'
    """
    definition = _definition(_one("a workflow", workflow=workflow, workflow_type=workflow_type, type=type))
    name = _one("an id", workflow_id=workflow_id, id=id)
    given = beginning.arguments(definition, _one("an input", workflow_input=workflow_input, input=input))
    options = {"timeout": None if timeout is None else seconds_of(timeout)}
    return _start(definition, name, given, options, metadata, existing, takeover, on_change)


def _start(
    definition: Workflow, name: str | None, given: dict[str, Any], options: dict[str, Any],
    metadata: dict[str, Any] | None, existing: str, takeover: bool, on_change: str,
) -> Run:  # fmt: skip
    if existing not in beginning.EXISTING:
        raise ValueError(f"existing is one of {', '.join(map(repr, beginning.EXISTING))}, not {existing!r}")
    host, choices = default_host(), chosen(on_change, beginning.RESUME, None)
    name = api.check_id(name) if name is not None else api.new_id()
    metadata = None if metadata is None else check_metadata(metadata)
    context = door.task_context()
    opening: Any = host.engine.start(
        beginning.begin, host, definition, name, given, options, metadata, context, existing, takeover, choices
    )
    if host.engine.inside:
        return Run(host, name, opening)
    return Run(host, name, opening if outputs.opened(host, name, opening) is not None else None)


class Client:
    """Starts and finds runs of state machines; every method is awaited. Runs are here, so it needs no connection.

    >>> import asyncio, nbflow as nf
    >>> from nbflow.machine import Client
    >>> hello = nf.Workflow("Greet")
    >>> @hello.start()
    ... async def start(ctx, name: str):
    ...     return ctx.next.complete(f"Hello, {name}")
    >>> async def main():
    ...     run = await Client().start_workflow(type="Greet", id="greet-1", input={"name": "Ann"})
    ...     return await run
    >>> asyncio.run(main())
    'Hello, Ann'
    """

    def __init__(self, connection: Any = None) -> None:
        self.connection = connection

    def __repr__(self) -> str:
        return "<client of the runs of this process>"

    async def start_workflow(self, workflow: Workflow | str | None = None, **options: Any) -> Run:
        """Start a run and return its handle, as ``nbflow.start_workflow``."""
        return start_workflow(workflow, **options)

    async def run_workflow(self, workflow: Workflow | str | None = None, **options: Any) -> Any:
        """Start a run and return its result."""
        return await start_workflow(workflow, **options)

    async def get_workflow_handle(self, workflow_id: str) -> Run:
        """Return the handle of a run, live or over. Raises WorkflowNotFoundError."""
        return api.get_run(workflow_id)

    async def describe(self, workflow_id: str) -> Description:
        """Return how a run stands. Raises WorkflowNotFoundError, ValueError for a run of another kind."""
        return api.get_run(workflow_id).describe()

    async def get_history(self, workflow_id: str) -> list[HistoryEvent]:
        """Return all records of a run in words, oldest first. Raises WorkflowNotFoundError."""
        return api.get_run(workflow_id).history()


def _definition(workflow: Workflow | str | None) -> Workflow:
    if isinstance(workflow, Workflow):
        registry.register(workflow)
        return workflow
    if isinstance(workflow, str):
        return registry.find(workflow)
    raise TypeError(f"start_workflow takes a Workflow or the name of its type, not {workflow!r}")


def _one(what: str, **spellings: Any) -> Any:
    given = {name: value for name, value in spellings.items() if value is not None}
    if len(given) > 1:
        raise TypeError(f"give {what} once: {' and '.join(given)} mean the same")
    return next(iter(given.values()), None)
