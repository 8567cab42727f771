"""The names of options that the Tab key and type checkers see are those that are taken."""

from __future__ import annotations

import inspect
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

import nbflow as nf
from nbflow.dag import task as tasks
from nbflow.dag.options import NodeOptions, TaskOptions


def named(function: Any) -> set[str]:
    """Return the keyword-only names of a signature, as IPython completes them."""
    parameters = inspect.signature(function).parameters.values()
    return {each.name for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY}


def test_the_names_are_those_that_a_task_takes() -> None:
    assert set(TaskOptions.__annotations__) == set(tasks._NAMES)
    assert set(NodeOptions.__annotations__) - set(TaskOptions.__annotations__) == {"default"}


def test_a_signature_shows_the_names_and_what_a_call_leaves_out_stays() -> None:
    assert named(nf.task) == named(tasks.Task.options) == set(tasks._NAMES)
    assert named(nf.Node.options) == {*tasks._NAMES, "default"}
    assert "max_retries=..." in str(inspect.signature(nf.task))


def test_ipython_completes_the_names() -> None:
    from IPython.core.completer import IPCompleter

    add = nf.task(lambda a, b: a + b, name="add", max_retries=1)
    found = IPCompleter(namespace={"add": add})._default_arguments(add.options)
    assert {"max_retries", "timeout", "executor"} <= set(found)
    assert {"a", "b"} <= set(IPCompleter(namespace={})._default_arguments(add))


@pytest.mark.parametrize("wish", ["yes", 5, None, np.array([1, 2]), timedelta(0)])
def test_what_a_cache_may_be_is_said_to_who_wants_something_else(wish: Any) -> None:
    with pytest.raises(ValueError, match=r"cache of task 'one' must be True \(any run\), 'run'"):
        nf.task(lambda: 1, name="one", cache=wish)


def test_a_name_that_is_none_is_still_refused() -> None:
    with pytest.raises(ValueError, match="Unknown option retries"):
        nf.task(lambda: 1, retries=3)  # type: ignore[call-overload]
