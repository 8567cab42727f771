"""``ray.get``, ``ray.put`` and ``ray.wait``, and what becomes of refs in values and arguments."""

from __future__ import annotations

import asyncio
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nbflow as nf
from nbflow.ray_compat import ray, workflow
from tests.engine.tools import Counter, Gate, large_files


@ray.remote
def add(a: Any, b: Any) -> Any:
    return a + b


@pytest.fixture
def gate() -> Gate:
    return Gate()


def test_get_takes_a_ref_a_list_of_refs_a_workflow_and_what_is_there_already() -> None:
    run = workflow.run_async(add.bind(1, 2), workflow_id="w")
    output = workflow.get_output_async("w")
    assert ray.get(run) == ray.get(output) == 3
    assert ray.get([run, output, ray.put(4), 5]) == [3, 3, 4, 5]
    assert ray.get(5) == 5
    assert all(isinstance(ref, ray.ObjectRef) for ref in (run, output, ray.put(1), add.remote(1, 2)))


def test_a_node_has_no_value_to_get() -> None:
    with pytest.raises(TypeError, match=r"workflow.run\(node\)"):
        ray.get(add.bind(1, 2))


def test_a_reference_is_not_put() -> None:
    with pytest.raises(TypeError, match="not a reference"):
        ray.put(ray.put(1))


def test_get_waits_no_longer_than_it_may(gate: Gate) -> None:
    stay = ray.remote(lambda: gate.wait())
    run = workflow.run_async(nf.wait_for_event("go"))
    ref = stay.remote()
    for each in (ref, run, [ref], workflow.get_output_async(run.workflow_id)):
        with pytest.raises(ray.exceptions.GetTimeoutError, match="no value yet"):
            ray.get(each, timeout=0.01)
    gate.open.set()
    run.send("go", 7)
    assert ray.get([ref, run], timeout=20) == [None, 7]


def test_a_timeout_that_a_function_raised_is_not_the_callers() -> None:
    def late() -> None:
        raise TimeoutError("mine")

    with pytest.raises(ray.exceptions.RayTaskError) as failed:
        ray.get(ray.remote(late).remote(), timeout=20)
    assert not isinstance(failed.value, ray.exceptions.GetTimeoutError)
    assert isinstance(failed.value, TimeoutError)


def test_wait_gives_as_many_as_asked_for_in_the_given_order(gate: Gate) -> None:
    late = ray.remote(lambda: gate.wait()).remote()
    run = workflow.run_async(nf.wait_for_event("go"))
    refs = [late, ray.put(1), run, ray.put(2)]
    assert ray.wait(refs, num_returns=2) == ([refs[1], refs[3]], [late, run])
    assert ray.wait(refs) == ([refs[1]], [late, run, refs[3]])
    assert ray.wait(refs, num_returns=3, timeout=0.01) == ([refs[1], refs[3]], [late, run])
    run.send("go")
    assert ray.wait(refs, num_returns=3) == (refs[1:], [late])
    gate.open.set()
    assert ray.wait([late], timeout=20) == ([late], [])


@pytest.mark.parametrize(("refs", "count"), [([], 1), ([1], 0), ([1], 2)])
def test_wait_refuses_a_number_that_cannot_come(refs: list[int], count: int) -> None:
    with pytest.raises(ValueError, match="num_returns"):
        ray.wait([ray.put(each) for each in refs], num_returns=count)


def test_wait_takes_only_refs() -> None:
    with pytest.raises(TypeError, match="object refs"):
        ray.wait([5])


def test_refs_can_be_awaited() -> None:
    async def both() -> tuple[int, int]:
        return await add.remote(1, 2), await workflow.run_async(add.bind(3, 4))

    assert asyncio.run(both()) == (3, 7)


def test_a_ref_in_the_value_of_a_task_is_stored_as_what_it_refers_to(folder: Path) -> None:
    @ray.remote
    def words() -> list[Any]:
        return [add.remote("hel", "lo"), ray.put("world")]

    @ray.remote
    def concat(words: list[Any]) -> str:
        return " ".join(ray.get(word) for word in words)

    assert workflow.run(concat.bind(words.bind()), workflow_id="w") == "hello world"
    ray.shutdown()
    ray.init(storage=str(folder))
    assert ray.get(workflow.get_output("w", task_id="words")) == ["hello", "world"]


def test_a_ref_as_the_value_of_a_task_is_the_same_to_who_runs_and_who_resumes(folder: Path) -> None:
    @ray.remote
    def later(a: int, b: int) -> Any:
        return add.remote(a, b)

    dag = later.bind(ray.put(10), ray.put(20))
    assert workflow.run(dag, workflow_id="w") == 30
    assert ray.get(workflow.run_async(dag, workflow_id="v")) == 30
    ray.shutdown()
    ray.init(storage=str(folder))
    assert workflow.resume("w") == workflow.get_output("w") == ray.get(workflow.get_output_async("v")) == 30


def test_a_ref_that_fails_travels_as_its_failure() -> None:
    ref = ray.remote(lambda: 1 // 0).remote()
    again = pickle.loads(pickle.dumps(ref))
    with pytest.raises(ZeroDivisionError) as failed:
        ray.get(again)
    assert isinstance(failed.value, ray.exceptions.RayTaskError)
    assert isinstance(failed.value.__cause__, ZeroDivisionError)


def test_a_large_value_that_is_put_once_is_stored_once(folder: Path) -> None:
    value = ray.put(np.arange(100_000.0))
    total = ray.remote(lambda xs, i: float(sum(x.sum() for x in xs)) + i)
    dag = ray.remote(lambda *parts: sum(parts)).bind(*[total.bind([value, value], i) for i in range(7)])
    assert workflow.run(dag) == 2 * 7 * float(np.arange(100_000.0).sum()) + 21
    assert len(large_files(folder, 500_000)) == 1


def test_the_value_of_another_workflow_is_waited_for_when_the_run_comes_to_it(tmp_path: Path) -> None:
    calls = Counter(tmp_path / "calls")
    first = workflow.run_async(nf.wait_for_event("go"), workflow_id="first")
    second = workflow.run_async(ray.remote(lambda x: (calls.add(), x)).bind([first]), workflow_id="second")
    assert calls.count() == 0
    first.send("go", 5)
    assert ray.get(second) == (1, [5])


def test_a_ref_may_be_an_input_of_a_workflow() -> None:
    with ray.dag.InputNode() as given:
        dag = add.bind(given[0], given.more)
    assert workflow.run(dag, ray.put([1]), more=[ray.get(ray.put(2))]) == [1, 2]
    assert workflow.run(dag, [ray.put(1)], more=ray.put([2])) == [1, 2]
    assert ray.get(dag.execute([1], more=[3])) == [1, 3]


def test_an_async_task_awaits_a_ref_and_may_not_block_the_engine_for_it(gate: Gate) -> None:
    stay = ray.remote(lambda: gate.wait() or 5)

    @ray.remote
    async def blocks() -> Any:
        return ray.get(stay.remote(), timeout=20)

    @ray.remote
    async def waits() -> Any:
        return await stay.remote()

    with pytest.raises(workflow.WorkflowExecutionError, match="await the async form"):
        workflow.run(blocks.bind())
    run = workflow.run_async(waits.bind())
    gate.open.set()
    assert ray.get(run, timeout=20) == 5
