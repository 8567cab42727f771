"""What a workflow refuses when it is written, what runs of an older cell get, and what can be chosen next."""

from __future__ import annotations

import functools
from datetime import timedelta
from typing import Any

import cloudpickle
import pytest

import nbflow as nf
from nbflow.errors import WorkflowTypeNotRegisteredError
from nbflow.machine import registry
from nbflow.machine.directives import Next


def order() -> nf.Workflow:
    workflow = nf.Workflow("definition")

    @workflow.start()
    async def start(ctx: Any, order_id: str) -> Any:
        return ctx.next.wait_for_event(timeout=5, timeout_step_name="late")

    @workflow.step()
    async def late(ctx: Any, reason: str = "time") -> Any:
        return ctx.next.complete(reason)

    @workflow.event
    def approve(ctx: Any) -> Any:
        return ctx.next.step(late, reason="approved")

    @workflow.query
    def state(ctx: Any) -> Any: ...

    return workflow


def test_a_workflow_knows_its_handlers() -> None:
    workflow = order()
    assert (workflow.start_name, workflow.step_names, workflow.event_names, workflow.query_names) == (
        "start", ["late"], ["approve"], ["state"]
    )  # fmt: skip
    assert repr(workflow) == "<workflow 'definition': start, late, approve>"


def test_decorators_return_the_function_and_need_no_parentheses() -> None:
    workflow = nf.Workflow("bare")

    def plain(ctx: Any) -> Any: ...

    assert workflow.step(plain) is plain and workflow.step()(plain) is plain
    assert workflow.event("other")(plain) is plain


@pytest.mark.parametrize(
    ("define", "error", "match"),
    [
        (lambda w: w.start()(lambda ctx: None), ValueError, "has a start already, 'start'; a workflow has one"),
        (lambda w: w.event("late")(_event), ValueError, "'late' is a name of 'definition' already, of its step"),
        (lambda w: w.step()(_named("approve")), ValueError, "'approve' is a name of .* already, of its event"),
        (lambda w: w.event("approve")(_event), ValueError, "has a handler of event 'approve' already, 'approve'"),
        (lambda w: w.event("nbflow:x")(_event), ValueError, "such names are nbflow's own"),
        (lambda w: w.event("x@12")(_event), ValueError, "such names are nbflow's own"),
        (lambda w: w.event("")(_event), TypeError, "a text that is not empty"),
        (lambda w: w.event()(lambda: None), TypeError, "needs ctx as its first parameter"),
        (lambda w: w.event()(lambda ctx, *rest: None), TypeError, "takes no such parameter"),
        (lambda w: w.step()(functools.partial(_event)), TypeError, "has no name"),
        (lambda w: w.event()(3), TypeError, "goes on a function"),
        (lambda w: w.step(timeout=-1)(_event), ValueError, "must not be negative"),
        (lambda w: w.event(on_error="ignore")(_event), ValueError, "on_error is one of 'fail', 'set_aside'"),
    ],
)  # fmt: skip
def test_what_could_never_work_is_refused_when_it_is_written(define: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        define(order())


def _event(ctx: Any) -> Any: ...


def _named(name: str) -> Any:
    def body(ctx: Any) -> Any: ...

    body.__name__ = body.__qualname__ = name
    return body


@pytest.mark.parametrize("kind", ["", "  ", None, 3])
def test_a_workflow_needs_a_type(kind: Any) -> None:
    with pytest.raises(ValueError, match="needs a type"):
        nf.Workflow(kind)


def test_the_same_cell_again_replaces_what_it_defines() -> None:
    workflow = nf.Workflow("again")
    for answer in (1, 2):

        @workflow.start()
        def start(ctx: Any, answer: int = answer) -> Any:
            return answer

    assert workflow.handler("start").function(None) == 2


def test_of_one_type_the_newest_counts_and_has_the_older_handlers_until_it_has_its_own() -> None:
    older = order()
    newer = nf.Workflow("definition")
    assert registry.find("definition") is newer

    @newer.event()
    def approve(ctx: Any, by: str) -> Any: ...

    merged = older.under(newer)
    assert merged.handler("approve").function is approve
    assert merged.start_name == "start" and merged.step_names == ["late"]
    with pytest.raises(WorkflowTypeNotRegisteredError, match="No workflow type 'nobody' is defined here"):
        nf.start_workflow("nobody")


def test_a_definition_travels_by_pickle_without_taking_the_place_of_the_one_here() -> None:
    workflow = order()
    copy = cloudpickle.loads(cloudpickle.dumps(workflow))
    assert copy.form() == workflow.form()
    assert registry.find("definition") is workflow


def test_the_form_says_where_each_handler_may_lead() -> None:
    moves = order().form()["moves"]
    assert ["start", "wait"] in moves and ["wait", "late"] in moves
    assert ["late", "complete"] in moves and ["approve", "late"] in moves


def test_choices_are_checked_when_they_are_made() -> None:
    choose = Next(order())
    assert choose.step("late").name == choose.step(registry.find("definition").handler("late").function).name == "late"
    assert choose.wait(timedelta(hours=1), "late").seconds == choose.wait_for_event(3600, "late").seconds == 3600
    for wrong, error, match in (
        (lambda: choose.step("nope"), ValueError, "has no step 'nope'; there are: 'late'"),
        (lambda: choose.step("late", colour="red"), TypeError, "unexpected keyword argument 'colour'"),
        (lambda: choose.wait(5, "late", timeout_step="late"), ValueError, "they mean the same"),
        (lambda: choose.wait(True, "late"), TypeError, "a duration is a timedelta"),
        (lambda: choose.sleep(timedelta(days=-1), "late"), ValueError, "must not be negative"),
        (lambda: choose.continue_as_new(), TypeError, "missing a required argument: 'order_id'"),
        (lambda: choose.fail(3), TypeError, "takes an exception or a text"),
    ):
        with pytest.raises(error, match=match):
            wrong()  # type: ignore[no-untyped-call]


def test_the_start_has_two_spellings_and_takes_each_thing_once() -> None:
    order()
    with pytest.raises(TypeError, match="give a workflow once: workflow_type and type mean the same"):
        nf.start_workflow(workflow_type="definition", type="definition")
    with pytest.raises(TypeError, match="takes a Workflow or the name of its type, not None"):
        nf.start_workflow()
    with pytest.raises(TypeError, match=r"the input of 'definition' does not fit start\(ctx, order_id\)"):
        nf.start_workflow(type="definition", input={"order": 1})
