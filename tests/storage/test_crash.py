"""The storage under real kills, real limits, real rivals and real file systems that go down."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nbflow.errors import StorageFull
from nbflow.storage.folder import FolderStorage
from tests import figures

pytestmark = pytest.mark.crash
PROGRAMS = Path(__file__).with_name("programs.py")
FS_IOC_GOINGDOWN = 0x8004587D
WITHOUT_FLUSH = 2


class Child:
    """A process that runs one of the programs; ``said`` collects its lines."""

    def __init__(self, program: str, *arguments: object) -> None:
        root = str(PROGRAMS.parent.parent.parent)
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAMS), program, *map(str, arguments)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": root},
        )
        self.said: list[list[str]] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._listen)
        self._reader.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                # A line that a kill has cut was not said.
                if line.endswith("\n"):
                    self.said.append(line.split())
                self._news.notify_all()
        self.process.stdout.close()

    def wait_for(self, lines: int) -> None:
        """Return when the child has said so many lines."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.said) >= lines, timeout=60)

    def kill(self) -> None:
        """Kill the child and hear all that it said."""
        self.process.send_signal(signal.SIGKILL)
        self.end()

    def end(self) -> None:
        """Wait for the end of the child and hear all that it said."""
        self.process.wait(60)
        self._reader.join(60)

    def acknowledged(self) -> list[int]:
        """Return the numbers that were acknowledged."""
        return [int(words[0]) for words in self.said if len(words) == 1]


def numbers(storage: FolderStorage) -> list[int]:
    return [record["n"] for record in storage.read_run("run")]


def test_a_killed_owner_loses_nothing_that_it_acknowledged(folder: FolderStorage) -> None:
    chance = random.Random(7)
    committed = 0
    for life in range(12):
        child = Child("write", folder.url, life)
        child.wait_for(1 + chance.randrange(1, 60))
        # A reader never sees anything but a beginning, at whatever moment it looks.
        for _ in range(5):
            seen = numbers(folder) if folder.exists("run") else []
            assert seen == list(range(len(seen)))
        child.kill()
        found = numbers(folder)
        assert found == list(range(len(found)))
        assert int(child.said[0][1]) >= committed
        committed = child.acknowledged()[-1] + 1
        figures.count("crash points")
        figures.count("lost", max(committed - len(found), 0))
        assert len(found) in (committed, committed + 1)
    assert committed > 12


def test_a_full_disk_loses_nothing_and_the_run_goes_on_when_there_is_space(folder: FolderStorage) -> None:
    child = Child("write_until_full", folder.url, 30_000)
    child.end()
    *before, full, opened, last = child.said
    assert full[:5] == ["full", "No", "space", "is", "left"]
    acknowledged = [int(words[0]) for words in before]
    assert len(acknowledged) > 30
    assert int(opened[1]) in (len(acknowledged), len(acknowledged) + 1)
    assert numbers(folder) == list(range(int(last[0]) + 1))


def test_owners_that_compete_never_both_acknowledge(folder: FolderStorage) -> None:
    run = folder.create_run("run")
    run.append(['{"t":"n","who":"first","n":0}'])
    children = {who: Child("compete", folder.url, who, 30) for who in ("a", "b")}
    for child in children.values():
        child.end()
    records = folder.read_run("run")
    for who, child in children.items():
        found = [record["n"] for record in records if record["who"] == who]
        assert found == sorted(set(found))
        acknowledged = child.acknowledged()
        assert len(acknowledged) >= 30
        figures.count("lost", len(set(acknowledged) - set(found)))
        figures.count("doubled", len(found) - len(set(found)))
        assert set(acknowledged) <= set(found)
        # What nobody acknowledged can be there only for a commit that a takeover interrupted.
        assert len(found) - len(acknowledged) <= len(list(Path(folder.url, "runs/run").glob("j-*")))


@pytest.fixture
def mountpoint(tmp_path: Path) -> Iterator[Path]:
    """Give a folder to mount on; skip where one may not mount. Other tests hold the same laws without."""
    if sys.platform != "linux" or os.geteuid() != 0:
        figures.not_tried("a file system of its own that goes down or fills up", "only root can mount one")
        pytest.skip("only root can mount a file system")
    place = tmp_path / "mount"
    place.mkdir()
    yield place
    subprocess.run(["umount", "-l", str(place)], check=False, capture_output=True)


def mount(*arguments: object) -> None:
    done = subprocess.run(["mount", *map(str, arguments)], check=False, capture_output=True, text=True)
    if done.returncode:
        figures.not_tried("a file system of its own that goes down or fills up", done.stderr.strip())
        pytest.skip(f"cannot mount here: {done.stderr.strip()}")


def test_a_disk_that_is_really_full_pauses_and_goes_on(mountpoint: Path) -> None:
    mount("-t", "tmpfs", "-o", "size=200k,mode=700", "none", mountpoint)
    storage = FolderStorage(mountpoint / "store")
    storage.check_writable()
    (mountpoint / "ballast").write_bytes(bytes(100_000))
    run = storage.create_run("run")
    acknowledged = 0
    with pytest.raises(StorageFull):
        for n in range(10_000):
            run.append([f'{{"t":"n","n":{n},"p":"{"x" * 500}"}}'])
            acknowledged = n + 1
    run.close()
    for _ in range(3):
        with pytest.raises(StorageFull):
            storage.open_run("run")
    with pytest.raises(StorageFull):
        storage.send("run", {"id": "1", "key": "k", "payload": "x" * 10_000})
    assert numbers(storage)[:acknowledged] == list(range(acknowledged))
    (mountpoint / "ballast").unlink()
    again = storage.open_run("run")
    assert len(again.records) in (acknowledged, acknowledged + 1)
    again.append([f'{{"t":"n","n":{len(again.records)}}}'])
    assert numbers(storage) == list(range(len(again.records) + 1))
    again.close()


def test_a_file_system_that_goes_down_loses_nothing_acknowledged(mountpoint: Path, tmp_path: Path, soak: bool) -> None:
    image = tmp_path / "disk.img"
    with image.open("wb") as file:
        file.truncate(32 << 20)
    made: Any = subprocess.run(["mkfs.ext4", "-q", str(image)], check=False, capture_output=True)
    if made.returncode:
        assert not os.environ.get("CI"), f"mkfs.ext4 must run in CI: {made.stderr.decode()}"
        pytest.skip("mkfs.ext4 does not run here: sudo apt-get install e2fsprogs")
    chance = random.Random(11)
    committed = 0
    for life in range(40 if soak else 4):
        mount("-o", "loop", image, mountpoint)
        child = Child("keep_writing", mountpoint / "store", life)
        child.wait_for(2 + chance.randrange(40))
        # What is said later does not count: a program outlives this end of its disk, as it never does a power cut, and
        # ext4 now and then lets an fdatasync that the end interrupts return as if it had worked.
        acknowledged = child.acknowledged()
        go_down(mountpoint)
        child.end()
        subprocess.run(["umount", str(mountpoint)], check=True)
        assert child.said[-1][0] == "failed"
        mount("-o", "loop", image, mountpoint)
        found = numbers(FolderStorage(mountpoint / "store"))
        assert found == list(range(len(found)))
        assert len(found) > max([committed - 1, *acknowledged])
        committed = len(found)
        subprocess.run(["umount", str(mountpoint)], check=True)
    assert committed > 4


def go_down(mountpoint: Path) -> None:
    """Stop a file system as a power cut does: nothing that it holds in memory is written any more."""
    fd = os.open(mountpoint, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, FS_IOC_GOINGDOWN, struct.pack("I", WITHOUT_FLUSH))
    finally:
        os.close(fd)
