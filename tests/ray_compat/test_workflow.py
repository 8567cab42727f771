"""``workflow``: Ray's functions on nbflow's engine, and nothing that pretends to be there."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import nbflow as nf
from nbflow.ray_compat import ray, workflow
from tests.engine.tools import until


@ray.remote
def bad() -> None:
    raise ValueError("no")


@ray.remote
def one() -> int:
    return 1


def test_a_failure_is_a_task_error_and_a_workflow_error_with_its_cause() -> None:
    for kind in (ray.exceptions.RayTaskError, workflow.WorkflowExecutionError, workflow.exceptions.WorkflowError):
        with pytest.raises(kind) as failed:
            workflow.run(bad.bind())
        assert isinstance(failed.value.__cause__, ValueError)


def test_cancel_stops_what_runs_and_leaves_what_has_ended_as_it_is() -> None:
    waiting = workflow.run_async(nf.wait_for_event("go"), workflow_id="w")
    workflow.cancel("w")
    with pytest.raises(workflow.WorkflowCancellationError):
        ray.get(waiting)
    workflow.run(one.bind(), workflow_id="v")
    workflow.cancel("v")
    assert (workflow.get_status("v"), workflow.get_output("v")) == ("SUCCESSFUL", 1)
    with pytest.raises(workflow.WorkflowNotFoundError):
        workflow.cancel("nothing")


def test_runs_are_listed_resumed_and_deleted() -> None:
    with pytest.raises(ray.exceptions.RayTaskError):
        workflow.run(bad.bind(), workflow_id="w")
    assert workflow.list_all(workflow.FAILED) == [("w", workflow.WorkflowStatus.FAILED)]
    assert workflow.resume_all() == []
    ((workflow_id, ref),) = workflow.resume_all(include_failed=True)
    assert workflow_id == "w"
    for again in (lambda: ray.get(ref), lambda: workflow.resume("w"), lambda: ray.get(workflow.resume_async("w"))):
        with pytest.raises(ray.exceptions.RayTaskError):
            again()
    until(lambda: workflow.get_status("w") == "FAILED")
    workflow.delete("w")
    with pytest.raises(workflow.exceptions.WorkflowNotFoundError):
        workflow.get_status("w")


def test_metadata_of_a_run_and_of_a_task() -> None:
    f = one.options(num_cpus=1, **workflow.options(task_id="first", metadata={"a": 1}))
    workflow.run(f.bind(), workflow_id="w", metadata={"b": 2})
    assert workflow.get_metadata("w")["user_metadata"] == {"b": 2}
    found = workflow.get_metadata("w", task_id="first")
    assert found["user_metadata"] == {"a": 1}
    assert found["task_options"]["resources"] == {"CPU": 1}


def test_options_are_those_of_ray_workflows_and_are_checked_at_once() -> None:
    for wrong in ({"max_retries": 3}, {"name": "x"}):
        with pytest.raises(ValueError, match="task_id, metadata, catch_exceptions, checkpoint"):
            workflow.options(**wrong)
    for value in ({"metadata": 5}, {"metadata": {"x": object()}}, {"task_id": ""}, {"checkpoint": 1}):
        with pytest.raises(ValueError):
            workflow.options(**value)
    with pytest.raises(ValueError, match=r"Only apply workflow\.options to Ray remote functions"):
        workflow.options(task_id="x")(len)  # type: ignore[arg-type]


def test_options_go_above_the_function_and_into_its_own() -> None:
    @workflow.options(catch_exceptions=True, task_id="old", metadata={"old": 1})
    @ray.remote(max_retries=7)
    def caught() -> int:
        raise ValueError("no")

    value, error = workflow.run(caught.bind())
    assert value is None
    assert isinstance(error, ValueError)
    later = caught.options(**workflow.options(task_id="new"))
    assert (later.task_id, later.metadata, later.settings.retry.max_retries) == ("new", {"old": 1}, 7)


def test_an_input_with_the_name_of_an_option_of_nbflow_is_refused_before_anything_is_stored() -> None:
    with ray.dag.InputNode() as given:
        dag = ray.remote(lambda x: x).bind(given.takeover)
    for start in (workflow.run, workflow.run_async):
        with pytest.raises(TypeError, match=r"'takeover'.*rename"):
            start(dag, takeover=5)
    assert workflow.list_all() == []


def test_events_are_nbflows() -> None:
    class Five(workflow.EventListener):
        async def poll_for_event(self, more: int) -> int:
            return 5 + more

    gather = ray.remote(lambda *args: args)
    dag = gather.bind(workflow.wait_for_event(Five, 1), workflow.sleep(0), "x")
    assert workflow.run(dag) == (6, None, "x")
    assert workflow.event_provider.HTTPListener is nf.HTTPListener
    assert workflow.event_listener.TimerListener is nf.TimerListener


def test_limits_are_given_by_name() -> None:
    with pytest.raises(TypeError):
        workflow.init(1, 2)  # type: ignore[misc]


@pytest.mark.parametrize(("name", "instead"), [("step", "ray.remote"), ("create", "workflow.run"), ("bogus", "no")])
def test_what_ray_had_once_says_what_to_write_now(name: str, instead: str) -> None:
    with pytest.raises(AttributeError, match=instead):
        getattr(workflow, name)
    assert not hasattr(workflow, name)


@pytest.mark.parametrize(("name", "instead"), [("actor", "nbflow.Workflow"), ("data", "not the rest of Ray")])
def test_what_ray_has_and_this_has_not_says_so(name: str, instead: str) -> None:
    with pytest.raises(AttributeError, match=instead):
        getattr(ray, name)


@pytest.mark.parametrize("place", [ray, workflow, ray.dag, ray.exceptions, workflow.exceptions])
def test_every_name_is_there_and_documented(place: Any) -> None:
    for name in place.__all__:
        thing = getattr(place, name)
        assert inspect.ismodule(thing) or inspect.getdoc(thing), name
