"""Event streams with real processes that write at once and are killed in the midst of it."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nbflow.storage.folder import FolderStorage
from tests import figures

pytestmark = pytest.mark.crash
PROGRAMS = Path(__file__).with_name("stream_programs.py")


class Sender:
    """A process that sends; ``said`` are the (offset, id) that were acknowledged to it."""

    def __init__(self, root: str, who: str, count: int = 10**9) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAMS), "send", root, who, str(count)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=PROGRAMS.parent.parent.parent,
            env={"PYTHONPATH": str(PROGRAMS.parent.parent.parent)},
        )
        self.said: list[tuple[int, str]] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._listen)
        self._reader.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                if line.endswith("\n"):  # a line that a kill has cut was not said
                    offset, event_id = line.split()
                    self.said.append((int(offset), event_id))
                self._news.notify_all()
        self.process.stdout.close()

    def wait_for(self, count: int) -> None:
        """Return when so many events were acknowledged."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.said) >= count, timeout=60)

    def kill(self) -> None:
        """Kill it and hear all that it said."""
        self.process.send_signal(signal.SIGKILL)
        self.end()

    def end(self) -> int:
        """Wait for its end, hear all that it said, and return its exit code."""
        code = self.process.wait(60)
        self._reader.join(60)
        return code


def test_of_two_processes_that_write_at_once_one_is_killed_and_nothing_is_lost(folder: FolderStorage) -> None:
    chance = random.Random(11)
    steady = Sender(folder.url, "steady", 600)
    acknowledged: list[tuple[int, str]] = []
    for life in range(4):
        doomed = Sender(folder.url, f"doomed{life}")
        doomed.wait_for(1 + chance.randrange(40))
        seen = [offset for offset, _ in folder.stream("default").read(1, 50)]
        assert seen == list(range(1, len(seen) + 1))
        doomed.kill()
        figures.count("crash points")
        acknowledged += doomed.said
    assert steady.end() == 0
    acknowledged += steady.said
    stream = folder.stream("default")
    first, end = stream.bounds()
    found: dict[int, str] = {}
    while page := stream.read(first + len(found)):
        found.update({offset: event["id"] for offset, event in page})
    assert (first, list(found)) == (1, list(range(1, end)))
    figures.count("events", len(found))
    figures.count("doubled", len(found) - len(set(found.values())))
    figures.count("lost", len(dict(acknowledged).items() - found.items()))
    assert len(set(found.values())) == len(found)
    assert dict(acknowledged).items() <= found.items()
    # what nobody heard of can be only the last event of each that was killed
    assert len(found) - len(acknowledged) <= 4
    for life in range(4):
        numbers = [int(event_id.split("-")[1]) for event_id in found.values() if event_id.startswith(f"doomed{life}-")]
        assert numbers == list(range(len(numbers)))
