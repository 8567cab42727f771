"""Ray Workflows, rows C165 to C185: events, listeners and timers."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.errors import TaskTimeout, WorkflowExecutionError
from nbflow.storage.folder import FolderStorage
from tests.engine.tools import Counter, VirtualClock, finish, kill_at, script, until


@nf.task
def join(*parts: Any) -> str:
    return " ".join(map(str, parts))


def text_of(path: str) -> str:
    """Return what is in a file, nothing while it is not there or still being written."""
    return Path(path).read_text() if Path(path).exists() else ""


class FileThere(nf.EventListener):
    """Fires when a file is there, with its text."""

    async def poll_for_event(self, path: str, calls: str = "", **_: Any) -> Any:
        if calls:
            Counter(Path(calls)).add("poll")
        while not (text := await asyncio.to_thread(text_of, path)):
            await asyncio.sleep(0.01)
        return text

    async def event_checkpointed(self, event: Any) -> None:
        pass


@pytest.mark.parametrize("wrong", [int, FileThere(), None, 5])
def test_C165_C166_only_a_subclass_of_the_listener_is_one(wrong: Any) -> None:
    with pytest.raises(TypeError, match="subclass of EventListener"):
        nf.wait_for_event(wrong)


def test_C167_C170_an_event_can_be_the_whole_workflow(tmp_path: Path) -> None:
    run = nf.run_async(nf.wait_for_event(FileThere, path=str(tmp_path / "a")))
    until(lambda: run.status == "RUNNING")
    (tmp_path / "a").write_text("here")
    assert run.result(10) == "here"


def test_C168_events_of_one_task_are_polled_at_the_same_time(tmp_path: Path) -> None:
    dag = join.bind(*(nf.wait_for_event(FileThere, str(tmp_path / name), str(tmp_path / "calls")) for name in "ab"))
    run = nf.run_async(dag)
    until(lambda: Counter(tmp_path / "calls").count("poll") == 2)
    (tmp_path / "b").write_text("event2")
    (tmp_path / "a").write_text("event1")
    assert run.result(10) == "event1 event2"


@pytest.mark.parametrize("first", ["event", "argument"])
def test_C169_arguments_are_computed_while_the_event_is_awaited(first: str, tmp_path: Path) -> None:
    @nf.task
    def slow() -> str:
        until((tmp_path / "go").exists)
        return "argument"

    run = nf.run_async(join.bind(slow.bind(), nf.wait_for_event("e")), workflow_id="w")
    if first == "event":
        run.send("e", "event")
        (tmp_path / "go").touch()
    else:
        (tmp_path / "go").touch()
        nf.get_output("w", task_id="slow")
        run.send("e", "event")
    assert run.result(10) == "argument event"


def test_C171_C172_C177_poll_then_durable_then_commit_then_consumer(tmp_path: Path, folder: Path) -> None:
    log = tmp_path / "log"

    class Told(nf.EventListener):
        def __init__(self) -> None:
            Counter(log).add("made")

        async def poll_for_event(self, *args: Any, **kwargs: Any) -> Any:
            Counter(log).add("polled")
            return (args, kwargs["k"])

        async def event_checkpointed(self, event: Any) -> None:
            from nbflow.storage.folder import FolderStorage

            stored = any(wire["t"] == "fired" for wire in FolderStorage(folder).read_run("w"))
            assert event == ((1, 2), 3)
            Counter(log).add(f"committing-{stored}")
            await asyncio.sleep(0.05)
            Counter(log).add("committed")

    @nf.task
    def consumer(event: Any) -> Any:
        Counter(log).add("consumed")
        return event

    assert nf.run(consumer.bind(nf.wait_for_event(Told, 1, 2, k=3)), workflow_id="w") == ((1, 2), 3)
    words = [word for word in Counter(log).words if word != "made"]
    assert words == ["polled", "committing-True", "committed", "consumed"]
    assert Counter(log).count("made") == 2


def test_C173_a_poll_that_raises_fails_and_resume_polls_again(tmp_path: Path) -> None:
    calls = Counter(tmp_path / "calls")

    class Shaky(nf.EventListener):
        async def poll_for_event(self) -> int:
            if calls.add() == 1:
                raise OSError("lost")
            return 5

    with pytest.raises(WorkflowExecutionError, match="lost"):
        nf.run(nf.wait_for_event(Shaky), workflow_id="w")
    assert nf.resume("w") == 5


def test_C174_a_commit_that_raises_fails_and_resume_commits_without_polling(tmp_path: Path) -> None:
    calls = Counter(tmp_path / "calls")

    class Shaky(nf.EventListener):
        async def poll_for_event(self) -> int:
            calls.add("poll")
            return 5

        async def event_checkpointed(self, event: Any) -> None:
            if calls.add("commit") == 1:
                raise OSError("not told")

    with pytest.raises(WorkflowExecutionError, match="not told"):
        nf.run(nf.wait_for_event(Shaky), workflow_id="w")
    assert nf.resume("w") == 5
    assert calls.words == ["poll", "commit", "commit"]


CRASH = """
import sys, os, asyncio
import nbflow as nf
nf.init(storage=sys.argv[1])
path, point = sys.argv[2:]
class Source(nf.EventListener):
    async def poll_for_event(self, path, point):
        with open(path, "a") as file: file.write("poll\\n")
        if point == "poll" and not os.path.exists(path + ".again"):
            print("HERE", flush=True); await asyncio.sleep(60)
        return 7
    async def event_checkpointed(self, event):
        with open(self.path, "a") as file: file.write("commit\\n")
        if not os.path.exists(self.path + ".again"):
            print("HERE", flush=True); await asyncio.sleep(60)
