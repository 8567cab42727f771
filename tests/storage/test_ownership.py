"""Ownership: who counts as alive, and that asking first is all it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nbflow.errors import Fenced, RunIsLive
from nbflow.storage import processes
from nbflow.storage.base import RunJournal
from nbflow.storage.folder import THOROUGH, FolderStorage
from nbflow.storage.os_calls import OS
from nbflow.storage.ownership import STALE_SECONDS


@pytest.fixture
def claim(folder: FolderStorage) -> Path:
    """Give the owner file of a run whose owner is gone."""
    run = folder.create_run("run")
    run.append(['{"t":"x"}'])
    path = Path(folder.url, "runs/run/owner.json")
    content = path.read_bytes()
    run.close()
    assert not path.exists()
    path.write_bytes(content)
    return path


def change(claim: Path, *, age: float = 0, **fields: Any) -> None:
    """Change what the owner says of itself, and the time of its last heartbeat."""
    claim.write_text(json.dumps({**json.loads(claim.read_text()), **fields}))
    then = os.stat(claim).st_mtime - age
    os.utime(claim, (then, then))


def free(folder: FolderStorage) -> bool:
    """Tell whether the run can be opened without insisting."""
    try:
        folder.open_run("run").close()
    except RunIsLive:
        return False
    return True


def test_the_owner_says_who_it_is(claim: Path) -> None:
    owner = json.loads(claim.read_text())
    assert owner["pid"] == os.getpid()
    assert owner["epoch"] == 1
    assert set(owner) == {"host", "boot_id", "pid", "pid_start", "kernel_id", "epoch", "claim", "since"}


def test_a_claim_that_this_process_gave_up_does_not_count(folder: FolderStorage, claim: Path) -> None:
    assert free(folder)


def test_a_live_process_of_this_machine_counts_however_old_its_heartbeat_is(folder: FolderStorage, claim: Path) -> None:
    change(claim, kernel_id="another", age=10 * STALE_SECONDS)
    assert not free(folder)


def test_a_dead_process_of_this_machine_is_taken_over_at_once(folder: FolderStorage, claim: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    change(claim, kernel_id="another", pid=child.pid)
    assert free(folder)


def test_a_process_that_got_the_number_of_a_dead_owner_is_not_the_owner(folder: FolderStorage, claim: Path) -> None:
    change(claim, kernel_id="another", pid_start="1")
    assert free(folder) == bool(processes.this_process().pid_start)


def test_a_zombie_does_not_count(folder: FolderStorage, claim: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    change(claim, kernel_id="another", pid=child.pid, pid_start=processes._start_of(child.pid))
    assert not free(folder)
    child.communicate(b"\n")
    assert free(folder)


def test_an_owner_elsewhere_counts_while_its_heartbeat_is_fresh(folder: FolderStorage, claim: Path) -> None:
    change(claim, kernel_id="another", host="elsewhere", age=STALE_SECONDS - 10)
    with pytest.raises(RunIsLive, match="elsewhere") as refusal:
        folder.open_run("run")
    assert refusal.value.owner["host"] == "elsewhere"
    change(claim, age=STALE_SECONDS + 10)
    assert free(folder)


def test_a_heartbeat_renews_the_claim_and_restores_a_removed_one(folder: FolderStorage, claim: Path) -> None:
    run = folder.open_run("run")
    change(claim, age=1000)
    run.heartbeat()
    assert abs(os.stat(claim).st_mtime - os.stat(claim.parent).st_mtime) < 100
    claim.unlink()
    run.heartbeat()
    assert not free(folder)
    run.close()
    run.heartbeat()
    assert not claim.exists()


class Counted(OS):
    """The real system, and how often it was asked."""

    calls = 0

    def stat(self, path: str) -> os.stat_result:
        self.calls += 1
        return super().stat(path)

    def exists(self, path: str) -> bool:
        self.calls += 1
        return super().exists(path)

    def utime(self, path: str) -> None:
        self.calls += 1
        super().utime(path)


def test_a_hundred_heartbeats_ask_the_system_little_more_than_twice_each(tmp_path: Path) -> None:
    calls = Counted()
    run = FolderStorage(tmp_path, os=calls).create_run("run")
    calls.calls = 0
    for _ in range(100):
        run.heartbeat()
    assert 200 <= calls.calls <= 240
    run.close()


def test_an_owner_whose_successor_died_before_it_claimed_the_run_is_told_within_some_heartbeats(
    folder: FolderStorage, claim: Path
) -> None:
    run = folder.open_run("run")
    Path(claim.parent, "j-00000003.jsonl").touch()
    with pytest.raises(Fenced):
        for _ in range(THOROUGH):
            run.heartbeat()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"pid": "1"}', bytes(100)])
def test_an_unreadable_claim_does_not_count(folder: FolderStorage, claim: Path, content: bytes) -> None:
    claim.write_bytes(content)
    assert free(folder)


def test_closing_leaves_the_claim_of_another_owner_alone(folder: FolderStorage, claim: Path) -> None:
    old = folder.open_run("run")
    new = folder.open_run("run", takeover=True)
    old.close()
    assert not free(folder)
    new.close()
    assert free(folder)


def test_no_file_of_an_owner_is_left_behind(folder: FolderStorage, claim: Path) -> None:
    run = folder.open_run("run")
    with pytest.raises(RunIsLive):
        folder.open_run("run")
    run.close()
    assert not [name for name in os.listdir(claim.parent) if name.startswith("owner")]


def test_a_forked_child_is_a_process_of_its_own() -> None:
    code = (
        "import os; from nbflow.storage.processes import this_process as me\n"
        "mine = me(); r, w = os.pipe()\n"
        "if os.fork() == 0: os.write(w, repr(me() == mine).encode()); os._exit(0)\n"
        "os.wait(); print(os.read(r, 9))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"b'False'\n"


class Interrupted(OS):
    """A system in which something else happens just before the n-th call."""

    def __init__(self, moment: int, happens: Callable[[], None]) -> None:
        super().__init__()
        self.left = moment
        self._happens = happens

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or name == "left" or not callable(found):
            return found
        self.left -= 1
        if self.left == 0:
            self._happens()
        return found


@pytest.mark.parametrize("exists", [False, True])
def test_of_two_that_open_a_run_at_once_one_has_it_and_the_other_is_told(tmp_path: Path, exists: bool) -> None:
    moment, reached = 0, True
    while reached:
        moment, url = moment + 1, tmp_path / str(moment)
        if exists:
            made = FolderStorage(url).create_run("run")
            made.append(['{"t":"x"}'])
            made.close()
        owners: list[RunJournal] = []
        refused = 0

        def begin(storage: FolderStorage) -> None:
            nonlocal refused
            try:
                owners.append(storage.open_run("run") if exists else storage.create_run("run"))  # noqa: B023
            except RunIsLive:
                refused += 1

        system = Interrupted(moment, lambda: begin(FolderStorage(url)))  # noqa: B023
        begin(FolderStorage(url, os=system))
        reached = system.left <= 0
        if not reached:  # the first was done before: its rival comes now
            begin(FolderStorage(url))
        assert (len(owners), refused) == (1, 1), f"at call {moment}"
        owners[0].append(['{"t":"mine"}'])
        owners[0].close()
    assert moment > 20
