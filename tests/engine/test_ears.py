"""A run that waits hears at once what another process leaves for it, and costs nothing until then."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.engine import ears, keeper
from nbflow.engine.host import Host
from nbflow.storage.folder import FolderStorage
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


def test_a_quiet_run_is_not_looked_at(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "CALM", 0.05)
    waiting(3)
    quiet(host, 3)
    looks: list[int] = []
    monkeypatch.setattr(host.keeper, "_round", lambda looked, *_: (looks.append(len(looked)), ([], []))[1])
    monkeypatch.setattr(host.keeper, "_patrolled", host.engine.loop.time())
    monkeypatch.setattr(host.keeper, "_beat", host.engine.loop.time())
    time.sleep(0.5)
    assert looks == []


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


async def _deafen(host: Host) -> None:
    bell = host.keeper._ears._bell
    assert bell is not None
    host.engine.loop.remove_reader(bell.fd)
