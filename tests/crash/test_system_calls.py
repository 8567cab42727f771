"""The real engine is killed, and its disk fails, at the n-th system call on its folder: strace does that to it.

A first life is only watched, to learn which calls there are. Then each point is two lives: one meets the fault, the
next one must end well, and together they may lose nothing and do nothing twice.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nbflow.core.codec import decode
from nbflow.core.records import EventReceived, Record, TaskSucceeded, WaitExpired, WaitOpened
from nbflow.engine.inspect import fold
from nbflow.storage.folder import FolderStorage
from tests import figures
from tests.crash.victims import RESULTS, RUN
from tests.crash.zygote import Life, Zygote

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.strace]
CALLS = "openat,read,write,fdatasync,fsync,ftruncate,link,rename,unlink,mkdir,newfstatat,fstat,getdents64,utimensat"
CHANGING = {"openat", "write", "fdatasync", "fsync", "link", "rename", "mkdir"}
"""The calls that fail on a disk that is full or broken."""
WRITING = CHANGING - {"openat"}
"""The calls between which something is half done: kills are most of all there."""
KILLS, ERRORS = 24, 20
"""Points of each program; all of them in a soak."""
AT_ONCE = 3


class Point(NamedTuple):
    """A fault and where it strikes: at the n-th such call of a thread."""

    program: str
    call: str
    number: int
    fault: str

    @property
    def injection(self) -> str:
        """As strace takes it."""
        lasting = f"..{self.number + 2}" if "ENOSPC" in self.fault else ""
        return f"inject={self.call}:{self.fault}:when={self.number}{lasting}"


@dataclass
class Story:
    """All lives of one run of a program."""

    zygote: Zygote
    folder: Path
    program: str
    epoch: int = 0
    paths: list[str] = field(default_factory=list)
    argument: str = ""
    shares: Path | None = None

    @property
    def storage(self) -> FolderStorage:
        return FolderStorage((self.shares or self.folder) / "storage")

    def live(self, *strace: str) -> str:
        """Live once, under strace if told so; return how it ended: 0, 3, 99, or killed."""
        code = self.folder / "diary.code"
        life = self.begin(traced=bool(strace))
        if strace:
            paths = [word for path in self.paths for word in ("-P", path)]
            command = ["strace", "-f", "-qq", "-e", "signal=none", "-p", str(life.pid), *paths, *strace]
            tracer = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
            if tracer.returncode:
                life.kill()
            assert not tracer.returncode, tracer.stderr
        life.wait()
        return code.read_text() if code.exists() else "killed"

    def begin(self, traced: bool = False) -> Life:
        """Begin a life and return it."""
        self.epoch += 1
        (self.folder / "diary.code").unlink(missing_ok=True)
        return self.zygote.fork(
            program=self.program, storage=self.storage.url, diary=str(self.folder / "diary"), epoch=self.epoch,
            out=str(self.folder / "out"), argument=self.argument, traced=traced,
        )  # fmt: skip

    def said(self, epoch: int = 0) -> list[str]:
        """Return what was written into the diary, by one life or by all."""
        diary = self.folder / "diary"
        lines = diary.read_text().splitlines() if diary.exists() else []
        return [word for number, word in (line.split(" ", 1) for line in lines) if epoch in (0, int(number))]

    def records(self) -> list[Record]:
        """Return what is recorded of the run."""
        storage = self.storage
        wires = storage.read_run(RUN) if storage.exists(RUN) else []
        return [record for wire in wires if (record := decode(wire)) is not None]

    def inbox(self) -> set[str]:
        """Return the ids of the events that wait in the inbox."""
        found = self.folder.glob("storage/runs/*/inbox/new/*")
        return {json.loads(path.read_text())["event"]["id"] for path in found}


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    found = Zygote()
    yield found
    found.close()


@pytest.mark.parametrize("program", RESULTS)
def test_a_kill_or_a_failing_disk_at_any_call_loses_and_doubles_nothing(
    zygote: Zygote, tmp_path: Path, program: str, soak: bool
) -> None:
    calls, paths = watched(Story(zygote, tmp_path / "watched", program))
    seed = random.SystemRandom().randrange(1 << 30)
    chance = random.Random(seed)
    kills = [Point(program, call, n, "signal=KILL") for call, most in calls.items() for n in range(1, most + 1)]
    errors = [
        Point(program, call, n, f"error={error}")
        for call in sorted(CHANGING & {*calls})
        for n in range(1, calls[call] + 1)
        for error in ("EIO", "ENOSPC")
    ]
    if not soak:
        kills = [
            *spread([point for point in kills if point.call in WRITING], KILLS, chance),
            *spread([point for point in kills if point.call not in WRITING], KILLS // 2, chance),
        ]
        errors = spread(errors, ERRORS, chance)
    print(f"seed {seed}: {len(kills)} kills and {len(errors)} errors among {sum(calls.values())} calls")

    def play(number_and_point: tuple[int, Point]) -> None:
        number, point = number_and_point
        story = Story(
            zygote, tmp_path / str(number), program, paths=[p.replace("watched", str(number), 1) for p in paths]
        )
        strike(story, point)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(play, enumerate([*kills, *errors])):
            pass


def test_a_sender_that_dies_or_fails_at_any_call_sends_again_and_its_event_counts_once(
    zygote: Zygote, tmp_path: Path, soak: bool
) -> None:
    (tmp_path / "adder").mkdir()
    adder = Story(zygote, tmp_path / "adder", "adder")
    owner = adder.begin()
    while "begun" not in adder.said():
        owner.check()
    calls, paths = watched(Story(zygote, tmp_path / "first", "sender", argument="first", shares=adder.folder))
    faults = ("signal=KILL", "error=EIO", "error=ENOSPC")
    points = [Point("sender", call, n, fault) for call in calls for n in range(1, calls[call] + 1) for fault in faults]
    points = [point for point in points if point.call in CHANGING or "KILL" in point.fault]
    points = points if soak else spread(points, KILLS, random.Random())
    for number, point in enumerate(points):
        story = Story(zygote, tmp_path / f"s{number}", "sender", 0, paths, f"event-{number}", adder.folder)
        story.folder.mkdir()
        ended = story.live("-e", f"trace={point.call}", "-e", point.injection, "-o", str(story.folder / "trace"))
        assert ended in ("0", "killed" if "KILL" in point.fault else "3"), (point, ended, story.said())
        figures.count("crash points", ended == "killed")
        figures.count("faults", (story.folder / "trace").read_text().count("(INJECTED)"))
        (story.folder / "diary").unlink(missing_ok=True)
        assert story.live() == "0", (point, story.said())
    assert Story(zygote, tmp_path / "first", "sender", 0, [], "stop", adder.folder).live() == "0"
    owner.wait()
    sent, found = len(points) + 1, int(adder.said()[-1].removeprefix("ended "))
    figures.count("events", sent)
    figures.count("lost", max(sent - found, 0))
    figures.count("doubled", max(found - sent, 0))
    assert found == sent


def spread(points: list[Point], count: int, chance: random.Random) -> list[Point]:
    """Return some points: one of each stretch of the list, so that every kind of call and of moment is there."""
    size = len(points) / count
    return [points[min(int((place + chance.random()) * size), len(points) - 1)] for place in range(count)]


def watched(story: Story) -> tuple[Counter[str], list[str]]:
    """Live once; return how often a thread makes each call on the folder at most, and the paths that have a name."""
    story.folder.mkdir()
    trace, folder = story.folder / "trace", Path(story.storage.url).parent
    assert story.live("-y", "-e", f"trace={CALLS}", "-o", str(trace)) == "0", story.said()
    each: Counter[tuple[str, str]] = Counter()
    paths = {str(folder / "storage")}
    for line in trace.read_text().splitlines():
        found = re.match(r"(\d+) +(\w+)\(", line)
        here = re.findall(rf"({re.escape(str(folder))}/storage[^\"<>\s]*)", line)
        if found and here:
            each[found[1], found[2]] += 1
            paths.update(here)
    most: Counter[str] = Counter()
    for (_, call), count in each.items():
        most[call] = max(most[call], count)
    assert sum(most.values()) > 30, most
    return most, sorted(path for path in paths if not re.search(r"[0-9a-f]{16}", path.removeprefix(str(folder))))


def strike(story: Story, point: Point) -> None:
    """Let one life meet a fault and the next one end well; judge both."""
    story.folder.mkdir()
    try:
        ended = story.live("-e", f"trace={point.call}", "-e", point.injection, "-o", str(story.folder / "trace"))
        assert ended in ("0", "killed" if "KILL" in point.fault else "3"), ended
        figures.count("crash points", ended == "killed")
        figures.count("faults", (story.folder / "trace").read_text().count("(INJECTED)"))
        before = story.records()
        done_before = finished(story)
        check_acknowledged(story, before)
        ends = [story.live() for _ in range(2)]
        assert ends == ["0", "0"], (ends, story.said())
        check_once(story, before, done_before)
    except BaseException as error:
        error.add_note(f"{point}: {story.said()} {(story.folder / 'out').read_text()[-2000:]}")
        raise
    shutil.rmtree(story.folder)


def check_acknowledged(story: Story, records: list[Record]) -> None:
    """Check that what was acknowledged to a life that was struck is there."""
    there = {r.event_id for r in records if isinstance(r, EventReceived)} | story.inbox()
    there |= {event["id"] for _, event in _keyed(story)}
    sent = {word.split()[1] for word in story.said() if word.split()[0] in ("sent", "keyed")}
    figures.count("events", len(sent))
    figures.count("lost", len(sent - there))
    assert sent <= there, f"lost: {sent - there}"
    assert "begun" not in story.said() or records, "the run was begun, and there is none"
    assert "answered" not in story.said() or any(isinstance(r, EventReceived) and r.key != "go" for r in records)


def finished(story: Story) -> set[str]:
    """Return the tasks of a graph whose results are recorded."""
    if story.program != "dag" or not story.storage.exists(RUN):
        return set()
    state = fold(story.storage.read_run(RUN))
    return {node.node_id for node in state.nodes if node.status.finished and node.value is not None}


def check_once(story: Story, before: list[Record], done_before: set[str]) -> None:
    """Check that nothing was done, taken or recorded twice, and no timer came early."""
    records = story.records()
    done = Counter(r.node for r in records if isinstance(r, TaskSucceeded))
    taken = Counter(r.event_id for r in records if isinstance(r, EventReceived))
    keyed = Counter(event["id"] for _, event in _keyed(story))
    twice = [each for found in (done, taken, keyed) for each, count in found.items() if count > 1]
    recorded = {r.node for r in before if isinstance(r, TaskSucceeded)}
    assert recorded <= {*done}, "a result that was recorded is gone"
    twice += [name for name in done_before if any(f"ran {name}" in story.said(epoch) for epoch in (2, 3))]
    figures.count("doubled", len(twice))
    assert not twice, f"twice: {twice}"
    deadlines = {(r.node, r.token): r.deadline for r in records if isinstance(r, WaitOpened)}
    for r in records:
        if isinstance(r, WaitExpired):
            assert r.at >= (deadlines[r.node, r.token] or 0), "a timer came early"


def _keyed(story: Story) -> list[tuple[int, Any]]:
    stream = story.storage.stream("crash")
    first, _ = stream.bounds()
    return stream.read(first)
