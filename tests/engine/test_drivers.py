"""A driver decides and its calls are nodes: their ends are told to it; after a death only unfinished ones run again."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.core.status import NodeStatus, WorkflowStatus
from nbflow.dag.driven import driven
from nbflow.dag.task import Task
from nbflow.engine import drivers
from nbflow.errors import WorkflowCancellationError, WorkflowExecutionError, WorkflowNotResumableError

from .tools import Counter, until


class Script:
    """A definition whose driver does what an async function says."""

    driver = "script"
    name = "script"

    def __init__(self, play: Any) -> None:
        self.play = play

    @property
    def functions(self) -> tuple[Any, ...]:
        return (self.play,)


class ScriptDriver:
    """Plays the function of its definition."""

    def __init__(self, runner: Any, node: int, definition: Script) -> None:
        self.runner, self.node, self.definition = runner, node, definition
        self.events: asyncio.Queue[str] = asyncio.Queue()
        self.ends: asyncio.Queue[int] = asyncio.Queue()

    async def drive(self, args: list[Any], kwargs: dict[str, Any]) -> Any:
        return await self.definition.play(self, *args, **kwargs)

    def event_kept(self, event_id: str) -> None:
        self.events.put_nowait(event_id)

    def call_ended(self, node: int) -> None:
        self.ends.put_nowait(node)

    async def call(self, node_id: str, function: Any, *args: Any, **options: Any) -> Any:
        return await self.runner.drivers.call(self.node, node_id, Task(function, **options), args)


@pytest.fixture(autouse=True)
def script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(drivers.DRIVERS, "script", f"{__name__}:ScriptDriver")


def double(x: int) -> int:
    return 2 * x


def boom() -> None:
    raise OSError("no such table")


def test_the_value_of_the_driver_is_that_of_the_run() -> None:
    async def play(driver: Any, x: int) -> int:
        return await driver.call("first", double, x) + await driver.call("second", double, 1)

    assert nf.run(driven(Script(play), 20), workflow_id="w") == 42
    assert nf.get_output("w", task_id="first") == 40
    assert nf.get_output("w") == 42


def test_a_failed_call_raises_its_own_error_in_the_driver_and_may_start_again() -> None:
    async def play(driver: Any) -> str:
        with pytest.raises(OSError, match="no such table"):
            await driver.call("broken", boom)
        with pytest.raises(OSError, match="no such table"):
            await driver.call("broken", boom)
        return "mended"

    assert nf.run(driven(Script(play))) == "mended"


async def forever() -> None:
    await asyncio.Event().wait()


def test_a_driver_that_raises_fails_the_run_and_what_it_had_started_is_stopped() -> None:
    async def play(driver: Any) -> None:
        await driver.runner.drivers.begin(driver.node, "long", Task(forever))
        raise KeyError("lost")

    with pytest.raises(WorkflowExecutionError) as caught:
        nf.run(driven(Script(play)), workflow_id="w")
    assert isinstance(caught.value.__cause__, KeyError)
    state = nf.get_run("w").state
    assert state.status is WorkflowStatus.FAILED
    assert state.nodes[state.index["long"]].status is NodeStatus.CANCELED


def test_the_end_of_a_call_that_nobody_awaits_is_told_to_the_driver() -> None:
    async def play(driver: Any) -> tuple[str, Any]:
        index = await driver.runner.drivers.begin(driver.node, "a", Task(double), (21,))
        assert await driver.ends.get() == index
        return driver.runner.state.nodes[index].node_id, await driver.runner.memory.fetch(index)

    assert nf.run(driven(Script(play))) == ("a", 42)


def test_a_call_that_is_stopped_ends_and_starts_again() -> None:
    rounds: list[int] = []

    async def body() -> str:
        rounds.append(1)
        if len(rounds) == 1:
            await asyncio.Event().wait()
        return "second"

    async def play(driver: Any) -> str:
        calls = driver.runner.drivers
        index = await calls.begin(driver.node, "serve", Task(body))
        await asyncio.to_thread(until, lambda: rounds == [1])
        calls.stop_call(index, "a rule")
        assert await driver.ends.get() == index
        calls.again(index)
        assert await driver.ends.get() == index
        return str(await driver.runner.memory.fetch(index))

    assert nf.run(driven(Script(play)), workflow_id="w") == "second"
    assert any("stopped by a rule" in line for line in nf.get_run("w").story("serve"))


def test_an_awaited_call_that_somebody_stops_raises_in_the_driver() -> None:
    async def play(driver: Any) -> str:
        waiting = asyncio.ensure_future(driver.call("forever", forever))
        state = driver.runner.state
        while "forever" not in state.index:
            await asyncio.sleep(0)
        driver.runner.drivers.stop_call(state.index["forever"])
        with pytest.raises(WorkflowCancellationError, match="'forever'"):
            await waiting
        return "went on"

    assert nf.run(driven(Script(play))) == "went on"


def test_events_that_nobody_waits_for_reach_the_driver_in_order() -> None:
    async def play(driver: Any) -> list[str]:
        found = [event.event_id for event in driver.runner.state.inbox.waiting()]  # what came before it began
        while len(found) < 2:
            found.append(await driver.events.get())
        return found

    run = nf.run_async(driven(Script(play)))
    assert run.send("a", 1, id="first").status == "queued"
    assert run.send("b", 2, id="second").status == "queued"
    assert run.result() == ["first", "second"]


def test_a_run_that_is_let_go_and_resumed_gives_finished_calls_their_values_and_starts_the_others_again(
    tmp_path: Path,
) -> None:
    calls, goes_on = Counter(tmp_path / "calls"), tmp_path / "goes_on"

    async def play(driver: Any) -> int:
        first = await driver.call("first", counted, tmp_path / "calls")
        second = await driver.call("second", waits_for, goes_on)
        return int(first) + int(second)

    run = nf.run_async(driven(Script(play)), workflow_id="w")
    until(lambda: "second" in run.state.index)
    run.detach()
    with pytest.raises(WorkflowNotResumableError):
        run.result()
    goes_on.touch()
    assert nf.resume("w") == 11
    assert calls.count() == 1


def counted(path: Path) -> int:
    Counter(path).add()
    return 1


def waits_for(path: Path) -> int:
    until(path.exists)
    return 10


def test_a_call_takes_values_and_no_nodes() -> None:
    async def play(driver: Any) -> None:
        await driver.call("odd", double, nf.put(1))

    with pytest.raises(WorkflowExecutionError, match="got a node as an argument"):
        nf.run(driven(Script(play)))


def test_a_call_may_return_a_continuation() -> None:
    inner = nf.task(double)

    def grow() -> Any:
        return nf.continuation(inner.bind(inner.bind(10)))

    async def play(driver: Any) -> Any:
        return await driver.call("grow", grow)

    assert nf.run(driven(Script(play))) == 40


def test_canceling_the_run_stops_the_driver() -> None:
    began, stopped = threading.Event(), threading.Event()

    async def play(driver: Any) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    run = nf.run_async(driven(Script(play)))
    assert began.wait(10)
    run.cancel()
    assert stopped.wait(10)
    assert run.status is WorkflowStatus.CANCELED
