"""Arguments, frozen at bind: what goes in comes out, with the values of nodes in their places."""

from __future__ import annotations

import enum
import json
import threading
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbflow as nf
from nbflow.dag.code import CodeBook
from nbflow.dag.eager import load
from nbflow.dag.template import fill, replace_sealed, template
from nbflow.errors import CheckpointError

Point = namedtuple("Point", "x y")


class Colour(enum.IntEnum):
    RED = 1


@dataclass
class Pair:
    one: Any
    two: Any


class Plain:
    def __init__(self, **parts: Any) -> None:
        self.__dict__.update(parts)


def through(value: Any) -> Any:
    """Freeze a value, write it as JSON and fill it in again; a node's value is its place."""
    node = nf.task(lambda x: x, name="f").bind(value)
    call = json.loads(json.dumps(node._call, allow_nan=False))
    deps = node._deps

    def dependency(place: int) -> str:
        return f"<{deps[place]._task_id}>"

    return fill(call[0][0], dependency, lambda place: load(node._sealed[place], dependency))


def named(name: str) -> Any:
    return nf.task(lambda: 0, task_id=name).bind()


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(max_size=5)
keys = st.text() | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False) | st.tuples(st.integers())
plain_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4) | st.lists(inner, max_size=3).map(tuple)
    ),
    max_leaves=12,
)


@given(plain_values)
def test_every_plain_value_comes_out_as_it_went_in(value: Any) -> None:
    found = through(value)
    assert found == value
    assert repr(found) == repr(value)


@pytest.mark.parametrize(
    "value",
    [
        10**6000, -(10**6000), {10**400: 1}, float("inf"), [float("-inf")], "\udc80", {"\udc80": 1}, Colour.RED,
        Point(1, 2), OrderedDict(a=1), {1, 2}, frozenset({1}), b"x", 1j, range(5), {(1, 2): 3}, np.float64(1.5),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_a_value_of_its_own_kind_keeps_it(value: Any) -> None:
    found = through(value)
    assert (found, type(found)) == (value, type(value))


def test_nan_and_cycles_and_depth_survive() -> None:
    found = through([float("nan")])
    assert found[0] != found[0]
    cycle: list[Any] = []
    cycle.append(cycle)
    found = through(cycle)
    for _ in range(500):
        (found,) = found
    deep: Any = "bottom"
    for _ in range(200):
        deep = [deep]
    assert through(deep) == deep


def test_what_is_too_deep_to_keep_is_refused_by_name() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(CheckpointError, match="Argument 1 of 'f'"):
        through(deep)
    while deep:
        deep = deep.pop()


def test_nodes_are_found_in_every_kind_of_container() -> None:
    a, b = named("a"), named("b")
    assert through([a, (b, {"k": a})]) == ["<a>", ("<b>", {"k": "<a>"})]
    assert through({a, b}) == {"<a>", "<b>"}
    assert through({a: b}) == {"<a>": "<b>"}
    assert through(Point(a, [b])) == Point("<a>", ["<b>"])
    assert through(Pair(a, {"x": Pair(b, 1)})) == Pair("<a>", {"x": Pair("<b>", 1)})
    found = through(Plain(part=[a, Plain(inner=b)]))
    assert (found.part[0], found.part[1].inner) == ("<a>", "<b>")


def test_one_node_is_one_dependency_however_often_it_stands_there() -> None:
    a = named("a")
    node = nf.task(lambda *args, **kwargs: 0, name="f").bind(a, [a, {a}], k=Pair(a, a))
    assert node._deps == [a]


def test_a_later_change_is_not_seen() -> None:
    numbers, array, pair = [1], np.zeros(5000), Pair([1], 2)
    node = nf.task(lambda *args: 0, name="f").bind(numbers, array, pair)
    numbers.append(2)
    array[:] = 1
    pair.one.append(5)
    loaded = [load(sealed, None) for sealed in node._sealed]
    assert node._call[0][0] == {"l": [1]}
    assert loaded[0].sum() == 0
    assert loaded[1] == Pair([1], 2)


def test_large_arrays_travel_out_of_band_and_come_back_writable() -> None:
    sealed = nf.put(np.zeros(100_000))._sealed[0]
    assert (len(sealed.head) < 1000, len(sealed.buffers[0])) == (True, 800_000)
    array = load(sealed, None)
    array[0] = 1
    assert load(sealed, None)[0] == 0


def test_a_value_that_cannot_be_kept_names_its_argument() -> None:
    task = nf.task(lambda *args, **kwargs: 0, name="f")
    with pytest.raises(CheckpointError, match=r"Argument 2 of 'f'.*lock"):
        task.bind(1, [threading.Lock()])
    with pytest.raises(CheckpointError, match=r"Argument 'k' of 'f'\['a'\]"):
        task.bind(k={"a": threading.Lock()})
    with pytest.raises(CheckpointError, match=r"Argument 1 of 'f' .* SimpleNamespace\.rows\[0\]: cannot pickle"):
        task.bind(SimpleNamespace(rows=[threading.Lock()]))


def test_code_that_cannot_be_kept_names_the_global_that_it_uses() -> None:
    code = compile("def body():\n    return tracer", "cell", "exec")
    names: dict[str, Any] = {"tracer": SimpleNamespace(lock=threading.Lock()), "__name__": "__main__"}
    exec(code, names)
    book = CodeBook()
    book.key_of(nf.task(names["body"], name="query"))
    (new,) = book.take_fresh()
    assert "The code of task 'query' cannot be stored" in new.why
    assert "body's global 'tracer'.lock: cannot pickle '_thread.lock' object. Make it" in new.why


def test_sealed_values_are_replaced_by_their_stored_forms() -> None:
    sealed: list[Any] = []
    form = template([b"x", {"k": (b"y", 1)}], lambda _: None, sealed, "it")
    assert len(sealed) == 2
    stored = replace_sealed(form, [{"c": 1}, {"c": 2}])
    assert fill(stored, lambda _: None, lambda found: found["c"]) == [1, {"k": (2, 1)}]
