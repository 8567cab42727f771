"""Every record survives the way to JSON and back; what is unknown is ignored unless it says it matters."""

from __future__ import annotations

import json
import typing
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.core import records as r
from nbflow.core.codec import _SHAPES, UnknownRecord, decode, encode, options_from_wire, options_to_wire
from nbflow.core.graph import Code, NodeKind, NodeSpec
from nbflow.core.retry import Options, RetryPolicy

finite = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | finite | st.text(max_size=8)
trees = st.recursive(
    scalars, lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=4), x, max_size=3), max_leaves=6
)
objects = st.dictionaries(st.text(max_size=5), trees, max_size=3)
policies = st.builds(
    RetryPolicy, st.integers(-1, 9), st.booleans() | st.tuples(st.text()), finite, finite, finite, st.floats(0, 1)
)
options = st.builds(
    Options,
    policies,
    st.none() | finite,
    st.booleans(),
    st.none() | st.booleans(),
    st.none() | st.text(),
    st.none() | st.text(),
    st.booleans(),
)
codes = st.builds(Code, st.text(), st.text(), st.none() | objects, options, st.text())
specs = st.builds(
    NodeSpec,
    st.text(),
    st.sampled_from(NodeKind),
    st.lists(st.integers(0, 99), max_size=3).map(tuple),
    st.text(),
    trees,
    st.text(),
    st.none() | objects,
)
BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-1, 2**40),
    float: finite,
    str: st.text(max_size=8),
    bool: st.booleans(),
    Code: codes,
    tuple[NodeSpec, ...]: st.lists(specs, max_size=3).map(tuple),
    tuple[int, ...]: st.lists(st.integers(0, 99)).map(tuple),
    tuple[str, ...]: st.lists(st.text()).map(tuple),
    dict[str, Any]: objects,
    dict[str, Any] | None: st.none() | objects,
    float | None: st.none() | finite,
}


def records() -> st.SearchStrategy[r.Record]:
    """Draw any record, every field at random."""

    def of(cls: type[r.Record]) -> st.SearchStrategy[r.Record]:
        hints = typing.get_type_hints(cls)
        return st.builds(cls, **{f.name: BY_TYPE[hints[f.name]] for f in fields(cls)})  # type: ignore[arg-type]

    return st.one_of([of(cls) for cls in r.RECORDS.values()])


@given(records())
def test_every_record_comes_back_as_it_was_from_ascii_without_a_newline(record: r.Record) -> None:
    line = encode(record)
    assert line.isascii() and "\n" not in line
    assert decode(json.loads(line)) == record


@given(options)
def test_options_come_back_as_they_were(given_options: Options) -> None:
    assert options_from_wire(json.loads(json.dumps(options_to_wire(given_options)))) == given_options


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_json_cannot_say_exactly_is_refused(bad: float) -> None:
    with pytest.raises(ValueError):
        encode(r.TaskSucceeded(0, {"v": bad}))


def test_the_keys_of_a_record_are_its_own() -> None:
    for cls, shape in _SHAPES.items():
        keys = [key for name, key, *_ in shape if name != "must"]
        assert len({*keys, "t", "!"}) == len(keys) + 2, cls


def test_an_unknown_record_is_ignored_unless_it_must_not_be() -> None:
    assert decode({"t": "from the future", "n": 1}) is None
    with pytest.raises(UnknownRecord, match="newer nbflow"):
        decode({"t": "from the future", "n": 1, "!": 1})


def test_an_unknown_field_or_option_of_a_newer_nbflow_is_ignored() -> None:
    assert decode({"t": "started", "at": 1.0, "moon": "full"}) == r.RunStarted(1.0)
    assert options_from_wire({"moon": 1, "retry": {"moon": 2, "max_retries": 5}}) == Options(RetryPolicy(5))


def test_a_record_without_a_field_it_needs_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'done' has no 'n'"):
        decode({"t": "done", "v": None})


def test_what_is_usual_takes_no_room() -> None:
    assert encode(r.TaskSucceeded(3, None)) == '{"t":"done","n":3,"v":null}'
    assert encode(r.NodesAdded((NodeSpec("a", NodeKind.TASK),))) == '{"t":"nodes","specs":[["a","t",[],"",null]]}'


def test_empty_metadata_of_a_node_is_not_missing_metadata() -> None:
    record = r.NodesAdded((NodeSpec("a", NodeKind.TASK, metadata={}),))
    assert decode(json.loads(encode(record))) == record
