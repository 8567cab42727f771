"""A run that waits hears at once what another process leaves for it, and costs nothing until then."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.engine import ears, keeper
from nbflow.engine.host import Host
from nbflow.storage import ownership
from nbflow.storage.folder import FolderRun, FolderStorage
from tests.engine.tools import finish, script, until

SEND = """
import sys
from nbflow.storage.folder import FolderStorage
storage = FolderStorage(sys.argv[1])
for number in range(int(sys.argv[2])):
    storage.send(f"w{number}", {"id": "e", "key": "go", "payload": {"c": "json", "v": number}})
"""


def waiting(count: int) -> list[Any]:
    return [nf.run_async(nf.wait_for_event("go"), workflow_id=f"w{number}") for number in range(count)]


def quiet(host: Host, count: int) -> None:
    """Wait until nothing happens any more in so many runs."""
    heard = host.keeper._ears
    until(lambda: not host.keeper._stirred and len(heard._numbers) + len(heard.deaf) == count, "the runs to be quiet")
    until(lambda: not heard.rang, "the first look")


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks into an inbox by himself."""
    monkeypatch.setattr(ears, "LOCAL_PATROL", 1e9)
    monkeypatch.setattr(ears, "PATROL", 1e8)


def test_quiet_runs_are_woken_by_their_inboxes_alone(patient: None, host: Host, folder: Path) -> None:
    runs = waiting(20)
    quiet(host, 20)
    assert not host.keeper._ears.deaf and len(host.keeper._ears._numbers) == 20
    finish(script(SEND, folder, 20))
    assert [run.result(20) for run in runs] == list(range(20))
    until(lambda: not host.runners)
    assert not host.keeper._ears._numbers and not host.keeper._ears._runners, "who has ended is not listened to"


def test_a_run_that_waits_is_heard_at_once_also_while_something_happens_in_it(
    host: Host, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "STATUS", 1e9)  # it never counts as quiet
    (run,) = waiting(1)
    until(lambda: host.keeper._ears._numbers and not host.keeper._ears.rang, "its bell")
    assert host.keeper._stirred
    monkeypatch.setattr(keeper, "TICK", 1e9)  # and nobody looks by himself
    host.engine.call(_hurry, host)
    finish(script(SEND, folder, 1))
    assert run.result(60) == 0


def test_an_hour_of_quiet_runs_is_one_wake_for_each_heartbeat_and_few_of_those(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    count, hour = 20, 3600.0
    waiting(count)
    quiet(host, count)
    done: Counter[str] = Counter()
    heartbeat, poll = FolderRun.heartbeat, FolderRun.poll_inbox
    monkeypatch.setattr(FolderRun, "heartbeat", lambda run: (done.update(["beats"]), heartbeat(run))[1])
    monkeypatch.setattr(FolderRun, "poll_inbox", lambda run: (done.update(["looks"]), poll(run))[1])

    async def pass_by(busy: keeper.Keeper) -> None:
        now, over = [busy._time()], asyncio.Event()
        end = now[0] + hour

        async def pause() -> list[Any]:
            if now[0] >= end:
                over.set()
                await asyncio.Event().wait()
            done["wakes"] += 1
            now[0] += busy._seconds()
            return []

        monkeypatch.setattr(busy, "_time", lambda: now[0])
        monkeypatch.setattr(busy, "_pause", pause)
        busy._hurry.set()
        await over.wait()

    host.engine.call(pass_by, host.keeper)
    beats, patrols = hour / keeper.HEARTBEAT, hour / ears.LOCAL_PATROL
    assert host.keeper._ears.alone, "nobody else writes to the disk of this machine"
    assert beats - 2 <= done["wakes"] <= beats + patrols + 5
    assert hour / ownership.STALE_SECONDS <= done["beats"] / count <= beats / keeper.RESTING + 2
    assert done["looks"] / count <= patrols + 2


def test_what_was_left_before_the_bell_hung_is_found(host: Host, folder: Path, patient: None) -> None:
    (run,) = waiting(1)
    finish(script(SEND, folder, 1))
    assert run.result(20) == 0


def test_without_a_bell_inboxes_are_looked_into_ten_times_a_second(
    host: Host, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> None:
        raise OSError("no inotify here")

    monkeypatch.setattr(ears, "Bell", none)
    runs = waiting(3)
    quiet(host, 3)
    assert len(host.keeper._ears.deaf) == 3
    finish(script(SEND, folder, 3))
    assert [run.result(20) for run in runs] == [0, 1, 2]


def test_what_another_computer_writes_is_found_by_the_patrol(
    host: Host, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ears, "is_local", lambda folder: False)
    (run,) = waiting(1)
    quiet(host, 1)
    assert host.keeper._ears.patrol == ears.PATROL and not host.keeper._ears.alone
    monkeypatch.setattr(host.keeper._ears, "_hear", lambda: None)
    host.engine.call(_deafen, host)
    FolderStorage(folder).send("w0", {"id": "e", "key": "go", "payload": {"c": "json", "v": "far"}})
    assert run.result(20) == "far"


async def _hurry(host: Host) -> None:
    host.keeper._hurry.set()


async def _deafen(host: Host) -> None:
    bell = host.keeper._ears._bell
    assert bell is not None
    host.engine.loop.remove_reader(bell.fd)
