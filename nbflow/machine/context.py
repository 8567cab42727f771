"""What a handler has in its hand: the store, the choice of what comes next, and what must not differ in a repetition.

After a crash a handler that had not ended runs again from its beginning. What it has from here is then the same as
before: the time, chance, a sleep that is half over, the values of tasks that are done, children that were started.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from .directives import Directive, Duration, Next, seconds_of
from .store import Store

if TYPE_CHECKING:
    from .definition import Workflow


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What a handler can know of its run. Times are UTC seconds.

    >>> import nbflow as nf
    >>> who = nf.Workflow("Who")
    >>> @who.start()
    ... def start(ctx, _=0):
    ...     return ctx.next.complete((ctx.run.id, ctx.run.workflow_type, ctx.run.why))
    >>> nf.start_workflow(workflow_type="Who", workflow_id="who-am-i").result()
    ('who-am-i', 'Who', 'start')
    """

    workflow_id: str
    workflow_type: str
    handler: str
    why: str
    created: float = 0.0
    started: float = 0.0
    parent_id: str = ""
    deadline: float | None = None
    number: int = 1

    @property
    def id(self) -> str:
        """The id of the run."""
        return self.workflow_id


@dataclass(frozen=True, slots=True)
class EventInfo:
    """The event that a handler handles: its id, its name, who sent it, by which door, and when (UTC seconds).

    >>> import nbflow as nf
    >>> hears = nf.Workflow("Hears")
    >>> @hears.start()
    ... def start(ctx, _=0):
    ...     return ctx.next.wait_for_event()
    >>> @hears.event()
    ... def call(ctx):
    ...     return ctx.next.complete((ctx.event.name, ctx.event.by))
    >>> run = nf.start_workflow(workflow_type="Hears", workflow_id="hears-a-call")
    >>> receipt = run.send("call", by="ann")
    >>> run.result()
    ('call', 'ann')
    """

    id: str
    name: str
    by: str = ""
    source: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class ChildOutcome:
    """How a child run ended: ``status``, and its ``result`` or the ``error`` in its place.

    >>> ChildOutcome("c", "SUCCESSFUL", 42).unwrap()
    42
    """

    workflow_id: str
    status: str
    result: Any = None
    error: BaseException | None = None

    @property
    def ok(self) -> bool:
        """True when it has a result."""
        return self.error is None

    def unwrap(self) -> Any:
        """Return the result. Raises the error."""
        if self.error is not None:
            raise self.error
        return self.result


class Deeds(Protocol):
    """What the engine does for a handler. Each returns its value, or in an async handler what can be awaited."""

    def noted(self, what: str, read: Callable[[Any], Any]) -> Any: ...
    def sleep(self, seconds: float) -> Any: ...
    def send(self, workflow_id: str, event_name: str, payload: Any) -> Any: ...
    def child(
        self, workflow: Any, workflow_id: str, workflow_input: Any, timeout: float | None, step: str,
        wait: float | None, result: bool,
    ) -> Any: ...  # fmt: skip


class Context:
    """The first argument of every handler. What is said to be awaited is awaited in async handlers only.

    >>> import nbflow as nf
    >>> greets = nf.Workflow("Greets")
    >>> @greets.start()
    ... def start(ctx, name: str):
    ...     ctx.store.put("name", name)
    ...     return ctx.next.step(greet)
    >>> @greets.step()
    ... async def greet(ctx):
    ...     number = await ctx.random()  # the same number if this handler has to be repeated
    ...     return ctx.next.complete(f"hello {await ctx.store.get('name')}")
    >>> nf.start_workflow(workflow_type="Greets", workflow_input={"name": "ann"}).result()
    'hello ann'
    """

    def __init__(
        self, workflow: Workflow, store: Store, run: RunInfo, event: EventInfo | None, deeds: Deeds,
        logger: logging.Logger | logging.LoggerAdapter[Any],
    ) -> None:  # fmt: skip
        self.store = store
        """The values of the run."""
        self.next = Next(workflow)
        """Makes what the handler returns."""
        self.run = run
        """What is known of the run."""
        self.event = event
        """The event that is handled, None in a start or a step."""
        self.logger = logger
        """A logger that says which run it is, and keeps quiet while a repetition is where it was before."""
        self._workflow = workflow
        self._deeds = deeds

    def __repr__(self) -> str:
        return f"<context of {self.run.handler!r} in run {self.run.workflow_id!r}>"

    def now(self) -> Any:
        """Return the time as a datetime in UTC, the same in a repetition. Await it."""
        return self._deeds.noted("now", lambda at: dt.datetime.fromtimestamp(at, dt.UTC))

    def random(self) -> Any:
        """Return a number between 0 and 1, the same in a repetition. Await it."""
        return self._deeds.noted("random", float)

    def uuid4(self) -> Any:
        """Return a random UUID, the same in a repetition. Await it."""
        return self._deeds.noted("uuid4", uuid.UUID)

    def sleep(self, duration: Duration) -> Any:
        """Sleep for a timedelta or for seconds; a repetition sleeps only what is left. Await it."""
        return self._deeds.sleep(seconds_of(duration))

    def send(self, workflow_id: str, event_name: str, payload: Any = None) -> Any:
        """Send an event to any run, once however often this handler is repeated, and return its receipt. Await it."""
        return self._deeds.send(workflow_id, event_name, payload)

    def send_to_parent(self, event_name: str, payload: Any = None) -> Any:
        """Send an event to the run that started this one, once, and return its receipt. Await it.

        Raises RuntimeError when no run did.
        """
        if not self.run.parent_id:
            raise RuntimeError(f"run {self.run.workflow_id!r} has no parent: start_child() of another run gives it one")
        return self._deeds.send(self.run.parent_id, event_name, payload)

    def start_child(
        self, workflow_type: Any, workflow_id: str, workflow_input: Any = None,
        workflow_timeout: Duration | None = None, on_completed_step: Any = None,
    ) -> Any:  # fmt: skip
        """Start a run of another workflow, once, and return its id. Await it.

        When it is over, ``on_completed_step`` runs here as a handler that gets a ``ChildOutcome``, in its turn among
        the events. A child is a run of its own: it goes on when this one is canceled, and is resumed with it.
        """
        step = "" if on_completed_step is None else self._workflow.step_of(on_completed_step).name
        limit = None if workflow_timeout is None else seconds_of(workflow_timeout)
        return self._deeds.child(workflow_type, workflow_id, workflow_input, limit, step, None, False)

    def run_child(
        self, workflow_type: Any, workflow_id: str, workflow_input: Any = None,
        workflow_timeout: Duration | None = None, timeout: Duration | None = None,
    ) -> Any:  # fmt: skip
        """Start a run of another workflow, wait for it inside this handler, and return its result. Await it.

        Raises what the child raised, as WorkflowExecutionError, and TimeoutError after ``timeout``.
        """
        limit = None if workflow_timeout is None else seconds_of(workflow_timeout)
        wait = None if timeout is None else seconds_of(timeout)
        return self._deeds.child(workflow_type, workflow_id, workflow_input, limit, "", wait, True)

    def __reduce__(self) -> Any:
        raise TypeError("ctx belongs to one handler and cannot be stored; put what it gave you")


__all__ = ["ChildOutcome", "Context", "Directive", "EventInfo", "RunInfo"]
