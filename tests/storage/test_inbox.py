"""The inbox: events of other processes are stored durably, delivered in order, and a bad one blocks nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nbflow.errors import StorageError
from nbflow.storage.base import RunJournal
from nbflow.storage.folder import FolderStorage
from nbflow.storage.inbox import MAX_EVENT_BYTES
from nbflow.storage.os_calls import OS


@pytest.fixture
def run(folder: FolderStorage) -> RunJournal:
    """Give a run with one record."""
    run = folder.create_run("run")
    run.append(['{"t":"x"}'])
    return run


def event(event_id: str) -> dict[str, str]:
    return {"id": event_id, "key": "k"}


def box(folder: FolderStorage, name: str) -> Path:
    return Path(folder.url, "runs/run/inbox", name)


def test_an_event_is_on_the_disk_before_send_returns(tmp_path: Path) -> None:
    class Recording(OS):
        def fsync(self, fd: int) -> None:
            calls.append("fsync")

        def fsync_dir(self, path: str) -> None:
            calls.append(f"fsync_dir {path.rpartition('/')[2]}")

        def link(self, old: str, new: str) -> None:
            calls.append("link")
            super().link(old, new)

    calls: list[str] = []
    storage = FolderStorage(tmp_path / "store", os=Recording())
    storage.create_run("run").append(['{"t":"x"}'])
    calls.clear()
    storage.send("run", event("1"))
    assert calls == ["fsync", "link", "fsync_dir new", "fsync_dir inbox", "fsync_dir run"]
    calls.clear()
    assert not storage.send("run", event("1"))
    assert calls == ["fsync", "link", "fsync_dir new", "fsync_dir inbox", "fsync_dir run"]
    assert os.listdir(box(storage, "tmp")) == []


def test_a_file_system_without_links_will_do(tmp_path: Path) -> None:
    class NoLinks(OS):
        def link(self, old: str, new: str) -> None:
            raise PermissionError(1, "Operation not permitted")

    storage = FolderStorage(tmp_path / "store", os=NoLinks())
    run = storage.create_run("run")
    run.append(['{"t":"x"}'])
    assert [storage.send("run", event("1")), storage.send("run", event("1"))] == [True, False]
    assert [item.event for item in run.poll_inbox()] == [event("1")]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", bytes(50), b'{"sent": 1, "event": {"id": 1, "key": "k"}}', b'{"event": {"id": "1"}}'],
)
def test_a_bad_file_is_put_aside_and_the_others_are_delivered(
    folder: FolderStorage, run: RunJournal, content: bytes
) -> None:
    folder.send("run", event("1"))
    box(folder, "new/bad.json").write_bytes(content)
    folder.send("run", event("2"))
    assert [item.event["id"] for item in run.poll_inbox()] == ["1", "2"]
    assert box(folder, "bad/bad.json").read_bytes() == content
    assert run.poll_inbox() == []


def test_an_event_that_is_too_large_is_refused(folder: FolderStorage, run: RunJournal) -> None:
    with pytest.raises(StorageError, match="into a file"):
        folder.send("run", {**event("1"), "payload": "x" * MAX_EVENT_BYTES})
    assert run.poll_inbox() == []


def test_the_same_id_under_another_key_is_another_event(folder: FolderStorage, run: RunJournal) -> None:
    assert folder.send("run", {"id": "1", "key": "a"})
    assert folder.send("run", {"id": "1", "key": "b"})
    assert len(run.poll_inbox()) == 2


SENDER = """
import sys
from nbflow.storage.folder import FolderStorage
storage = FolderStorage(sys.argv[1])
print(sum(storage.send("run", {"id": f"e{n}", "key": sys.argv[2]}) for n in range(40)))
"""


def test_events_of_several_processes_all_come_once_and_in_the_order_of_each(
    folder: FolderStorage, run: RunJournal
) -> None:
    senders = [
        subprocess.Popen([sys.executable, "-c", SENDER, folder.url, key], stdout=subprocess.PIPE, text=True)
        for key in ("a", "a", "b")
    ]
    found: list[dict[str, str]] = []
    while any(sender.poll() is None for sender in senders):
        found += [item.event for item in run.poll_inbox()]
    found += [item.event for item in run.poll_inbox()]
    stored = [int(sender.communicate()[0]) for sender in senders]
    assert stored[0] + stored[1] == 40
    assert stored[2] == 40
    for key in ("a", "b"):
        assert sorted(e["id"] for e in found if e["key"] == key) == sorted(f"e{n}" for n in range(40))
    assert [e["id"] for e in found if e["key"] == "b"] == [f"e{n}" for n in range(40)]
