"""From bound nodes to the plain graph: names, order, inputs, code, and graphs of any size."""

from __future__ import annotations

import pickle
import sys
import threading
import time
from typing import Any

import cloudpickle
import pytest

import nbflow as nf
from nbflow.core.graph import NodeKind
from nbflow.dag.code import CodeBook
from nbflow.dag.compile import bind_inputs, collect, compile_graph, packed, root_of, unpacked
from nbflow.dag.growth import Continuation, growth
from nbflow.errors import GraphError


@nf.task
def f(*args: Any, **kwargs: Any) -> Any:
    return args


def graph(dag: Any, **rest: Any) -> Any:
    return compile_graph(root_of(dag), CodeBook().key_of, lambda sealed: {"stored": len(sealed.head)}, **rest)


def names(dag: Any) -> list[str]:
    return [spec.node_id for spec in graph(dag).specs]


def test_nodes_are_named_after_their_functions_with_a_number_in_bind_order() -> None:
    g = f.options(name="g")
    first, second, third = f.bind(), g.bind(), f.bind()
    assert names(f.bind(third, [second], k=first)) == ["f", "g", "f_1", "f_2"]


def test_made_names_keep_clear_of_given_ones_and_of_functions_that_look_like_them() -> None:
    looks_like = f.options(name="f_1")
    found = names([f.bind(), looks_like.bind(), f.bind(), f.options(task_id="f_2").bind(), f.bind(), f.bind()])
    assert len(set(found)) == len(found)
    assert (found[:2], found[3]) == (["f", "f_1"], "f_2")


def test_the_names_are_those_of_the_cell_however_often_it_is_run() -> None:
    def cell() -> Any:
        return f.bind(f.bind(1), nf.sleep(1), nf.wait_for_event("go"), nf.put(5))

    assert names(cell()) == names(cell()) == ["f", "sleep", "wait_for_go", "value", "f_1"]


def test_two_nodes_with_one_given_id_are_refused() -> None:
    with pytest.raises(GraphError, match="'a'"):
        graph([f.options(task_id="a").bind(), f.options(task_id="a").bind()])


def test_a_shared_node_is_one_node_and_every_node_comes_after_what_it_needs() -> None:
    shared = f.bind()
    found = graph(f.bind(f.bind(shared), shared))
    assert len(found.specs) == 3
    assert all(dep < i for i, spec in enumerate(found.specs) for dep in spec.deps)
    assert found.output == 2


@pytest.mark.parametrize("what", [None, 5, "x", f, [], {}, [1, [2]], ()])
def test_what_holds_no_node_is_no_graph(what: object) -> None:
    with pytest.raises(TypeError, match="Input should be a DAG"):
        root_of(what)


def test_a_container_of_nodes_is_a_graph_of_their_values() -> None:
    found = graph({"a": f.bind(), "b": [f.bind()]})
    assert (found.specs[-1].kind, found.specs[-1].deps) == (NodeKind.VALUE, (0, 1))


def test_inputs_are_found_by_place_and_by_name() -> None:
    given = nf.InputNode()
    root = root_of(f.bind(given[0], given.name))
    assert list(bind_inputs(root, (1,), {"name": 2}).values()) == [1, 2]
    with pytest.raises(IndexError, match="input 0"):
        bind_inputs(root, (), {"name": 2})
    with pytest.raises(KeyError, match="name"):
        bind_inputs(root, (1,), {})
    with pytest.raises(
        TypeError, match=r"run\(\) got workfow_id=, which is none of its options \(workflow_id=, .*InputNode"
    ):
        bind_inputs(root_of(f.bind()), (), {"workfow_id": "w"})
    with pytest.raises(TypeError, match="no InputNode"):
        bind_inputs(root_of(f.bind()), (1,), {})
    with pytest.raises(TypeError, match="not a node"):
        bind_inputs(root, (1,), {"name": [f.bind()]})


def test_an_input_is_refused_where_nobody_gives_one() -> None:
    given = nf.InputNode()
    with pytest.raises(GraphError, match="InputNode"):
        graph(f.bind(given.x))
    with pytest.raises(GraphError, match="InputNode"):
        pickle.dumps(Continuation(f.bind(given.x)))
    assert graph(f.bind(given), inputs=bind_inputs(root_of(f.bind(given)), (5,), {})).specs[0].call == [[5]]


def test_the_same_code_is_stored_once() -> None:
    book = CodeBook()
    keys = {book.key_of(node._task) for node in collect(root_of([f.bind(i) for i in range(100)]))[:-1]}
    assert len(keys) == len(book.take_fresh()) == 1
    assert book.take_fresh() == []


def test_other_options_are_other_code_also_when_the_code_cannot_be_stored() -> None:
    lock = threading.Lock()
    held = nf.task(lambda: lock, name="held")
    book = CodeBook()
    assert book.key_of(held) != book.key_of(held.options(max_retries=9))
    fresh = book.take_fresh()
    assert [(code.sealed, code.options.retry.max_retries) for code in fresh] == [(None, 3), (None, 9)]
    assert "lock" in fresh[0].why


def test_unset_checkpoints_are_inherited() -> None:
    book = CodeBook()
    root = root_of(f.bind(f.options(checkpoint=True).bind()))
    found = compile_graph(root, book.key_of, lambda _: None, inherit=False)
    options = {code.key: code.options.checkpoint for code in book.take_fresh()}
    assert [options[spec.code] for spec in found.specs] == [True, False]


def chain(length: int) -> Any:
    node = f.bind(0)
    for _ in range(length - 1):
        node = f.bind(node)
    return node


def test_a_chain_of_a_hundred_thousand_nodes_needs_no_recursion_and_little_time() -> None:
    began, limit = time.process_time(), sys.getrecursionlimit()
    node = chain(100_000)
    found = graph(node)
    again = unpacked(pickle.loads(cloudpickle.dumps(packed(node))))
    assert len(found.specs) == len(collect(again)) == 100_000
    assert found.specs[-1].deps == (99_998,)
    assert (time.process_time() - began < 20, sys.getrecursionlimit()) == (True, limit)


def test_a_graph_comes_out_of_its_packing_as_it_went_in() -> None:
    shared = f.options(task_id="s", metadata={"m": 1}).bind({1, 2})
    root = root_of(f.bind(shared, f.map([1, 2]), nf.put(b"x"), k=[shared]))
    before, after = graph(root), graph(unpacked(pickle.loads(cloudpickle.dumps(packed(root)))))
    strip = [(s.node_id, s.kind, s.deps, s.call, s.group, s.metadata) for s in before.specs]
    assert strip == [(s.node_id, s.kind, s.deps, s.call, s.group, s.metadata) for s in after.specs]
    assert before.output == after.output


def test_what_makes_a_run_grow() -> None:
    node = f.bind()
    for value in (node, [1, node], (node,), {"a": node}):
        assert growth(value) is value
    assert growth(Continuation(node)) is node
    for value in (None, 1, [1], {"a": [node]}, {node: 1}, {node}, "x", f):
        assert growth(value) is None
