"""A task: the plain function when called, a node when bound, and options that are checked at once."""

from __future__ import annotations

import functools
from typing import Any

import cloudpickle
import pytest

import nbflow as nf
from nbflow.core.graph import NodeKind
from nbflow.errors import GraphError


@nf.task
def add(a: int, b: int = 2) -> int:
    """Add."""
    return a + b


def test_a_task_is_called_and_looks_like_its_function() -> None:
    assert (add(1), add(1, b=5), add.__name__, add.__doc__, repr(add)) == (3, 6, "add", "Add.", "<task add>")


def test_a_method_can_be_a_task_and_is_called_with_its_object() -> None:
    class Box:
        @nf.task
        def double(self, x: int) -> int:
            return 2 * x

    assert Box().double(3) == 6
    assert isinstance(Box.double, type(add))


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_retries": -2}, {"max_retries": 1.5}, {"max_retries": True}, {"backoff": -1}, {"backoff": float("nan")},
        {"factor": "x"}, {"max_backoff": float("inf")}, {"jitter": 1.5}, {"jitter": -0.1}, {"timeout": 0},
        {"timeout": float("inf")}, {"timeout": float("nan")}, {"timeout": "5"}, {"loop": "mine"},
        {"executor": object()},
        {"executor": 5}, {"catch_exceptions": "yes"}, {"checkpoint": 1}, {"mark_start": None}, {"resources": 5},
        {"name": ""}, {"name": 5}, {"task_id": ""}, {"task_id": "x" * 256}, {"metadata": []},
        {"metadata": {"a": float("nan")}}, {"retry_exceptions": "ValueError"}, {"retry_exceptions": [int]},
        {"nonsense": 1},
    ],
    ids=str,
)  # fmt: skip
def test_a_senseless_option_is_refused_and_named(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        add.options(**wrong)
    with pytest.raises(ValueError, match=name):
        nf.task(**wrong)(lambda: 1)


def test_options_make_another_task_and_leave_the_first_as_it_is() -> None:
    other = add.options(max_retries=0, timeout=5, name="plus").options(checkpoint=False)
    assert (other.name, other.settings.retry.max_retries, other.settings.timeout) == ("plus", 0, 5)
    assert other.settings.checkpoint is False
    assert (add.name, add.settings.retry.max_retries, add.settings.timeout) == ("add", 3, None)
    assert other(1) == 3


def test_metadata_is_copied_when_it_is_given() -> None:
    given = {"a": [1]}
    other = add.options(metadata=given)
    given["a"].append(2)
    assert other.metadata == {"a": [1]}


@pytest.mark.parametrize("args", [(), (1, 2, 3)])
def test_bind_checks_the_signature(args: tuple[int, ...]) -> None:
    with pytest.raises(TypeError, match=r"add\(a: 'int', b: 'int' = 2\)"):
        add.bind(*args)
    with pytest.raises(TypeError, match="unexpected keyword"):
        add.bind(1, c=5)


def test_a_built_in_that_does_not_tell_its_signature_is_bound_unchecked() -> None:
    assert nf.task(max, name="biggest").bind(1, 2, 3)._kind is NodeKind.TASK


def test_map_binds_one_node_for_each_item_in_one_group() -> None:
    nodes = add.map([1, 2, 3], b=5)
    assert [node._call for node in nodes] == [[[i], {"b": 5}] for i in (1, 2, 3)]
    assert len({node._group for node in nodes}) == 1
    assert add.map([]) == []
    assert [node._call for node in add.map([1, 2], [3, 4, 5])] == [[[1, 3]], [[2, 4]]]
    assert add.map([1])[0]._group != add.map([1])[0]._group


def test_map_over_a_node_is_one_node() -> None:
    source = nf.task(lambda: [1, 2], name="source")
    assert add.map(source.bind())._name == "add_map"


def test_a_task_survives_pickling_with_its_options() -> None:
    other = add.options(task_id="t", metadata={"a": 1}, retry_exceptions=(KeyError,), backoff=3)
    again = cloudpickle.loads(cloudpickle.dumps(other))
    assert (again(1), again.task_id, again.metadata, again.settings, again.retry_classes) == (
        3, "t", {"a": 1}, other.settings, (KeyError,),
    )  # fmt: skip


def test_what_is_asynchronous() -> None:
    async def body() -> None: ...

    @functools.wraps(body)
    def wrapper() -> None: ...

    assert nf.task(body).is_async
    assert nf.task(functools.partial(body)).is_async
    assert not nf.task(wrapper).is_async


def test_a_node_is_no_value_and_says_so() -> None:
    node = add.bind(1)
    with pytest.raises(TypeError, match="cannot be iterated"):
        list(node)
    with pytest.raises(TypeError, match=r"no part of it can be taken.*\.bind\(node\)"):
        nf.task(lambda: (1, 2), name="split").bind()[0]
    with pytest.raises(TypeError, match=r"split\.map takes iterables, as split\.map\(\[1, 2\]\); it got \(5,\)"):
        nf.task(lambda x: x, name="split").map(5)
    with pytest.raises(TypeError, match="no truth value"):
        bool(node)
    with pytest.raises(TypeError, match="cannot be pickled"):
        cloudpickle.dumps(node)


def test_options_of_a_node() -> None:
    node = add.bind(1)
    other = node.options(task_id="x", max_retries=0)
    assert (other._task_id, other._call, node._task_id) == ("x", node._call, None)
    with pytest.raises(GraphError, match="takes no options"):
        nf.put(5).options(task_id="x")
    wait = nf.wait_for_event("go").options(timeout=5, task_id="w")
    assert wait._task_id == "w"
    with pytest.raises(ValueError, match="A wait takes no option max_retries"):
        nf.wait_for_event("go").options(max_retries=5)
