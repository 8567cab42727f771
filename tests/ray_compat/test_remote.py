"""``ray.remote``: what it takes, what it refuses, and what a call of ``.remote()`` does."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.ray_compat import ray, workflow
from nbflow.ray_compat.remote import RemoteFunction
from tests.engine.tools import Counter, finish, kill_at, script


@ray.remote
def double(x: int) -> int:
    """Return twice x."""
    return 2 * x


def test_a_remote_function_is_a_task_that_can_be_called_in_all_four_ways() -> None:
    assert double(1) == 2
    assert ray.get(double.remote(1)) == 2
    assert ray.get(double.bind(double.bind(1)).execute()) == 4
    assert workflow.run(double.bind(double.bind(1))) == nf.run(double.bind(double.bind(1))) == 4
    assert (double.name, double.__doc__) == ("double", "Return twice x.")


def test_arguments_that_do_not_fit_are_refused_at_once() -> None:
    for call in (double.bind, double.remote):
        with pytest.raises(TypeError, match="cannot be bound"):
            call(1, 2)


def test_refs_among_the_arguments_arrive_as_values_and_nodes_are_refused() -> None:
    assert ray.get(double.remote(double.remote(ray.put(1)))) == 4
    with pytest.raises(TypeError, match="pass nodes to bind"):
        ray.get(double.remote(double.bind(1)))


def test_rays_options_become_nbflows() -> None:
    f = ray.remote(num_cpus=2, num_gpus=1, memory=5, resources={"disk": 3}, max_retries=7, retry_exceptions=[OSError])(
        lambda: None
    )
    assert dict(f.settings.resources) == {"CPU": 2, "GPU": 1, "memory": 5, "disk": 3}
    assert (f.settings.retry.max_retries, f.retry_classes) == (7, (OSError,))
    later = f.options(num_cpus=1, num_gpus=0, **workflow.options(task_id="x", catch_exceptions=True))
    assert dict(later.settings.resources) == {"CPU": 1, "memory": 5, "disk": 3}
    assert (later.task_id, later.settings.catch_exceptions, later.settings.retry.max_retries) == ("x", True, 7)


def test_an_unknown_option_is_refused_and_one_of_rays_without_meaning_is_told_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("nonsense", "checkpoints"):
        with pytest.raises(ValueError, match=name):
            double.options(**{name: 1})
    for _ in range(2):
        double.options(runtime_env={"pip": ["requests"]})
    assert capsys.readouterr().err.count("runtime_env") == 1


def test_a_task_has_one_value() -> None:
    with pytest.raises(ValueError, match="one return"):
        double.options(num_returns=2)
    double.options(num_returns=1)


def test_a_class_is_refused_with_what_to_write_instead() -> None:
    with pytest.raises(TypeError, match=r"no actors.*nbflow.Workflow"):

        @ray.remote
        class Counts:
            pass


@pytest.mark.parametrize("wrong", [(double,), (5,)])
def test_only_a_function_is_made_remote(wrong: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        ray.remote(*wrong)
    with pytest.raises(TypeError, match="by name"):
        ray.remote(1, 2)


def test_what_a_remote_function_raises_is_of_its_own_class_and_a_task_error() -> None:
    class Strange(Exception):
        def __init__(self, one: int, two: int) -> None:
            super().__init__(f"{one} and {two}")
            self.both = (one, two)

    def fails() -> None:
        raise Strange(1, 2)

    def missing() -> None:
        open("/there/is/no/such/file").close()

    with pytest.raises(Strange, match="'fails' failed: Strange: 1 and 2") as strange:
        ray.get(ray.remote(fails).remote())
    assert isinstance(strange.value, ray.exceptions.RayTaskError)
    assert strange.value.both == (1, 2)
    assert type(strange.value.__cause__) is Strange
    with pytest.raises(FileNotFoundError) as not_found:
        ray.get(ray.remote(missing).remote())
    assert isinstance(not_found.value, ray.exceptions.RayTaskError)
    assert not_found.value.errno == 2


def test_a_call_is_tried_again_only_when_asked(tmp_path: Path) -> None:
    calls = Counter(tmp_path / "calls")

    @ray.remote(max_retries=3)
    def flaky(good: int) -> int:
        if calls.add() < good:
            raise OSError("not yet")
        return calls.count()

    with pytest.raises(OSError, match="not yet"):
        ray.get(flaky.remote(4))
    assert calls.count() == 1
    assert ray.get(flaky.options(retry_exceptions=True).remote(5)) == 5
    with pytest.raises(OSError):
        ray.get(flaky.options(retry_exceptions=[OSError], max_retries=1).remote(99))
    assert calls.count() == 7


def test_calls_may_wait_for_calls_however_deep() -> None:
    @ray.remote
    def fib(n: int) -> int:
        return n if n < 2 else sum(ray.get([fib.remote(n - 1), fib.remote(n - 2)]))

    assert ray.get(fib.remote(13)) == 233


def test_inside_a_call_a_continuation_is_executed() -> None:
    @ray.remote
    def factorial(n: int, product: int = 1) -> Any:
        return product if n < 2 else workflow.continuation(factorial.bind(n - 1, product * n))

    @ray.remote
    def outer() -> Any:
        return ray.get(factorial.remote(5))

    assert ray.get(factorial.remote(5)) == workflow.run(outer.bind()) == workflow.run(factorial.bind(5)) == 120


def test_what_a_call_prints_is_in_the_log_of_its_task() -> None:
    @ray.remote
    def speaks() -> None:
        print("heard", threading.current_thread().name)

    @ray.remote
    def outer() -> None:
        ray.get(speaks.remote())

    workflow.run(outer.bind(), workflow_id="w")
    assert nf.get_run("w").logs("outer") == "heard nbflow-remote\n"


def test_a_task_in_a_process_of_its_own_may_call_and_put() -> None:
    @ray.remote(executor="process")
    def elsewhere() -> list[Any]:
        return [double.remote(1), ray.put(os.getpid())]

    two, pid = ray.get(workflow.run(elsewhere.bind()))
    assert (two, pid != os.getpid()) == (2, True)


@pytest.mark.crash
def test_a_killed_program_goes_on_from_its_stored_code_in_another(folder: Path) -> None:
    program = """
    import os, sys, time
    from nbflow.ray_compat import ray, workflow
    ray.init(storage=sys.argv[1])
    @ray.remote
    def first(): return ray.put(20)
    @ray.remote
    def again(n):
        if n == 3 and not os.path.exists(sys.argv[2]):
            open(sys.argv[2], "w").close()
            print("HERE", flush=True); time.sleep(60)
        return workflow.continuation(again.bind(n - 1)) if n else ray.get(again_value.remote())
    @ray.remote
    def again_value(): return 22
    @ray.remote
    def add(a, b): return ray.get(a) + b
    workflow.run(add.bind(first.bind(), again.bind(5)), workflow_id="w")
    """
    kill_at(script(program, folder, folder.parent / "mark"), "HERE")
    other = """
    import sys
    from nbflow.ray_compat import ray, workflow
    ray.init(storage="file://" + sys.argv[1])
    print(workflow.get_status("w"), [ray.get(ref) for _, ref in workflow.resume_all()], workflow.get_status("w"))
    """
    assert "RESUMABLE [42] SUCCESSFUL" in finish(script(other, folder, folder.parent / "mark"))


def test_a_remote_function_can_be_pickled() -> None:
    import cloudpickle

    f = double.options(num_cpus=2, **workflow.options(task_id="x"))
    again = cloudpickle.loads(cloudpickle.dumps(f))
    assert isinstance(again, RemoteFunction)
    assert (again.task_id, again.settings) == ("x", f.settings)
    assert ray.get(again.remote(4)) == 8
