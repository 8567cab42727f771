"""The real engine on disks that fill up, go down or may not be written, with a rival, and by a clock that jumps."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import nbflow as nf
from nbflow.engine import clock, trouble
from nbflow.errors import StorageReadOnly
from nbflow.storage.folder import FolderStorage
from tests import figures
from tests.crash.test_system_calls import Story, check_acknowledged, check_once, finished
from tests.crash.zygote import Zygote
from tests.engine.tools import Counter, finish, kill_at, script, until
from tests.storage.test_crash import go_down

pytestmark = [pytest.mark.crash, pytest.mark.slow]
SYSTEMS = {"ext4": ("mkfs.ext4", "-q"), "xfs": ("mkfs.xfs", "-q")}


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    found = Zygote()
    yield found
    found.close()


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take the default host down before and after; a pause of the storage is short meanwhile."""
    monkeypatch.setattr(trouble, "PAUSE", 0.02)
    nf.shutdown()
    yield
    nf.shutdown()


class Mount:
    """A place for a file system of its own."""

    def __init__(self, place: Path) -> None:
        self.place = place
        place.mkdir()

    def put(self, *arguments: object) -> None:
        """Mount something there. Raises what ``not_here`` does where a machine lets nobody do that."""
        if sys.platform != "linux" or os.geteuid() != 0:
            not_here("only root can mount a file system")
        done = subprocess.run(["mount", *map(str, arguments), str(self.place)], capture_output=True, text=True)
        if done.returncode:
            not_here(done.stderr.strip())

    def away(self, *how: str) -> None:
        """Take it away."""
        subprocess.run(["umount", *how, str(self.place)], check=not how, capture_output=True)


def not_here(why: str) -> None:
    """Leave a test out and say so in the figures: where nobody can mount, only the model disks hold these laws."""
    figures.not_tried("a file system of its own that goes down, fills up or is read-only", why)
    pytest.skip(f"no file system can be mounted here: {why}")


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    found = Mount(tmp_path / "mount")
    yield found
    found.away("-l")


@pytest.mark.parametrize("system", SYSTEMS)
def test_an_engine_whose_file_system_goes_down_has_all_that_it_acknowledged(
    system: str, zygote: Zygote, mount: Mount, tmp_path: Path, soak: bool
) -> None:
    image = tmp_path / "disk.img"
    with image.open("wb") as file:
        file.truncate(320 << 20)  # the least that xfs takes; almost nothing of it is ever written
    make = shutil.which(SYSTEMS[system][0], path=f"{os.environ.get('PATH', '')}:/sbin:/usr/sbin")
    if make is None:
        assert not os.environ.get("CI"), f"{SYSTEMS[system][0]} must run in CI: apt-get install e2fsprogs xfsprogs"
        not_here(f"no {SYSTEMS[system][0]} is installed")
    subprocess.run([str(make), *SYSTEMS[system][1:], str(image)], capture_output=True, check=True)
    chance = random.Random(5)
    for life in range(30 if soak else 3):
        mount.put("-o", "loop", image)
        place = tmp_path / f"life{life}"
        place.mkdir()
        story = Story(zygote, place, "machine", shares=mount.place / str(life))
        story.storage.check_writable()
        owner = story.begin()
        moment = chance.randrange(1, 8)
        while len(story.said()) < moment and not owner.ended():
            time.sleep(0.001)
        # What is said later does not count: a program outlives this end of its disk, as it never does a power cut.
        said = story.said()
        go_down(mount.place)
        owner.kill()
        owner.wait()
        mount.away()
        (place / "diary").write_text("".join(f"1 {word}\n" for word in said if not word.startswith("ended")))
        mount.put("-o", "loop", image)
        figures.count("crash points")
        before, done_before = story.records(), finished(story)
        check_acknowledged(story, before)
        assert story.live() == "0", story.said()
        check_once(story, before, done_before)
        mount.away()


