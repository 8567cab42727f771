"""A storage that fails: the run pauses, nothing that was done is done again, and it goes on when it can."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow import api
from nbflow.core.codec import encode
from nbflow.core.records import EventReceived
from nbflow.engine import trouble
from nbflow.errors import Fenced, RunIsLive, StorageError, WorkflowExecutionError
from nbflow.storage.base import RunJournal
from nbflow.storage.folder import FolderStorage
from nbflow.storage.os_calls import LazyOS
from tests.engine.tools import Counter, Gate, until


class Disk(LazyOS):
    """A disk that refuses writes while ``refuses`` is an error number, and the next ``bad`` commits, but no header."""

    refuses = 0
    bad = 0

    def write(self, fd: int, chunk: Any) -> int:
        if self.bad and bytes(chunk[:4]) == b'{"q"' and b'"t":"seg"' not in bytes(chunk):
            self.bad -= 1
            raise OSError(errno.EIO, "refused")
        if self.refuses and len(chunk) > 20:
            raise OSError(self.refuses, "refused")
        return super().write(fd, chunk)


@pytest.fixture
def disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """Give the disk of the default host."""
    monkeypatch.setattr(trouble, "PAUSE", 0.02)
    nf.shutdown()
    calls = Disk()
    nf.init(storage=FolderStorage(folder, os=calls))
    yield calls
    calls.refuses = 0


def met(workflow_id: str) -> str:
    live = api.default_host().runners.get(workflow_id)
    return live.trouble.reason if live else ""


def test_a_full_disk_pauses_the_run_and_space_lets_it_go_on(disk: Disk, tmp_path: Path) -> None:
    gate, calls = Gate(), Counter(tmp_path / "calls")

    @nf.task
    def first() -> int:
        gate.wait()
        return calls.add()

    second = nf.task(lambda x: x + 1, name="second")
    run = nf.run_async(second.bind(first.bind()), workflow_id="w")
    gate.reached()
    disk.refuses = errno.ENOSPC
    gate.open.set()
    assert until(lambda: met("w")) == "STORAGE_FULL"
    assert run.status == "RUNNING"
    disk.refuses = 0
    assert run.result(10) == 2
    assert (calls.count(), met("w"), nf.resume("w")) == (1, "", 2)


def test_a_large_result_waits_for_room_and_its_body_does_not_run_again(disk: Disk, tmp_path: Path) -> None:
    gate, calls = Gate(), Counter(tmp_path / "calls")

    @nf.task
    def make() -> bytes:
        gate.wait()
        calls.add()
        return bytes(300_000)

    run = nf.run_async(make.bind(), workflow_id="w")
    gate.reached()
    live = api.default_host().runners["w"]
    disk.refuses = errno.ENOSPC
    gate.open.set()
    until(lambda: any("waits to be stored" in notice for notice in live.notices))
    disk.refuses = 0
    assert len(run.result(10)) == 300_000
    assert calls.count() == 1


def test_an_error_of_the_disk_is_tried_again_a_few_times_and_then_the_run_is_given_up(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trouble, "TRIES", 2)
    run = nf.run_async(nf.sleep(0.3), workflow_id="w")
    until(lambda: run.state.counts["waiting"])
    disk.refuses = errno.EIO
    with pytest.raises(RunIsLive, match="failed 2 times"):
        run.result(10)
    disk.refuses = 0
    until(lambda: "w" not in api.default_host().runners)
    assert nf.get_status("w") == "RESUMABLE"
    assert nf.resume("w") is None


def test_a_disk_that_fails_again_when_the_run_is_opened_anew_does_not_end_it(disk: Disk) -> None:
    run = nf.run_async(nf.wait_for_event("go"), workflow_id="w")
    until(lambda: run.state.counts["waiting"])
    disk.bad = 3
    run.send("go", 1)
    assert run.result(10) == 1
    assert disk.bad == 0


def test_a_run_that_begins_on_a_full_disk_is_refused_with_the_remedy(disk: Disk) -> None:
    disk.refuses = errno.ENOSPC
    with pytest.raises(StorageError, match="space"):
        nf.run(nf.task(len).bind("x" * 100), workflow_id="w")
    disk.refuses = 0
    assert nf.list_all() == []
    assert nf.run(nf.task(lambda: 1, name="g").bind(), workflow_id="w") == 1


def test_the_engine_can_be_closed_while_the_disk_is_full(disk: Disk, folder: Path) -> None:
    run = nf.run_async(nf.wait_for_event("go"), workflow_id="w")
    until(lambda: run.state.counts["waiting"])
    disk.refuses = errno.ENOSPC
    nf.shutdown()
    disk.refuses = 0
    nf.init(storage=FolderStorage(folder))
    assert nf.get_status("w") == "RESUMABLE"


def test_a_run_that_was_taken_while_it_paused_is_left_to_its_new_owner(disk: Disk, folder: Path) -> None:
    run = nf.run_async(nf.wait_for_event("go"), workflow_id="w")
    until(lambda: run.state.counts["waiting"])
    taken = FolderStorage(folder).open_run("w", takeover=True)
    try:
        assert run.send("go", 1, id="e1").status == "queued"
        with pytest.raises(RunIsLive, match="run here no more"):
            run.result(10)
        assert run.send("go", 2).status == "queued"
        until(lambda: "w" not in api.default_host().runners)
        assert next(item.event["id"] for item in taken.poll_inbox()) == "e1"
    finally:
        taken.close()
    assert nf.resume("w") == 1


def test_a_run_that_somebody_moved_on_while_it_paused_is_not_gone_on_with_from_what_this_process_knows(
    disk: Disk, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = nf.run_async(nf.wait_for_event("go"), workflow_id="w")
    until(lambda: run.state.counts["waiting"])
    storage = api.default_host().storage
    reopen = storage.open_run

    def open_run(workflow_id: str, **how: bool) -> RunJournal:
        monkeypatch.setattr(storage, "open_run", reopen)
        other = FolderStorage(folder).open_run("w", takeover=True)
        other.append([encode(EventReceived("theirs", "go", {"c": "json", "v": "theirs"}, 1.0))])
        other.close()
        return reopen(workflow_id, **how)

    monkeypatch.setattr(storage, "open_run", open_run)
    disk.bad = 1
    run.send("go", "mine", id="mine")
    with pytest.raises(RunIsLive, match="gone on with run"):
        run.result(10)
    until(lambda: "w" not in api.default_host().runners)
    assert nf.resume("w") == "theirs"


def test_a_run_whose_first_commit_fails_begins_all_the_same(disk: Disk) -> None:
    disk.bad = 2
    assert nf.run(nf.task(lambda: 1, name="one").bind(), workflow_id="w") == 1
    assert disk.bad == 0


def test_a_run_that_is_taken_while_it_begins_can_be_begun_once_more(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, one = api.default_host().storage, nf.task(lambda: 1, name="one")
    create, given_back = storage.create_run, list[str]()

    def taken(records: object) -> None:
        raise Fenced("somebody took it")

    def create_run(workflow_id: str) -> RunJournal:
        monkeypatch.setattr(storage, "create_run", create)
        journal = create(workflow_id)
        close = journal.close
        monkeypatch.setattr(journal, "append", taken)
        monkeypatch.setattr(journal, "close", lambda: (close(), given_back.append(workflow_id)))
        return journal

    monkeypatch.setattr(storage, "create_run", create_run)
    with pytest.raises(RunIsLive, match="somebody took it"):
        nf.run(one.bind(), workflow_id="w")
    assert given_back == ["w"]
    until(lambda: not api.default_host().opening)
    assert api.default_host().runners == {}
    assert nf.run(one.bind(), workflow_id="w") == 1


def test_a_run_that_only_waits_notices_that_it_was_taken(
    disk: Disk, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nbflow.engine import keeper

    monkeypatch.setattr(keeper, "HEARTBEAT", 0.05)
    run = nf.run_async(nf.wait_for_event("go"), workflow_id="w")
    until(lambda: run.state.counts["waiting"])
    taken = FolderStorage(folder).open_run("w", takeover=True)
    try:
        with pytest.raises(RunIsLive):
            run.result(10)
    finally:
        taken.close()


def test_an_observer_that_fails_does_not_stop_the_run(host: Any) -> None:
    run = nf.run_async(nf.wait_for_event("go"), workflow_id="w")
    host.runners["w"].observers.append(lambda _: 1 / 0)
    run.send("go", 1)
    assert run.result(10) == 1


def test_an_error_of_the_engine_itself_ends_the_wait_for_the_run(host: Any) -> None:
    run = nf.run_async(nf.wait_for_event("go"), workflow_id="w")
    until(lambda: run.state.counts["waiting"])
    runner = host.runners["w"]

    def fail(command: object) -> None:
        raise ZeroDivisionError("a bug")

    from nbflow.core.commands import Acknowledge

    runner._do[Acknowledge] = fail
    assert run.send("go", 1).status == "queued"
    with pytest.raises(ZeroDivisionError):
        run.result(10)
    until(lambda: "w" not in host.runners)
    assert nf.resume("w") == 1


def test_a_run_that_cannot_be_read_is_not_kept_by_who_tried(folder: Path) -> None:
    journal = FolderStorage(folder).create_run("w")
    journal.append([json.dumps({"t": "from the future", "!": 1})])
    journal.close()
    with pytest.raises(ValueError, match="newer nbflow"):
        nf.run(nf.task(lambda: 1, name="f").bind(), workflow_id="w")
    FolderStorage(folder).open_run("w").close()
    with pytest.raises(WorkflowExecutionError):
        nf.run(nf.task(lambda: 1 / 0, name="f").bind(), workflow_id="v")
