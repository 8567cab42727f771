"""The storage on disks that forget, tear, reorder, fill up and fail, with one owner and with several at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random, SystemRandom

import pytest

from nbflow.storage.os_calls import CREATE_NEW, READ_ONLY
from tests import figures

from .disk_model import Disk, Killed, ModelOS
from .histories import History, interrupted, many_lives, many_owners, one_owner
from .value_histories import equal_values

PLAYS = [one_owner, many_owners, many_lives, interrupted, equal_values]
SHARE, SOAK = 1_000, 20_000


@pytest.mark.parametrize("play", PLAYS)
def test_no_history_breaks_a_promise(play: Callable[[int], History], soak: bool) -> None:
    for seed in range(SOAK if soak else SHARE):
        try:
            counted(play(seed))
        except Exception as error:
            error.add_note(f"{play.__name__}({seed})")
            raise


@pytest.mark.parametrize("play", PLAYS)
def test_no_history_that_was_not_played_before_breaks_a_promise(play: Callable[[int], History]) -> None:
    start = SystemRandom().randrange(1 << 40)
    print(f"{play.__name__}: seeds from {start}")
    for seed in range(start, start + 200):
        try:
            counted(play(seed))
        except Exception as error:
            error.add_note(f"{play.__name__}({seed})")
            raise


def counted(history: History) -> None:
    """Add a history to the figures."""
    figures.count("histories")
    figures.count("crash points", history.faults.crashes)
    figures.count("faults", history.faults.injected)
    figures.count("events", len(history.oracle.all_sent))


def test_a_history_follows_from_its_seed() -> None:
    first, second = (many_owners(5) for _ in range(2))
    assert first.disk.calls == second.disk.calls
    assert first.oracle.truth.known == second.oracle.truth.known


@pytest.fixture
def machine() -> ModelOS:
    """Give a process on a disk that has one folder."""
    disk = Disk(Random(1))
    disk.lay_out("/a")
    return disk.boot()


def written(machine: ModelOS, path: str = "/a/x", content: bytes = b"content" * 9) -> int:
    fd = machine.open(path, CREATE_NEW)
    done = 0
    while done < len(content):
        done += machine.write(fd, content[done:])
    return fd


def rebooted(machine: ModelOS) -> ModelOS:
    machine.disk.power_cut()
    return machine.disk.boot()


def test_what_is_synced_survives_a_power_cut(machine: ModelOS) -> None:
    machine.fdatasync(written(machine))
    machine.fsync_dir("/a")
    machine = rebooted(machine)
    assert machine.read_all("/a/x") == b"content" * 9
    assert machine.listdir("/a") == ["x"]


def test_what_is_not_synced_survives_a_killed_process_and_not_every_power_cut() -> None:
    lost = torn = nameless = 0
    for seed in range(200):
        machine = Disk(Random(seed)).boot()
        machine.disk.lay_out("/a")
        written(machine)
        machine.dead = True
        other = machine.disk.boot()
        assert other.read_all("/a/x") == b"content" * 9
        other = rebooted(other)
        if not other.exists("/a/x"):
            nameless += 1
        else:
            content = other.read_all("/a/x")
            lost += content == b""
            torn += content not in (b"", b"content" * 9)
    assert min(lost, torn, nameless) > 10


def test_a_failed_sync_is_not_mended_by_a_second_one() -> None:
    lost = 0
    for seed in range(50):
        machine = Disk(Random(seed)).boot()
        machine.disk.lay_out("/a")
        fd = written(machine)
        machine.fsync_dir("/a")

        def fail(process: ModelOS, call: str) -> None:
            raise OSError(5, "Input/output error")

        machine.disk.gate, calm = fail, machine.disk.gate
        with pytest.raises(OSError):
            machine.fdatasync(fd)
        machine.disk.gate = calm
        machine.fdatasync(fd)
        assert machine.read_all("/a/x") == b"content" * 9
        lost += rebooted(machine).read_all("/a/x") != b"content" * 9
    assert lost > 10


def test_a_rename_between_two_folders_is_kept_or_lost_as_a_whole() -> None:
    outcomes = set()
    for seed in range(50):
        machine = Disk(Random(seed)).boot()
        machine.disk.lay_out("/a", "/b", x=b"")
        machine.rename("/b/x", "/a/x")
        machine = rebooted(machine)
        outcomes.add((machine.exists("/a/x"), machine.exists("/b/x")))
    assert outcomes == {(True, False), (False, True)}


def test_the_dead_make_no_calls(machine: ModelOS) -> None:
    machine.dead = True
    with pytest.raises(Killed):
        machine.listdir("/a")


def test_writes_are_sometimes_short(machine: ModelOS) -> None:
    fd = machine.open("/a/x", CREATE_NEW)
    assert {machine.write(fd, b"12345678") == 8 for _ in range(200)} == {True, False}


def test_exclusive_creation_links_and_missing_files_behave_as_on_a_real_disk(machine: ModelOS) -> None:
    machine.close(written(machine))
    for call in (
        lambda: machine.open("/a/x", CREATE_NEW),
        lambda: machine.link("/a/x", "/a/x"),
        lambda: machine.mkdir("/a"),
    ):
        with pytest.raises(FileExistsError):
            call()
    for call in (
        lambda: machine.open("/a/y", READ_ONLY),
        lambda: machine.read_all("/a/y"),
        lambda: machine.unlink("/a/y"),
        lambda: machine.rename("/a/y", "/a/z"),
        lambda: machine.stat("/b/y"),
    ):
        with pytest.raises(FileNotFoundError):
            call()
    with pytest.raises(NotADirectoryError):
        machine.listdir("/a/x")
    assert os.path.basename("/a/x") in machine.listdir("/a")
