"""Spans of OpenTelemetry for runs and their tasks: ``pip install 'nbflow[otel]'``, then ``otel.instrument()``.

A run is a span from when it begins, here, until it ends or is let go; its parent is the span in which it was started.
Each attempt of a task and each wait is a span below it. A task's body runs inside its own span, so what the body
traces hangs below that; only a body in another process does not see it. A run that goes on after a restart is a new
span with the same ``nbflow.workflow_id``. Values, inputs and messages of errors are in no span: they may be secret.
"""

from __future__ import annotations

from contextvars import Context
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from .core import commands as c
from .core import records as r
from .engine.watching import watchers

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer, TracerProvider

    from .engine.runner import Runner

_ENDS = (
    r.TaskSucceeded,
    r.TaskGrew,
    r.TaskAttemptFailed,
    r.TaskFailed,
    r.WaitExpired,
    r.ListenerCommitted,
    r.CallStopped,
)


def instrument(tracer_provider: TracerProvider | None = None) -> None:
    """Trace every run of this process from now on, with this provider or the global one. Idempotent.

    The extra is OpenTelemetry's API, which alone shows nothing: spans go where the provider of its SDK sends them
    (``pip install opentelemetry-sdk``, and the exporter of your collector). The global provider may be set later.
    Raises ImportError without the extra, TypeError for what is no provider.

    >>> import nbflow as nf
    >>> from nbflow import otel
    >>> from opentelemetry.sdk.trace import TracerProvider
    >>> from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    >>> from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    >>> exporter = InMemorySpanExporter()  # ConsoleSpanExporter() prints, OTLPSpanExporter() sends to a collector
    >>> provider = TracerProvider()
    >>> provider.add_span_processor(SimpleSpanProcessor(exporter))
    >>> otel.instrument(provider)
    >>> nf.run(nf.task(max, name="biggest").bind([1, 3, 2]))
    3
    >>> exporter.get_finished_spans()[0].name
    'task biggest'
    >>> otel.uninstrument()
    """
    try:
        from opentelemetry import trace
    except ImportError:
        raise ImportError("Tracing needs OpenTelemetry: pip install 'nbflow[otel]'.") from None
    if tracer_provider is not None and not isinstance(tracer_provider, trace.TracerProvider):
        raise TypeError(
            f"otel.instrument() takes a TracerProvider of OpenTelemetry, not {tracer_provider!r}; where its spans go "
            "is said to the provider: provider.add_span_processor(BatchSpanProcessor(exporter))."
        )
    uninstrument()
    watchers.append(_Tracing(trace.get_tracer("nbflow", tracer_provider=tracer_provider)))


def uninstrument() -> None:
    """Trace nothing more; spans that are open end as they would have. Idempotent.

    >>> from nbflow import otel
    >>> otel.uninstrument()
    """
    watchers[:] = [watcher for watcher in watchers if not isinstance(watcher, _Tracing)]


class _Tracing:
    """Makes spans of what it hears."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._runs: WeakKeyDictionary[Runner, _RunSpans] = WeakKeyDictionary()

    def took(self, runner: Runner, record: r.Record, commands: list[c.Command]) -> None:
        """Begin or end the span that a record is about."""
        spans = self._runs.get(runner)
        if spans is None:
            if not runner.state.live:
                return
            spans = self._runs[runner] = _RunSpans(self._tracer, runner)
        if isinstance(record, r.TaskStarted):
            spans.begin(record.node, "task", record.started, record.attempt)
        elif isinstance(record, r.WaitOpened):
            spans.begin(record.node, "wait", record.at)
        elif isinstance(record, _ENDS):
            spans.end(record.node, getattr(record, "ended", 0.0), getattr(record, "error", None))
        for command in commands:
            if isinstance(command, c.CloseWait):
                spans.end(command.node, 0.0, None)

    def enters(self, runner: Runner, node: int, context: Context) -> None:
        """Let a body find its span as the present one."""
        if (spans := self._runs.get(runner)) is not None:
            spans.enter(node, context)


class _RunSpans:
    """The span of one run, and those that are open below it."""

    def __init__(self, tracer: Tracer, runner: Runner) -> None:
        from opentelemetry import trace

        self._trace, self._tracer, self._runner = trace, tracer, runner
        state = runner.state
        around = runner.context.run(_present)
        named = {"nbflow.workflow_id": state.workflow_id, "nbflow.workflow": state.name}
        self._span = tracer.start_span(
            f"run {state.name}", context=around, attributes=named, start_time=_nanoseconds(runner.now())
        )
        self._below = trace.set_span_in_context(self._span, around)
        self._open: dict[int, Span] = {}
        runner.outcome.add_done_callback(lambda _: self._close())

    def begin(self, node: int, kind: str, at: float, attempt: int = 0) -> None:
        """Begin the span of a node."""
        state = self._runner.state
        spec = state.nodes[node].spec
        code = state.codes.get(spec.code)
        named: dict[str, Any] = {"nbflow.workflow_id": state.workflow_id, "nbflow.node_id": spec.node_id}
        named |= {"nbflow.attempt": attempt} if attempt else {}
        name = code.name if code is not None and code.name else spec.node_id
        self.end(node, at, None)
        self._open[node] = self._tracer.start_span(
            f"{kind} {name}", context=self._below, attributes=named, start_time=_nanoseconds(at)
        )

    def end(self, node: int, at: float, error: dict[str, Any] | None) -> None:
        """End the span of a node, if it has one."""
        span = self._open.pop(node, None)
        if span is None:
            return
        if error is not None:
            self._failed(span, str(error.get("type", "")))
        span.end(_nanoseconds(at or self._runner.now()))

    def enter(self, node: int, context: Context) -> None:
        """Make the span of a node the present one in a context."""
        from opentelemetry.context import attach

        span = self._open.get(node)
        if span is not None:
            context.run(lambda: attach(self._trace.set_span_in_context(span)))

    def _failed(self, span: Span, kind: str) -> None:
        span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, kind))
        span.set_attribute("error.type", kind)

    def _close(self) -> None:
        """End the span of the run, and what is open below it unless it will end by itself."""
        status = str(self._runner.state.status)
        self._span.set_attribute("nbflow.status", status)
        outcome = self._runner.outcome
        error = None if outcome.cancelled() else outcome.exception()
        if error is not None and status != "RESUMABLE":  # to be let go is no failure
            self._failed(self._span, type(error).__name__)
        if status != "FAILED":  # the bodies of a failed run are awaited
            for node in [*self._open]:
                self.end(node, 0.0, None)
        self._span.end(_nanoseconds(self._runner.now()))


def _present() -> Any:
    from opentelemetry.context import get_current

    return get_current()


def _nanoseconds(at: float) -> int:
    return round(at * 1000) * 1_000_000
