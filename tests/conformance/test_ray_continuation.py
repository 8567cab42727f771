"""Ray Workflows, rows C059 to C075: continuations, and the names of tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.errors import GraphError, WorkflowExecutionError
from tests.engine.tools import Counter


@nf.task
def add(a: int, b: int) -> int:
    return a + b


@nf.task
def factorial(n: int, product: int = 1) -> Any:
    return product if n < 2 else nf.continuation(factorial.bind(n - 1, product * n))


def test_C059_the_continuation_takes_the_place_of_the_value(tmp_path: Path) -> None:
    calls = Counter(tmp_path / "calls")

    @nf.task
    def grows(x: int) -> Any:
        calls.add()
        return nf.continuation(add.bind(x, 1))

    assert nf.run(add.bind(grows.bind(1), 10)) == 12
    assert calls.count() == 1


def test_C060_a_continuation_may_return_another() -> None:
    @nf.task
    def nested(n: int) -> Any:
        return "end" if n == 0 else nf.continuation(nested.bind(n - 1))

    assert nf.run(nested.bind(20)) == "end"


def test_C061_loops_forks_and_recursion_inside_a_task() -> None:
    @nf.task
    def source(name: str) -> str:
        return f"[{name}]"

    @nf.task
    def append(x: str, name: str) -> str:
        return f"{x}[{name}]"

    @nf.task
    def loop() -> Any:
        node = source.bind("source1")
        for _ in range(3):
            node = append.bind(node, "append1")
        return nf.continuation(append.bind(node, "append2"))

    @nf.task
    def join(a: str, b: str) -> str:
        return f"join({a}, {b})"

    @nf.task
    def fork() -> Any:
        return nf.continuation(join.bind(source.bind("a"), source.bind("b")))

    assert nf.run(loop.bind()) == "[source1][append1][append1][append1][append2]"
    assert nf.run(fork.bind()) == "join([a], [b])"
    assert nf.run(factorial.bind(10)) == 3628800


def test_C062_a_tail_recursion_of_a_hundred(folder: Path) -> None:
    @nf.task
    def count(n: int, to: int) -> Any:
        return n if n == to else nf.continuation(count.bind(n + 1, to))

    assert nf.run(count.bind(0, 100), workflow_id="w") == 100
    nf.shutdown()
    nf.init(storage=str(folder))
    assert nf.get_output("w") == nf.get_output("w", task_id="count") == 100


@pytest.mark.parametrize("what", [5, None, "x"])
def test_C064_a_continuation_of_what_is_no_graph_is_refused(what: object) -> None:
    with pytest.raises(TypeError, match="Input should be a DAG"):
        nf.continuation(what)
    bad = nf.task(lambda: nf.continuation(what), name="bad")
    with pytest.raises(WorkflowExecutionError) as failed:
        nf.run(bad.bind())
    assert isinstance(failed.value.__cause__, TypeError)


def test_C065_outside_a_run_a_continuation_is_executed_at_once() -> None:
    @nf.task(catch_exceptions=True)
    def risky() -> None:
        raise ValueError("no")

    @nf.task
    async def later(x: int) -> int:
        return x + 1

    assert factorial(10) == 3628800
    assert nf.continuation(add.bind(add.bind(1, 2), later.bind(3))) == 7
    value, error = nf.continuation(risky.bind())
    assert value is None
    assert isinstance(error, ValueError)


def test_C066_C067_a_bare_node_or_a_container_of_nodes_is_a_continuation() -> None:
    bare = nf.task(lambda: add.bind(3, 5), name="bare")
    several = nf.task(lambda: [add.bind(1, 1), add.bind(2, 2), 5], name="several")
    named = nf.task(lambda: {"a": add.bind(1, 1)}, name="named")
    assert nf.run(bare.bind()) == 8
    assert nf.run(several.bind()) == [2, 4, 5]
    assert nf.run(named.bind()) == {"a": 2}


def test_C068_every_link_of_a_recursion_has_the_final_value() -> None:
    assert nf.run(factorial.bind(5), workflow_id="w") == 120
    names = ["factorial", *(f"factorial_{i}" for i in range(1, 5))]
    assert [nf.get_output("w", task_id=name) for name in names] == [120] * 5


def test_C069_when_a_continuation_fails_only_what_failed_runs_again(tmp_path: Path) -> None:
    calls = Counter(tmp_path / "calls")

    @nf.task
    def inner() -> str:
        if calls.add("inner") == 1:
            raise ValueError("first time")
        return "ok"

    @nf.task
    def outer() -> Any:
        calls.add("outer")
        return nf.continuation(inner.bind())

    with pytest.raises(WorkflowExecutionError):
        nf.run(outer.bind(), workflow_id="w")
    assert nf.resume("w") == "ok"
    assert calls.words == ["outer", "inner", "inner"]


def test_C070_the_id_of_a_task_is_the_name_of_its_function() -> None:
    nf.run(add.bind(1, 2), workflow_id="w")
    assert nf.get_output("w", task_id="add") == 3


def test_C071_a_second_task_of_a_name_gets_a_number_in_bind_order() -> None:
    nf.run(add.bind(add.bind(add.bind(1, 1), 1), 1), workflow_id="w")
    assert [nf.get_output("w", task_id=name) for name in ("add", "add_1", "add_2")] == [2, 3, 4]


def test_C072_C078_an_id_can_be_given() -> None:
    named = nf.task(task_id="given", metadata={"k": 1})(lambda: 5)
    dag = add.options(task_id="sum").bind(named.bind(), named.options(task_id="other").bind())
    nf.run(dag, workflow_id="w")
    assert [nf.get_output("w", task_id=name) for name in ("given", "other", "sum")] == [5, 5, 10]
    assert nf.get_metadata("w", "given")["user_metadata"] == {"k": 1}


def test_C073_given_and_made_ids_never_meet() -> None:
    t = nf.task(lambda x: x, name="t")
    dag = [t.bind("A"), t.options(task_id="t_1").bind("B"), t.bind("C")]
    assert nf.run(dag, workflow_id="w") == ["A", "B", "C"]
    assert [nf.get_output("w", task_id=name) for name in ("t", "t_1", "t_2")] == ["A", "B", "C"]


def test_C073_two_nodes_with_one_given_id_are_refused_and_leave_nothing_behind() -> None:
    t = nf.task(lambda x: x, task_id="t")
    with pytest.raises(GraphError, match="'t'"):
        nf.run([t.bind(1), t.bind(2)], workflow_id="w")
    assert nf.list_all() == []
    assert nf.run(add.bind(1, 2), workflow_id="w") == 3


def test_C074_an_id_may_hold_a_slash() -> None:
    nf.run(add.options(task_id="a/b").bind(1, 2), workflow_id="w")
    assert nf.get_output("w", task_id="a/b") == 3


def test_C075_later_options_replace_those_they_name_and_keep_the_others() -> None:
    first = nf.task(task_id="a", metadata={"x": 1}, max_retries=7)(lambda: 1)
    later = first.options(task_id="b", metadata={"y": 2})
    assert (later.task_id, later.metadata, later.settings.retry.max_retries) == ("b", {"y": 2}, 7)
    assert (first.task_id, first.metadata) == ("a", {"x": 1})
