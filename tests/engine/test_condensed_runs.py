"""A run that goes on for ever keeps a short journal, loses nothing by it, and may die at any moment of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.core.codec import decode
from nbflow.engine import committer, condensing
from nbflow.engine.host import Host
from nbflow.engine.inspect import read
from nbflow.errors import StorageFull
from nbflow.storage.folder import FolderRun
from tests.engine.tools import Gate, finish, kill_at, script, until


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(condensing, "AFTER", 300)
    monkeypatch.setattr(condensing, "KEPT", 30)


def counter() -> nf.Workflow:
    """Return a machine that counts for ever."""
    machine = nf.Workflow("Counter")

    @machine.start()
    def begin(ctx: Any) -> Any:
        ctx.store.put("sum", 0)
        return ctx.next.wait_for_event()

    @machine.event()
    def add(ctx: Any, number: int = 1) -> Any:
        ctx.store.put("sum", ctx.store.get("sum") + number)
        return ctx.next.wait_for_event()

    @machine.event()
    def stop(ctx: Any) -> Any:
        return ctx.next.complete(ctx.store.get("sum"))

    return machine


def records(host: Host, workflow_id: str = "w") -> list[Any]:
    return [decode(wire) for wire in host.storage.read_run(workflow_id)]


def condensed(host: Host) -> bool:
    return bool(records(host)[0].tag == "condensed")


def test_a_machine_that_counts_for_ever_keeps_a_short_journal_and_its_sum(host: Host) -> None:
    run = nf.start_workflow(counter(), workflow_id="w")
    for number in range(400):
        assert run.send("add", {"number": number}, id=f"e{number}")
        if number % 100 == 99:
            until(lambda: not host.keeper._condensing._runner)
    until(lambda: condensed(host), "the journal to be condensed")
    assert len(records(host)) < 800, "a thousand and six hundred were written"
    assert run.send("add", {"number": 5}, id="e7").status == "duplicate", "an id is remembered as long as the run is"
    run.send("stop")
    assert run.result() == sum(range(400))
    assert nf.get_status("w") == "SUCCESSFUL"


def test_what_comes_while_a_journal_is_condensed_is_in_the_new_one(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, in_short = Gate(), condensing._in_short

    def slowly(*args: Any) -> Any:
        found = in_short(*args)
        gate.wait()
        return found

    monkeypatch.setattr(condensing, "_in_short", slowly)
    run = nf.start_workflow(counter(), workflow_id="w")
    for number in range(100):
        run.send("add", id=f"e{number}")
    gate.reached()
    before = read(host.storage, "w").inbox
    for number in range(100, 120):
        run.send("add", id=f"e{number}")
    assert not condensed(host)
    gate.open.set()
    until(lambda: condensed(host))
    state = read(host.storage, "w")
    assert len(state.inbox.seen) == 120 > len(before.seen)
    live = host.runners["w"]
    until(lambda: live.committer.acknowledged == len(records(host)))
    run.send("stop")
    assert run.result() == 120


def test_a_retried_task_leaves_one_try_behind_and_its_dependents_know_nothing(host: Host) -> None:
    @nf.task(max_retries=-1, retry_exceptions=True)
    def flaky() -> int:
        tries.append(1)
        if len(tries) < 700:
            raise OSError("not yet")
        return len(tries)

    tries: list[int] = []
    run = nf.run_async(nf.task(lambda x: x + 1, name="next").bind(flaky.bind()), workflow_id="w")
    assert run.result() == 701
    assert len(records(host)) < 720


def test_a_full_disk_while_a_journal_is_condensed_pauses_the_run_and_loses_nothing(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    compact, fails = FolderRun.compact, [1]

    def full(self: FolderRun, *args: Any, **kwargs: Any) -> None:
        if fails:
            fails.pop()
            self._journal.close()
            raise StorageFull("no space")
        compact(self, *args, **kwargs)

    monkeypatch.setattr(FolderRun, "compact", full)
    run = nf.start_workflow(counter(), workflow_id="w")
    for number in range(120):
        run.send("add", id=f"e{number}")
    until(lambda: not fails, "the first try")
    until(lambda: any("works again" in notice for notice in host.runners["w"].notices))
    for number in range(120, 700):
        run.send("add", id=f"e{number}")
    until(lambda: condensed(host), "the second try")
    until(lambda: host.runners["w"].committer.acknowledged == len(records(host)))
    run.send("stop")
    assert run.result() == 700


def test_a_run_that_ends_while_its_journal_is_condensed_ends_well(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, in_short = Gate(), condensing._in_short
    monkeypatch.setattr(condensing, "_in_short", lambda *args: (gate.wait(), in_short(*args))[1])
    run = nf.start_workflow(counter(), workflow_id="w")
    for _ in range(100):
        run.send("add")
    gate.reached()
    run.send("stop")
    assert run.result() == 100
    until(lambda: "w" not in host.runners)
    assert not condensed(host) and nf.get_output("w") == 100
    gate.open.set()


def test_large_values_that_nothing_names_any_more_go_when_they_are_old(
    host: Host, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = nf.Workflow("Keeper")

    @machine.start()
    def begin(ctx: Any) -> Any:
        return ctx.next.wait_for_event()

    @machine.event()
    def keep(ctx: Any, number: int) -> Any:
        ctx.store.put("last", bytes([number % 256]) * 100_000)
        return ctx.next.wait_for_event()

    run = nf.start_workflow(machine, workflow_id="w")
    for number in range(12):
        run.send("keep", {"number": number})
    live = host.runners["w"]

    def blobs() -> int:
        return sum(path.stat().st_size for path in folder.glob("runs/w/blobs/*")) // 100_000

    until(lambda: live.state.parts and live.state.parts[0].number == 13 and live.state.parts[0].waiting)
    monkeypatch.setattr(condensing, "KEPT", 0)
    host.engine.call(condensing.condense, live)
    assert blobs() == 12, "young ones stay"
    monkeypatch.setattr(condensing, "YOUNG", 1e-9)
    host.engine.call(condensing.condense, live)
    assert blobs() == 1
    host.engine.call(live.detach, "the test")
    again = nf.resume_async("w")
    again.send("keep", {"number": 200})
    until(lambda: blobs() == 2)


ENDLESS = """
import sys
import nbflow as nf
from nbflow import api
from nbflow.engine import condensing
from tests.engine.test_condensed_runs import counter
condensing.AFTER, condensing.KEPT = 100, 10
nf.init(storage=sys.argv[1])
begin, storage = int(sys.argv[2]), api.default_host().storage
machine = counter()
run = nf.start_workflow(machine, workflow_id="w", existing="resume") if begin == 0 else nf.resume_async("w")
number = begin
while True:
    run.send("add", {"number": 1}, id=f"e{number}")
    number += 1
    if number >= begin + 400 and number % 20 == 0 and storage.read_run("w")[0]["t"] == "condensed":
        print("enough", flush=True)
