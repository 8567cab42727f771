"""A task with ``cache=`` is not called again for what is known, and never gets what is not its own."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy
import pytest

import nbflow as nf
from nbflow.home import default_host
from nbflow.testing import virtual_clock
from tests.engine.tools import Counter, Gate, finish, script


@pytest.fixture
def calls(tmp_path: Path) -> Counter:
    return Counter(tmp_path / "calls")


def squared(calls: Counter, **options: Any) -> Any:
    options = {"cache": True, **options}
    return nf.task(lambda x: (calls.add(), x * x)[1], name="square", **options)


def states(workflow_id: str) -> dict[str, str]:
    frame = nf.get_run(workflow_id).to_dataframe()
    return dict(zip(frame["node"], frame["state"], strict=True))


def test_a_call_with_the_same_code_and_inputs_is_made_once_over_all_runs(calls: Counter) -> None:
    square = squared(calls)
    assert [nf.run(square.bind(square.bind(3)), workflow_id=f"w{n}") for n in range(3)] == [81, 81, 81]
    assert calls.count() == 2
    assert states("w1") == {"square": "restored", "square_1": "restored"}
    assert any(
        "the cache had its result, which run 'w0' made -> restored" in line for line in nf.get_run("w1").story("square")
    )


def test_another_input_or_other_code_is_another_call(calls: Counter) -> None:
    assert nf.run(squared(calls).bind(2)) == 4
    assert nf.run(squared(calls).bind(-2)) == 4
    other = nf.task(lambda x: (calls.add(), x + x + 1)[1], name="square", cache=True)
    assert nf.run(other.bind(2)) == 5
    assert calls.count() == 3


def test_the_value_of_an_input_counts_and_not_the_task_that_gave_it(calls: Counter) -> None:
    one, two = nf.task(lambda: 5, name="one"), nf.task(lambda: 2 + 3, name="two")
    square = squared(calls)
    assert nf.run(square.bind(one.bind())) == nf.run(square.bind(two.bind())) == nf.run(square.bind(nf.put(5))) == 25
    assert calls.count() == 2  # a value that is put is an input by its content, not the result of a task


def test_run_means_the_same_run(calls: Counter) -> None:
    square = squared(calls, cache="run")
    total = nf.task(lambda xs: sum(xs), name="total")
    assert nf.run(total.bind([square.bind(3), square.bind(3)]), workflow_id="a") == 18
    assert calls.count() == 1
    assert nf.run(total.bind([square.bind(3), square.bind(3)]), workflow_id="b") == 18
    assert calls.count() == 2


def test_the_same_call_at_the_same_time_waits_for_the_first_one() -> None:
    gate, made = Gate(), []

    class Log:  # an object is no part of the code's fingerprint
        def note(self) -> None:
            made.append(threading.get_ident())
            gate.wait()

    log = Log()
    slow = nf.task(lambda x: (log.note(), x)[1], name="slow", cache=True)
    run = nf.run_async(nf.task(lambda xs: sum(xs), name="total").bind([slow.bind(1) for _ in range(5)]))
    gate.reached()
    gate.open.set()
    assert run.result(timeout=60) == 5
    assert len(made) == 1


def test_a_first_one_that_fails_lets_the_next_one_try() -> None:
    class Log:
        calls = 0

        def note(self) -> None:
            Log.calls += 1
            if Log.calls == 1:
                raise ValueError("once")

    log = Log()
    shaky = nf.task(lambda x: (log.note(), x)[1], name="shaky", cache=True, max_retries=0, catch_exceptions=True)
    collect = nf.task(lambda xs: [x for x, error in xs if error is None], name="collect")
    assert nf.run(collect.bind([shaky.bind(1), shaky.bind(1), shaky.bind(1)])) == [1, 1]
    assert Log.calls == 2  # the failure was not kept, the success was


def test_a_result_grows_too_old(calls: Counter) -> None:
    square = squared(calls, cache=timedelta(hours=1))
    with virtual_clock() as clock:
        assert nf.run(square.bind(3)) == 9
        clock.advance(3599)
        assert nf.run(square.bind(3)) == 9
        assert calls.count() == 1
        clock.advance(2)
        assert nf.run(square.bind(3)) == 9
        assert calls.count() == 2


def test_a_large_value_is_the_runs_own_after_the_cache_and_its_maker_are_gone(calls: Counter) -> None:
    make = nf.task(lambda n: (calls.add(), numpy.arange(n))[1], name="make", cache=True)
    nf.run(make.bind(50_000), workflow_id="maker")
    nf.run(make.bind(50_000), workflow_id="taker")
    nf.delete("maker")
    assert nf.clear_cache("make") == 1
    assert nf.get_output("taker").sum() == 50_000 * 49_999 // 2
    assert calls.count() == 1


def test_clearing_one_task_leaves_the_others(calls: Counter) -> None:
    square = squared(calls)
    make = nf.task(lambda n: numpy.ones(n), name="make", cache=True)
    nf.run(square.bind(2))
    nf.run(make.bind(50_000))
    assert nf.clear_cache(square) == 1
    nf.run(square.bind(2))
    assert calls.count() == 2
    assert states(nf.run_async(make.bind(50_000), workflow_id="again").workflow_id) and nf.wait([nf.get_run("again")])
    assert states("again") == {"make": "restored"}
    assert nf.clear_cache() == 2
    assert nf.clear_cache() == 0


def test_an_entry_that_is_not_whole_counts_as_none(calls: Counter) -> None:
    square = squared(calls)
    nf.run(square.bind(2))
    (entry,) = Path(default_host().storage.url, "cache/results").iterdir()
    for broken in (entry.read_bytes()[:-9], b"", b"\0" * 400, b"null\n", entry.read_bytes().replace(b"4", b"5")):
        entry.write_bytes(broken)
        assert nf.run(square.bind(2)) == 4
    assert calls.count() == 6
    assert nf.run(square.bind(2)) == 4
    assert calls.count() == 6


def test_a_continuation_is_not_kept_and_the_tasks_in_it_are(calls: Counter) -> None:
    square = squared(calls)
    grow = nf.task(lambda x: nf.continuation(square.bind(x)), name="grow", cache=True)
    assert nf.run(grow.bind(3)) == nf.run(grow.bind(3)) == 9
    assert calls.count() == 1


def test_what_is_not_stored_is_not_used_again(calls: Counter) -> None:
    with pytest.raises(ValueError, match=r"cache=True and checkpoint=False"):
        nf.task(lambda: 1, cache=True, checkpoint=False)
    source = nf.task(lambda: 2, name="source", checkpoint=False)
    square = squared(calls)
    assert nf.run(square.bind(source.bind())) == nf.run(square.bind(source.bind())) == 4
    assert calls.count() == 2


@pytest.mark.parametrize("wish", ["always", 5, timedelta(0), None])
def test_a_bad_wish_is_refused_at_once(wish: Any) -> None:
    with pytest.raises(ValueError, match="cache of task 'f' must be True"):
        nf.task(lambda: 1, name="f", cache=wish)


def test_another_kernel_uses_it_too(calls: Counter, tmp_path: Path) -> None:
    code = """
        import sys, nbflow as nf
        from pathlib import Path
        nf.init(storage=sys.argv[1])
        @nf.task(cache=True, executor="process")
        def square(x, log=sys.argv[2]):
            with Path(log).open("a") as file:
                file.write("x ")
            return x * x
        print(nf.run(square.bind(12)))
    """
    for _ in range(2):
        assert "144" in finish(script(code, tmp_path / "store", calls.path))
    assert calls.count() == 1


def test_what_another_run_made_meanwhile_is_taken(calls: Counter) -> None:
    gate = Gate()
    square = squared(calls)
    first = nf.task(lambda: (gate.wait(), 3)[1], name="first")
    run = nf.run_async(square.bind(first.bind()), workflow_id="w")
    gate.reached()
    assert nf.run(square.bind(nf.task(lambda: 3, name="three").bind())) == 9
    gate.open.set()
    assert run.result(timeout=60) == 9
    assert calls.count() == 1
