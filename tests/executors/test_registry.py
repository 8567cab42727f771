"""Which executor a word or an object means."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from nbflow.executors import Executor, resolve
from nbflow.executors.futures import FuturesExecutor
from nbflow.executors.inline import InlineExecutor
from nbflow.executors.process import ProcessExecutor
from nbflow.executors.thread import ThreadExecutor


@pytest.mark.parametrize(("spec", "kind"), [("thread:3", ThreadExecutor), ("process:3", ProcessExecutor)])
def test_a_name_with_a_number_says_how_many_bodies_run_at_once(spec: str, kind: type) -> None:
    executor = resolve(spec)
    assert isinstance(executor, kind) and executor.workers == 3  # type: ignore[attr-defined]
    executor.close()


@pytest.mark.parametrize("spec", ["thread:0", "thread:", "process:many", "inline:2", "process:-1", "dask:0", "ray:"])
def test_a_number_that_means_nothing_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match="is not an executor"):
        resolve(spec)


@pytest.mark.parametrize("spec", ["dask:3", "ray:3"])
def test_a_cluster_of_our_own_begins_with_its_first_body(spec: str) -> None:
    executor = resolve(spec)
    assert isinstance(executor, Executor)
    assert executor.workers == 3  # type: ignore[attr-defined]
    executor.close()
    executor.close()


def test_a_running_cluster_is_named_by_its_address() -> None:
    for spec in ("dask:tcp://127.0.0.1:8786", "ray:127.0.0.1:6379"):
        executor = resolve(spec)
        assert spec.partition(":")[2] in executor.where  # type: ignore[attr-defined]
        executor.close()


@pytest.mark.parametrize(
    ("spec", "kind"),
    [(None, ThreadExecutor), ("thread", ThreadExecutor), ("inline", InlineExecutor), ("process", ProcessExecutor)],
)
def test_a_name_makes_a_new_executor(spec: Any, kind: type) -> None:
    executor = resolve(spec)
    assert isinstance(executor, kind)
    assert isinstance(executor, Executor)
    assert resolve(spec) is not executor
    executor.close()


def test_loky_is_its_reusable_pool() -> None:
    import loky

    executor = resolve("loky")
    try:
        assert executor.submit(pow, 2, 5).result(60) == 32
        assert not executor.same_process
    finally:
        loky.get_reusable_executor().shutdown(kill_workers=True)


def test_an_executor_is_itself_and_a_pool_is_wrapped() -> None:
    executor = InlineExecutor()
    assert resolve(executor) is executor
    with ThreadPoolExecutor(1) as pool:
        assert isinstance(resolve(pool), FuturesExecutor)


@pytest.mark.parametrize("spec", ["threads", 4, ThreadPoolExecutor, InlineExecutor, object(), []], ids=repr)
def test_anything_else_is_refused_with_the_choices(spec: Any) -> None:
    with pytest.raises(
        ValueError, match=r'"thread", "inline", "process", "loky", "dask", "ray", any concurrent\.futures'
    ):
        resolve(spec)


def test_importing_executors_loads_no_pickler_and_no_pool() -> None:
    code = "import nbflow.executors, sys; print({'cloudpickle', 'loky', 'multiprocessing', 'numpy'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"