"""


def test_a_kill_at_any_moment_leaves_what_was_acknowledged(tmp_path: Path) -> None:
    for begin in (0, 2000):
        kill_at(script(ENDLESS, tmp_path / "s", begin), "enough")
    out = finish(script(COUNT, tmp_path / "s"))
    found = json.loads(out.splitlines()[-1])
    assert found["sum"] == found["seen"] >= 800 and found["short"], found


COUNT = """
import json, sys
import nbflow as nf
from nbflow import api
from nbflow.engine.inspect import read
from nbflow.core.codec import decode
nf.init(storage=sys.argv[1])
run = nf.resume_async("w")
run.send("stop")
total = run.result()
host = api.default_host()
wires = host.storage.read_run("w")
state = read(host.storage, "w")
print(json.dumps({"sum": total, "seen": len(state.inbox.seen) - 1, "short": wires[0]["t"] == "condensed"}))
"""


def test_a_turn_between_two_commits_is_given_and_nothing_is_written_meanwhile(host: Host) -> None:
    run = nf.start_workflow(counter(), workflow_id="w")
    run.send("add")
    live, held = host.runners["w"], Gate()
    until(lambda: live.state.parts and live.state.parts[0].number == 2 and live.state.parts[0].waiting)
    count = len(records(host))

    async def turn() -> Any:
        await live.committer.drained()
        work = asyncio.ensure_future(live.committer.exchange(lambda: (held.wait(), count)[1]))
        await asyncio.sleep(0)
        live.write(_event(live))
        assert live.committer.pending
        return work

    kept = host.engine.call(turn)
    held.reached()
    assert len(records(host)) == count
    held.open.set()

    until(lambda: live.committer.acknowledged == len(records(host)) == count + 3)
    assert kept.done()


def test_who_gives_up_his_turn_between_two_commits_stops_nobody(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer, "QUICK_SECONDS", 0.0)  # each commit in the writer's thread
    append, held = FolderRun.append, Gate()
    errors: list[Any] = []
    host.engine.loop.set_exception_handler(lambda _, context: errors.append(context))
    run = nf.start_workflow(counter(), workflow_id="w")
    live = host.runners["w"]
    until(lambda: live.state.parts and live.state.parts[0].waiting)

    def slowly(self: FolderRun, lines: Any) -> None:
        held.wait()
        append(self, lines)

    async def give_up() -> None:
        await live.committer.drained()
        monkeypatch.setattr(FolderRun, "append", slowly)
        live.write(_event(live))
        await asyncio.to_thread(held.reached)
        work = asyncio.ensure_future(live.committer.exchange(lambda: 0))
        await asyncio.sleep(0)
        work.cancel()
        await asyncio.wait([work])
        assert work.cancelled()
        held.open.set()

    host.engine.call(give_up)
    until(lambda: live.state.parts[0].number == 2 and live.state.parts[0].waiting)
    run.send("stop")
    assert run.result(20) == 1 and errors == []


def _event(live: Any) -> Any:
    from nbflow.core.records import EventReceived

    return EventReceived("mine", "add", {"c": "json", "v": {"number": 1}}, live.now())


class Watch:
    """A clock that goes on by a tenth of a spell whenever somebody looks at it."""

    def __init__(self) -> None:
        self.now, self.looks, self.rests = 0.0, 0, 0
        self.longest = 0

    def perf_counter(self) -> float:
        self.now += condensing.SPELL / 10
        self.looks += 1
        self.longest = max(self.longest, self.looks)
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds == condensing.BREATH
        self.looks, self.rests = 0, self.rests + 1


def test_whoever_condenses_rests_after_some_records_whatever_he_is_at(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = nf.start_workflow(counter(), workflow_id="w")
    monkeypatch.setattr(condensing, "AFTER", 10**9)
    for number in range(100):
        run.send("add", id=f"e{number}")
    live = host.runners["w"]
    until(lambda: live.state.parts and live.state.parts[0].number == 101 and live.state.parts[0].waiting)
    count, watch = live.committer.acknowledged, Watch()
    monkeypatch.setattr(condensing, "time", watch)
    short = condensing._in_short(host.storage, "w", count, condensing.Pace())
    assert watch.longest <= 12 and watch.rests > count / 12, "a look for each record at least"
    assert len(short.lines) < count


def test_what_came_meanwhile_is_taken_in_before_commits_have_to_wait(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, in_short, add = Gate(), condensing._in_short, condensing.Short.add
    last: list[int] = []

    def slowly(*args: Any) -> Any:
        found = in_short(*args)
        gate.wait()
        return found

    def watched(self: condensing.Short, some: Any, pace: Any = None) -> None:
        if pace is None:
            last.append(len(some))
        add(self, some, pace)

    monkeypatch.setattr(condensing, "_in_short", slowly)
    monkeypatch.setattr(condensing, "FEW", 20)
    monkeypatch.setattr(condensing.Short, "add", watched)
    run = nf.start_workflow(counter(), workflow_id="w")
    for number in range(100):
        run.send("add", id=f"e{number}")
    gate.reached()
    for number in range(100, 150):
        run.send("add", id=f"e{number}")
    live = host.runners["w"]
    until(lambda: live.state.parts[0].number == 151 and live.state.parts[0].waiting)
    gate.open.set()
    until(lambda: condensed(host))
    assert last and max(last) <= condensing.FEW
    until(lambda: live.committer.acknowledged == len(records(host)))
    run.send("stop")
    assert run.result() == 150
