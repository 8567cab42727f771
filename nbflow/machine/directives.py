"""What a handler may choose to happen next: ``ctx.next`` makes a directive, and refuses what could never work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ..core.machine import COMPLETE, FAIL, SLEEP, START, STEP, WAIT
from ..errors import WorkflowFailed

if TYPE_CHECKING:
    from .definition import Workflow

Duration = timedelta | float | int
Step = Callable[..., Any] | str


@dataclass(frozen=True, slots=True)
class Directive:
    """What comes after a handler. Return it; ``ctx.next`` makes it.

    ``do`` is step, wait, sleep, complete, fail or start; ``seconds`` is how long a wait or a sleep may take.

    >>> import nbflow as nf
    >>> ends = nf.Workflow("Ends")
    >>> @ends.start()
    ... def start(ctx, so: str):
    ...     return ctx.next.complete(so)  # a Directive
    >>> nf.start_workflow(workflow_type="Ends", workflow_input={"so": "well"}).result()
    'well'
    """

    do: str
    name: str = ""
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    value: Any = None
    error: BaseException | None = None


class Next:
    """Makes directives. Every method raises ValueError or TypeError for a choice that could never be carried out."""

    def __init__(self, workflow: Workflow) -> None:
        self._workflow = workflow

    def __repr__(self) -> str:
        return f"<next of workflow {self._workflow.workflow_type!r}>"

    def step(self, step: Step, /, *args: Any, **arguments: Any) -> Directive:
        """Run a step next, given as the function or by its name; it gets the arguments after ``ctx``."""
        return Directive(STEP, self._named(step, args, arguments), args, arguments)

    def wait(
        self, timeout: Duration | None = None, on_timeout: Step | None = None, *,
        timeout_step_name: Step | None = None, timeout_step: Step | None = None,
    ) -> Directive:  # fmt: skip
        """Wait for the next event: for ever, or for ``timeout`` (a timedelta, or seconds) and then run a step.

        Events that came before are handled first, in order; a timeout of 0 is over at once when there are none. The
        step has three names, all the same: ``on_timeout``, ``timeout_step``, ``timeout_step_name``.
        """
        steps = [step for step in (on_timeout, timeout_step_name, timeout_step) if step is not None]
        if len(steps) > 1:
            raise ValueError("give one of on_timeout, timeout_step and timeout_step_name: they mean the same")
        if timeout is None and steps:
            raise ValueError(f"a step for the timeout ({steps[0]!r}) needs a timeout: without one the wait is for ever")
        if timeout is None:
            return Directive(WAIT)
        if not steps:
            raise ValueError("a timeout needs the step that runs then: on_timeout=, the function or its name")
        return Directive(WAIT, self._named(steps[0]), seconds=seconds_of(timeout))

    def wait_for_event(
        self, timeout: Duration | None = None, timeout_step_name: Step | None = None, *,
        timeout_step: Step | None = None, on_timeout: Step | None = None,
    ) -> Directive:  # fmt: skip
        """Wait for the next event: another name for ``wait``."""
        return self.wait(timeout, on_timeout, timeout_step_name=timeout_step_name, timeout_step=timeout_step)

    def sleep(self, duration: Duration, step: Step, /, *args: Any, **arguments: Any) -> Directive:
        """Run a step after a time (a timedelta, or seconds); events that come meanwhile are kept for the next wait."""
        return Directive(SLEEP, self._named(step, args, arguments), args, arguments, seconds_of(duration))

    def complete(self, result: Any = None) -> Directive:
        """End the run; its value is ``result``."""
        return Directive(COMPLETE, value=result)

    def fail(self, error: Any = "the workflow chose to fail") -> Directive:
        """Fail the run with an exception, a text, or an object that has a ``message`` and a ``type``."""
        return Directive(FAIL, error=_error(error))

    def continue_as_new(self, *args: Any, **arguments: Any) -> Directive:
        """Begin anew with other input, in the same run: the store is emptied, waiting events stay."""
        self._workflow.handler(self._workflow.start_name).check(args, arguments)
        return Directive(START, self._workflow.start_name, args, arguments)

    def _named(self, step: Step, args: tuple[Any, ...] = (), arguments: dict[str, Any] | None = None) -> str:
        """Return the name of a step. Raises ValueError when there is none, TypeError for arguments it cannot take."""
        handler = self._workflow.step_of(step)
        handler.check(args, arguments or {})
        return handler.name


def seconds_of(duration: Any) -> float:
    """Return a duration in seconds. Raises TypeError, ValueError."""
    if isinstance(duration, bool) or not isinstance(duration, timedelta | int | float):
        raise TypeError(f"a duration is a timedelta or a number of seconds, not {duration!r}")
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else float(duration)
    if not 0 <= seconds < 1e11:
        raise ValueError(f"a duration must not be negative, and must end: not {duration!r}")
    return seconds


def _error(error: Any) -> BaseException:
    if isinstance(error, BaseException):
        return error
    if isinstance(error, str):
        return WorkflowFailed(error)
    message, kind = getattr(error, "message", None), getattr(error, "type", "")
    if message is None:
        raise TypeError(f"fail() takes an exception or a text, not {error!r}")
    return WorkflowFailed(f"{kind}: {message}" if kind else str(message))