Source.path = path
print("value", nf.run(nf.wait_for_event(Source, path, point), workflow_id="w"))
"""


@pytest.mark.crash
@pytest.mark.parametrize(
    ("point", "words"),
    [("poll", ["poll", "poll", "commit"]), ("commit", ["poll", "commit", "commit"])],
)
def test_C175_C176_after_a_crash_only_what_is_not_durable_is_polled_again(
    point: str, words: list[str], folder: Path, tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    kill_at(script(CRASH, folder, calls, point), "HERE")
    Path(f"{calls}.again").touch()
    assert "value 7" in finish(script(CRASH, folder, calls, point))
    assert Counter(calls).words == words


def test_C178_a_listener_that_is_no_coroutine_fails_its_run() -> None:
    class Plain(nf.EventListener):
        def poll_for_event(self) -> int:  # type: ignore[override]
            return 1

    for wrong, why in ((Plain, "must be 'async def'"), (nf.EventListener, "must define")):
        with pytest.raises(WorkflowExecutionError, match=why):
            nf.run(nf.wait_for_event(wrong))


def test_C179_a_sleep_begins_when_the_run_comes_to_it(clock: Any) -> None:
    dag = nf.sleep(20)
    clock.advance(100)
    inside = nf.task(lambda: nf.continuation(nf.sleep(7)), name="inside")
    run = nf.run_async([dag, inside.bind()])
    until(lambda: run.state.counts["waiting"] == 2)
    assert clock.next == 7
    clock.advance(7)
    until(lambda: run.state.counts["waiting"] == 1)
    assert clock.next == 13
    clock.advance(13)
    assert run.result(10) == [None, None]


@pytest.mark.crash
def test_C180_the_deadline_of_a_sleep_survives_a_crash(folder: Path) -> None:
    code = """
    import sys, time, nbflow as nf
    nf.init(storage=sys.argv[1])
    run = nf.run_async(nf.sleep(2.0), workflow_id="w")
    while not run.state.counts["waiting"]: time.sleep(0.01)
    print("HERE", flush=True); time.sleep(60)
    """
    kill_at(script(code, folder), "HERE")
    assert nf.resume("w") is None
    opened, ended = (
        [wire for wire in FolderStorage(folder).read_run("w") if wire["t"] == kind] for kind in ("wait", "expired")
    )
    assert len(opened) == len(ended) == 1, "it did not begin anew"
    assert opened[0]["dl"] == opened[0]["at"] + 2
    assert time.time() >= ended[0]["at"] >= opened[0]["dl"]


def test_C181_a_moment_that_has_passed_is_no_wait() -> None:
    assert nf.run([nf.sleep(-1), nf.sleep(0), nf.wait_for_event(nf.TimerListener, time.time() - 5)]) == [None] * 3


def test_C182_C183_many_waits_hold_no_place_and_end_together(folder: Path) -> None:
    import concurrent.futures

    nf.shutdown()
    pool = concurrent.futures.ThreadPoolExecutor(1)
    nf.init(storage=str(folder), executor=pool)
    host = nf.api.default_host()
    host.clock = clock = VirtualClock(host.engine)
    count = nf.task(lambda xs: len(xs), name="count")
    run = nf.run_async(count.bind([nf.sleep(60) for _ in range(50)] + [nf.wait_for_event("go")]))
    until(lambda: run.state.counts["waiting"] == 51)
    assert nf.run(nf.task(lambda: 5, name="ordinary").bind()) == 5
    assert run.state.counts["waiting"] == 51
    clock.advance(60)
    until(lambda: run.state.counts["waiting"] == 1)
    run.send("go")
    assert run.result(10) == 51
    pool.shutdown()


def test_C184_a_wait_has_an_id_metadata_and_a_timeout() -> None:
    wait = nf.wait_for_event("go").options(task_id="the_wait", metadata={"m": 1}, timeout=0.1)
    with pytest.raises(WorkflowExecutionError) as failed:
        nf.run(wait, workflow_id="w")
    assert isinstance(failed.value.__cause__, TaskTimeout)
    assert nf.get_metadata("w", "the_wait")["user_metadata"] == {"m": 1}
    assert nf.run(nf.sleep(0.01).options(timeout=5)) is None
    value, error = nf.run(nf.wait_for_event("go").options(timeout=0.1, catch_exceptions=True))
    assert value is None and isinstance(error, TaskTimeout)
    for option in ({"max_retries": 3}, {"executor": "process"}, {"checkpoint": False}):
        with pytest.raises(ValueError, match="A wait takes no option"):
            nf.wait_for_event("go").options(**option)


def test_C185_a_wait_may_end_by_itself_with_a_default(tmp_path: Path) -> None:
    assert nf.run(nf.wait_for_event("go", timeout=0.05, default="nobody")) == "nobody"
    assert nf.run(nf.wait_for_event(FileThere, str(tmp_path / "x")).options(timeout=0.05, default="nobody")) == "nobody"
    with pytest.raises(WorkflowExecutionError, match="deadline"):
        nf.run(nf.wait_for_event("go", timeout=0.05))


def test_C185_the_first_of_several_events_is_enough(tmp_path: Path) -> None:
    run = nf.run_async(
        nf.any_of(nf.wait_for_event(FileThere, str(tmp_path / "a")), nf.wait_for_event("b"), nf.sleep(60))
    )
    until(lambda: run.state.counts["waiting"] == 3)
    (tmp_path / "a").write_text("here")
    assert run.result(10) == nf.First(0, "FileThere", "here")


def test_C185_one_wait_can_be_canceled_while_the_run_goes_on() -> None:
    run = nf.run_async([nf.wait_for_event("a").options(default="canceled"), nf.wait_for_event("b")])
    until(lambda: run.state.counts["waiting"] == 2)
    run.cancel_wait("wait_for_a")
    run.send("b", 2)
    assert run.result(10) == ["canceled", 2]
