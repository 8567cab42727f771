"""Spans: one for each run, one for each attempt and wait below it, and no cost while nobody traces."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import nbflow as nf
from nbflow import otel
from nbflow.engine import watching
from nbflow.testing import MemoryStorage
from tests.engine.tools import until


class Traced:
    """What was exported so far, by name."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def spans(self) -> dict[str, list[ReadableSpan]]:
        found: dict[str, list[ReadableSpan]] = {}
        for span in self.exporter.get_finished_spans():
            found.setdefault(span.name, []).append(span)
        return found


@pytest.fixture
def traced() -> Iterator[Traced]:
    nf.shutdown()
    nf.init(storage=MemoryStorage())
    made = Traced()
    otel.instrument(made.provider)
    yield made
    otel.uninstrument()
    nf.shutdown()


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent is not None else None


def id_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.span_id


@nf.task
def add(a: int, b: int) -> int:
    return a + b


def test_a_run_is_a_span_and_its_tasks_are_below_it(traced: Traced) -> None:
    assert nf.run(add.bind(add.bind(1, 2), 3), workflow_id="sum") == 6
    spans = traced.spans()
    (run,) = spans["run add"]
    assert run.attributes is not None
    assert run.attributes["nbflow.workflow_id"] == "sum"
    assert run.attributes["nbflow.status"] == "SUCCESSFUL"
    assert [parent_of(span) for span in spans["task add"]] == [id_of(run)] * 2
    assert [span.attributes["nbflow.node_id"] for span in spans["task add"] if span.attributes] == ["add", "add_1"]
    for span in spans["task add"]:
        assert span.start_time is not None and span.end_time is not None and span.start_time <= span.end_time


def test_each_attempt_has_its_span_and_a_failure_its_type_but_not_its_message(traced: Traced) -> None:
    tries: list[int] = []

    @nf.task(max_retries=1, retry_exceptions=True)
    def flaky() -> str:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("password=hush")
        return "done"

    assert nf.run(flaky.bind()) == "done"
    first, second = traced.spans()["task flaky"]
    assert first.attributes is not None and second.attributes is not None
    assert (first.attributes["nbflow.attempt"], second.attributes["nbflow.attempt"]) == (1, 2)
    assert first.attributes["error.type"] == "OSError" and not first.status.is_ok
    assert second.status.is_unset
    assert "hush" not in "".join(span.to_json() for span in traced.exporter.get_finished_spans())


def test_a_failed_run_says_so(traced: Traced) -> None:
    boom = nf.task(lambda: 1 / 0, name="boom", max_retries=0)
    with pytest.raises(nf.errors.WorkflowExecutionError):
        nf.run(boom.bind())
    spans = traced.spans()
    (run,), (task,) = spans["run boom"], spans["task boom"]
    assert run.attributes is not None and task.attributes is not None
    assert run.attributes["nbflow.status"] == "FAILED"
    assert run.attributes["error.type"] == "WorkflowExecutionError"
    assert task.attributes["error.type"] == "ZeroDivisionError"


def test_what_the_caller_traces_is_above_and_what_a_body_traces_is_below(traced: Traced) -> None:
    tracer = traced.provider.get_tracer("mine")

    @nf.task
    def in_thread() -> None:
        tracer.start_span("inside a thread").end()

    @nf.task
    async def on_loop(_: object) -> None:
        await asyncio.sleep(0)
        tracer.start_span("inside a coroutine").end()

    with tracer.start_as_current_span("the cell"):
        nf.run(on_loop.bind(in_thread.bind()))
    found = {name: spans[0] for name, spans in traced.spans().items()}
    assert parent_of(found["run on_loop"]) == id_of(found["the cell"])
    assert parent_of(found["inside a thread"]) == id_of(found["task in_thread"])
    assert parent_of(found["inside a coroutine"]) == id_of(found["task on_loop"])
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_a_wait_is_a_span_until_its_event_comes_and_no_longer(traced: Traced) -> None:
    run = nf.run_async(add.bind(nf.wait_for_event("go"), nf.wait_for_event("on")), workflow_id="waiting")
    until(lambda: run.state.counts["waiting"] == 2)
    assert not traced.spans()
    run.send("go", 1)
    (wait,) = until(traced.spans).values()
    assert [span.name.startswith("wait ") for span in wait] == [True]
    assert wait[0].attributes is not None and wait[0].attributes["nbflow.node_id"] == "wait_for_go"
    run.send("on", 2)
    assert run.result() == 3


def test_a_run_that_is_canceled_or_let_go_leaves_no_span_open(traced: Traced) -> None:
    run = nf.run_async(nf.wait_for_event("never"), workflow_id="given-up")
    run.cancel()
    with pytest.raises(nf.errors.WorkflowCancellationError):
        run.result()
    other = nf.run_async(nf.wait_for_event("never"), workflow_id="let-go")
    other.detach()
    with pytest.raises(nf.errors.WorkflowNotResumableError):
        other.result()
    spans = [span for found in traced.spans().values() for span in found]
    ends = [span.attributes["nbflow.status"] for span in spans if span.attributes and span.name.startswith("run ")]
    assert sorted(map(str, ends)) == ["CANCELED", "RESUMABLE"]


def test_to_be_let_go_is_no_failure(traced: Traced) -> None:
    run = nf.run_async(nf.wait_for_event("never"), workflow_id="let-go")
    run.detach()
    (span,) = until(lambda: traced.spans().get("run wait_for_never"))
    assert span.status.is_unset and "error.type" not in (span.attributes or {})


def test_what_is_no_provider_is_refused_and_tracing_goes_on(traced: Traced) -> None:
    with pytest.raises(TypeError, match=r"takes a TracerProvider .*add_span_processor"):
        otel.instrument("http://localhost:4317")  # type: ignore[arg-type]
    assert nf.run(add.bind(1, 2)) == 3
    assert len(traced.spans()["task add"]) == 1


def test_restored_tasks_are_not_traced_again(traced: Traced) -> None:
    gate = add.bind(nf.wait_for_event("go"), add.bind(1, 2))
    run = nf.run_async(gate, workflow_id="twice")
    until(lambda: run.state.counts["waiting"] and run.state.counts["done"])
    run.detach()
    traced.exporter.clear()
    again = nf.run_async(gate, workflow_id="twice")
    again.send("go", 4)
    assert again.result() == 7
    assert len(traced.spans()["task add"]) == 1
    assert len([name for name in traced.spans() if name.startswith("run ")]) == 1


def test_who_traces_wrongly_harms_no_run(traced: Traced, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def took(self, *_: object) -> None:
            raise RuntimeError("tracer")

        enters = took

    watching.watchers.append(Broken())
    try:
        assert nf.run(add.bind(1, 2)) == 3
    finally:
        watching.watchers.pop()
    assert "a watcher failed" in caplog.text


def test_it_is_off_until_it_is_asked_for_and_after() -> None:
    otel.uninstrument()
    assert watching.watchers == []
    otel.instrument()
    otel.instrument()
    assert len(watching.watchers) == 1
    otel.uninstrument()
    assert watching.watchers == []