def test_an_engine_whose_disk_is_really_full_pauses_and_goes_on(engine: None, mount: Mount, tmp_path: Path) -> None:
    mount.put("-t", "tmpfs", "-o", "size=200k,mode=700", "none")
    nf.init(storage=FolderStorage(mount.place / "store"))
    calls, ballast = Counter(tmp_path / "calls"), mount.place / "ballast"
    ballast.touch()

    @nf.task
    def size(text: str) -> int:
        return calls.add("size") and len(text)

    run = nf.run_async(size.bind(nf.wait_for_event("text")), workflow_id="w")
    until(lambda: run.state.counts["waiting"])
    with pytest.raises(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    sender = threading.Thread(target=run.send, args=("text", "x" * 5000, "e1"))
    sender.start()
    runner = nf.home.default_host().runners["w"]
    assert until(lambda: runner.trouble.reason) == "STORAGE_FULL"
    assert run.status == "RUNNING" and sender.is_alive()
    figures.count("faults")
    ballast.unlink()
    sender.join(60)
    assert run.result(60) == 5000
    assert calls.count("size") == 1


def test_a_folder_that_may_not_be_written_is_looked_at_and_not_run(engine: None, mount: Mount) -> None:
    nf.init(storage=FolderStorage(mount.place / "store"))
    mount.put("-t", "tmpfs", "-o", "size=2m,mode=700", "none")
    assert nf.run(nf.task(lambda: {1, 2}, name="make").bind(), workflow_id="w") == {1, 2}
    nf.shutdown()
    subprocess.run(["mount", "-o", "remount,ro", str(mount.place)], check=True)
    nf.init(storage=FolderStorage(mount.place / "store"))
    assert [(id, str(status)) for id, status in nf.list_all()] == [("w", "SUCCESSFUL")]
    assert nf.get_output("w") == {1, 2}
    assert len(nf.get_run("w").to_dataframe()) == 1
    with pytest.raises(StorageReadOnly, match="NBFLOW_STORAGE"):
        nf.run(nf.task(lambda: 1, name="one").bind(), workflow_id="v")
    figures.count("faults")


BEGIN = """
import sys, nbflow as nf
nf.init(storage=sys.argv[1])
@nf.task
def note(number, event):
    with open(sys.argv[2], "a") as file: file.write(f"{number}\\n")
    return number
for number in range(12):
    run = nf.run_async(note.bind(number, nf.wait_for_event("go")), workflow_id=f"run-{number}")
while not all(nf.get_run(f"run-{number}").state.counts["waiting"] for number in range(12)): pass
print("there", flush=True)
sys.stdin.readline()
"""

RESUME = """
import sys, nbflow as nf
nf.init(storage=sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print("mine", len([run.result() for _, run in nf.resume_all()]), flush=True)
"""


def test_two_kernels_that_resume_a_whole_folder_at_once_share_its_runs(tmp_path: Path) -> None:
    storage, effects = FolderStorage(tmp_path / "storage"), tmp_path / "effects"
    kill_at(script(BEGIN, storage.url, effects), "there")
    figures.count("crash points")
    for number in range(12):
        storage.send(f"run-{number}", {"id": "e", "key": "go", "payload": {"c": "json", "v": 1}})
    kernels = [script(RESUME.replace("sys.argv[2]", repr(str(effects))), storage.url, effects) for _ in range(2)]
    for kernel in kernels:
        assert kernel.stdout is not None and kernel.stdout.readline() == "ready\n"
    for kernel in kernels:
        assert kernel.stdin is not None
        kernel.stdin.write("\n")
        kernel.stdin.flush()
    said = [finish(kernel) for kernel in kernels]
    mine = [int(line.split()[1]) for text in said for line in text.splitlines() if line.startswith("mine")]
    done = sorted(map(int, effects.read_text().split()))
    figures.count("doubled", len(done) - len({*done}))
    assert done == [*range(12)], said
    assert sum(mine) >= 12, said  # one that the other had finished by then counts for both
    assert {entry.status["status"] for entry in storage.list_runs()} == {"SUCCESSFUL"}


class Jumping:
    """The module ``time`` of a clock that somebody sets."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def time(self) -> float:
        return time.time() + self.ahead


def test_a_timer_survives_a_clock_that_is_set_back_and_forth(
    engine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Jumping()
    monkeypatch.setattr(clock, "time", found)
    monkeypatch.setattr(clock, "SLICE", 0.02)
    for ahead in (0.0, -7200.0, 3000.0):
        nf.shutdown()
        nf.init(storage=FolderStorage(tmp_path / "storage"))
        found.ahead = ahead
        run = nf.run_async(nf.sleep(3600), workflow_id="w")
        until(lambda run=run: run.state.counts["waiting"])
        for jump in (ahead - 500, ahead + 500, ahead):
            found.ahead = jump
            with pytest.raises(TimeoutError):
                run.result(0.1)
    found.ahead = 3700.0
    assert run.result(60) is None
