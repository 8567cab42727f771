"""Ray Workflows, rows C041 to C058: what a graph may be made of."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nbflow as nf
from nbflow.errors import CheckpointError, WorkflowExecutionError
from tests.engine.tools import Counter, large_files


@nf.task
def add(a: Any, b: Any) -> Any:
    return a + b


@nf.task
def echo(*args: Any, **kwargs: Any) -> Any:
    return (*args, *kwargs.items()) if kwargs or len(args) != 1 else args[0]


def test_C041_inputs_by_place_and_by_name() -> None:
    @nf.task
    def left(x: float, y: str, a: int) -> str:
        return f"left({x}, {y}, {a})"

    @nf.task
    def right(x: float, y: str, a: int) -> str:
        return f"right({x}, {y}, {a})"

    @nf.task
    def entry(left: str, right: str, y: str) -> str:
        return f"{left},{right};{y}"

    with nf.InputNode() as given:
        summed = add.bind(add.bind(given[0], given[1]), 18.0)
        dag = entry.bind(left.bind(summed, "hello", given.a), right.bind(summed, given.b, given[0]), given.b)
    assert nf.run(dag, 2, 3.14, a=10, b="ok") == "left(23.14, hello, 10),right(23.14, ok, 2);ok"


def test_C042_a_missing_input_is_named_before_anything_is_stored() -> None:
    given = nf.InputNode()
    with pytest.raises(KeyError, match="'k'"):
        nf.run(echo.bind(given.k), workflow_id="w")
    with pytest.raises(IndexError, match="input 1"):
        nf.run(echo.bind(given[1]), 5)
    assert nf.list_all() == []


def test_C043_the_bare_input_is_the_only_argument() -> None:
    given = nf.InputNode()
    assert nf.run(add.bind(given, given), 2) == 4
    with pytest.raises(KeyError, match="exactly one"):
        nf.run(add.bind(given, 1), 2, 3)


def test_C044_a_node_used_twice_runs_once_in_each_run(tmp_path: Path) -> None:
    calls = Counter(tmp_path / "calls")

    @nf.task
    def source() -> int:
        return calls.add()

    node = source.bind()
    dag = echo.bind(node, [node], add.bind(node, node))
    assert nf.run(dag) == (1, [1], 2)
    assert nf.run(dag) == (2, [2], 4)


def test_C045_C046_a_node_anywhere_arrives_as_its_value() -> None:
    @dataclass
    class Pair:
        one: Any
        two: Any

    node = add.bind(1, 2)
    assert nf.run(echo.bind(node, k=node)) == (3, ("k", 3))
    assert nf.run(echo.bind([node, (node, {"x": node})])) == [3, (3, {"x": 3})]
    assert nf.run(echo.bind({node})) == {3}
    assert nf.run(echo.bind({node: node})) == {3: 3}
    found = nf.run(echo.bind(Pair(node, [node])))
    assert (found.one, found.two) == (3, [3])


def test_C047_C123_C125_a_put_value_is_stored_once_and_shared() -> None:
    @nf.task
    def same(a: Any, bs: list[Any]) -> bool:
        return all(a is b for b in bs)

    value = nf.put(np.zeros(100_000))
    assert nf.run(same.bind(value, [value] * 20), workflow_id="w") is True


def test_C047_C123_a_large_value_used_by_many_nodes_is_one_file(folder: Path) -> None:
    value = nf.put(np.arange(100_000.0))
    total = nf.task(lambda x, i: float(x.sum()) + i, name="total")
    assert len(nf.run([total.bind(value, i) for i in range(21)], workflow_id="w")) == 21
    assert len(large_files(folder, 500_000)) == 1


def test_C048_C049_C050_what_a_task_returns_is_not_looked_into() -> None:
    nested = nf.task(lambda: [[42], (1, [2])], name="nested")
    assert nf.run(nested.bind()) == [[42], (1, [2])]
    assert nf.run(echo.bind(nested.bind())) == [[42], (1, [2])]


def test_C051_arguments_that_do_not_fit_are_refused_at_bind() -> None:
    @nf.task
    def f(a: int, b: int = 2, *, c: int = 3) -> tuple[int, int, int]:
        return a, b, c

    for args, kwargs in (((), {}), ((1, 2, 3), {}), ((1,), {"d": 1}), ((1,), {"a": 1})):
        with pytest.raises(TypeError, match=r"f.*cannot be bound"):
            f.bind(*args, **kwargs)
    assert nf.run(f.bind(1)) == (1, 2, 3)
    assert nf.run(f.bind(1, c=5)) == (1, 2, 5)
    assert nf.run(f.bind(b=7, a=6)) == (6, 7, 3)


def test_C052_a_task_called_directly_is_the_plain_function() -> None:
    assert add(1, 2) == 3


def test_C053_one_task_has_one_value() -> None:
    with pytest.raises(ValueError, match="num_returns"):
        add.options(num_returns=2)


def test_C054_a_class_may_be_a_task_and_its_instance_is_the_value() -> None:
    from fractions import Fraction

    assert nf.run(add.bind(nf.task(Fraction).bind(1, 2), 1)) == Fraction(3, 2)


def test_C055_an_async_function_is_a_task() -> None:
    @nf.task
    async def twice(x: int) -> int:
        return 2 * x

    assert nf.run(add.bind(twice.bind(1), twice.bind(twice.bind(1)))) == 6


def random_dag(size: int, seed: int) -> tuple[Any, int]:
    """Return a graph and its value by plain execution."""
    chance = random.Random(seed)
    nodes, values = [add.bind(1, 0)], [1]
    for _ in range(size - 1):
        i, j = chance.randrange(len(nodes)), chance.randrange(len(nodes))
        nodes.append(add.bind(nodes[i], nodes[j]))
        values.append(values[i] + values[j])
    return nodes[-1], values[-1]


def layered_dag(width: int, depth: int) -> tuple[Any, int]:
    total = nf.task(lambda xs: sum(xs), name="total")
    layer, value = [add.bind(1, 0) for _ in range(width)], 1
    for _ in range(depth):
        layer, value = [total.bind(list(layer)) for _ in range(width)], value * width
    return total.bind(layer), value * width


def test_C056_graphs_of_every_shape_give_what_plain_execution_gives_ten_times_at_once() -> None:
    graphs = [random_dag(41, 7), layered_dag(5, 5), (add.bind(add.bind(1, 2), add.bind(1, 2)), 6)]
    runs = [(nf.run_async(dag), value) for _ in range(10) for dag, value in graphs]
    assert [run.result(30) for run, _ in runs] == [value for _, value in runs]


def test_C057_a_large_intermediate_goes_through() -> None:
    size = 128 * 1024 * 1024 // 8
    make = nf.task(lambda: np.arange(size, dtype=np.float64), name="make")
    mean = nf.task(lambda x: float(x.mean()), name="mean")
    assert nf.run(mean.bind(make.bind())) == 8388607.5


def test_C058_a_bound_value_is_the_one_at_bind() -> None:
    numbers, array, table = [1, 2], np.ones(10_000), {"a": [1]}
    dag = echo.bind(numbers, array, table)
    numbers.append(3)
    array[:] = 5
    table["a"].append(2)
    found = nf.run(dag)
    assert (found[0], found[1].sum(), found[2]) == ([1, 2], 10_000, {"a": [1]})


def test_C058_a_value_that_cannot_be_kept_is_refused_at_bind() -> None:
    import threading

    with pytest.raises(CheckpointError, match="Argument 1 of 'echo'"):
        echo.bind(threading.Lock())
    assert nf.list_all() == []


def test_an_input_that_is_a_node_is_refused_and_an_input_in_a_continuation_too() -> None:
    given = nf.InputNode()
    with pytest.raises(TypeError, match="not a node"):
        nf.run(echo.bind(given), add.bind(1, 2))
    bad = nf.task(lambda: nf.continuation(echo.bind(nf.InputNode().x)), name="bad")
    with pytest.raises(WorkflowExecutionError, match="InputNode"):
        nf.run(bad.bind())
    with pytest.raises(TypeError, match="no InputNode"):
        nf.run(echo.bind(1), 5)
