"""Appending to a journal: its form, its order of calls, its fence, and what a failure leaves."""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from nbflow.errors import Fenced, StorageError, StorageFull
from nbflow.storage import journal
from nbflow.storage.folder import FolderStorage
from nbflow.storage.os_calls import OS, LazyOS

from .runs import filled, numbers, record, segment


class Recording(OS):
    """Writes down the calls, and does what ``before`` says first."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def _note(self, call: str, path: str = "") -> None:
        self.calls.append(f"{call} {path.rpartition('/')[2]}".strip())

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        if flags & os.O_CREAT:
            self._note("create", path)
        return super().open(path, flags, mode)

    def write(self, fd: int, chunk: Any) -> int:
        self._note("write")
        return super().write(fd, chunk)

    def fdatasync(self, fd: int) -> None:
        self._note("fdatasync")
        super().fdatasync(fd)

    def fsync_dir(self, path: str) -> None:
        self._note("fsync_dir", path)
        super().fsync_dir(path)

    def exists(self, path: str) -> bool:
        self._note("exists", path)
        return super().exists(path)

    def stat(self, path: str) -> os.stat_result:
        self._note("stat", path)
        return super().stat(path)


def test_a_commit_is_one_write_one_sync_and_then_the_fence(tmp_path: Path) -> None:
    calls = Recording()
    run = FolderStorage(tmp_path / "store", os=calls).create_run("run")
    calls.calls.clear()
    run.append([record(1), record(2)])
    assert calls.calls == ["write", "fdatasync", "exists j-00000002.jsonl", "stat j-00000001.jsonl"]


def test_opening_goes_in_the_order_that_crashes_and_rivals_need(tmp_path: Path) -> None:
    calls = Recording()
    storage = FolderStorage(tmp_path / "store", os=calls)
    storage.check_writable()
    calls.calls.clear()
    storage.create_run("run").close()
    begin = calls.calls.index("create j-00000001.jsonl")
    assert calls.calls[begin:][:9] == [
        "create j-00000001.jsonl",
        "fsync_dir run",
        "fsync_dir runs",
        "fsync_dir store",
        f"fsync_dir {tmp_path.name}",
        "write",
        "fdatasync",
        "exists j-00000002.jsonl",
        "stat j-00000001.jsonl",
    ]


def test_the_form_is_the_documented_one(folder: FolderStorage) -> None:
    filled(folder, 2, 0, 1)
    lines = [json.loads(line) for line in segment(folder, 3).read_text().splitlines()]
    header, carried = lines[0]["n"]
    assert {key: header[key] for key in ("t", "v", "e", "prev", "id")} == {
        "t": "seg",
        "v": 1,
        "e": 3,
        "prev": 1,
        "id": "run",
    }
    assert carried == {"t": "n", "n": 1}
    assert segment(folder, 1).read_bytes()[header["seal"] :].startswith(b'{"q":2,')
    assert [line["q"] for line in lines] == [2, 3]
    assert numbers(folder) == [0, 1, 2]


def test_many_owners_after_each_other_lose_nothing(folder: FolderStorage) -> None:
    filled(folder, 3, 0, 0, 1, 2, 0, 5)
    assert numbers(folder) == list(range(11))


class Failing(OS):
    """Fails at the calls that are named."""

    def __init__(self) -> None:
        self.fails: dict[str, int] = {}

    def write(self, fd: int, chunk: Any) -> int:
        self._may_fail("write")
        return super().write(fd, chunk)

    def fdatasync(self, fd: int) -> None:
        self._may_fail("fdatasync")
        super().fdatasync(fd)

    def exists(self, path: str) -> bool:
        self._may_fail("exists")
        return super().exists(path)

    def _may_fail(self, call: str) -> None:
        if call in self.fails:
            raise OSError(self.fails[call], os.strerror(self.fails[call]))


@pytest.mark.parametrize(
    ("call", "number", "error"),
    [
        ("write", errno.ENOSPC, StorageFull),
        ("write", errno.EDQUOT, StorageFull),
        ("write", errno.EIO, StorageError),
        ("fdatasync", errno.EIO, StorageError),
        ("fdatasync", errno.ENOSPC, StorageFull),
        ("exists", errno.EIO, StorageError),
    ],
)
def test_a_failure_poisons_the_handle_and_opening_again_goes_on(
    tmp_path: Path, call: str, number: int, error: type[StorageError]
) -> None:
    calls = Failing()
    storage = FolderStorage(tmp_path / "store", os=calls)
    run = storage.create_run("run")
    run.append([record(0)])
    calls.fails[call] = number
    with pytest.raises(error):
        run.append([record(1)])
    calls.fails.clear()
    with pytest.raises(error, match="open the run again"):
        run.append([record(2)])
    run.close()
    again = storage.open_run("run")
    found = [entry["n"] for entry in again.records]
    assert found in ([0], [0, 1])
    again.append([record(3)])
    assert numbers(storage) == [*found, 3]


def test_a_full_disk_leaves_no_empty_segments_behind(tmp_path: Path) -> None:
    calls = Failing()
    storage = FolderStorage(tmp_path / "store", os=calls)
    filled(storage, 1).close()
    calls.fails["write"] = errno.ENOSPC
    for _ in range(3):
        with pytest.raises(StorageFull, match="free some space"):
            storage.open_run("run")
    assert not segment(storage, 2).exists()
    calls.fails.clear()
    storage.open_run("run").append([record(1)])
    assert numbers(storage) == [0, 1]


def test_an_interrupt_in_the_middle_of_a_commit_poisons_the_handle(tmp_path: Path) -> None:
    class Interrupting(OS):
        def fdatasync(self, fd: int) -> None:
            if armed:
                raise KeyboardInterrupt
            super().fdatasync(fd)

    armed = False
    storage = FolderStorage(tmp_path / "store", os=Interrupting())
    run = storage.create_run("run")
    armed = True
    with pytest.raises(KeyboardInterrupt):
        run.append([record(0)])
    armed = False
    with pytest.raises(StorageError, match="open the run again"):
        run.append([record(1)])
    run.close()
    assert [entry["n"] for entry in storage.open_run("run").records] == [0]


def test_short_writes_are_completed(tmp_path: Path) -> None:
    class Stingy(OS):
        def write(self, fd: int, chunk: Any) -> int:
            return super().write(fd, memoryview(chunk)[:7])

    storage = FolderStorage(tmp_path / "store", os=Stingy())
    filled(storage, 3, 2)
    assert numbers(storage) == list(range(5))


def test_a_commit_over_the_limit_is_split_and_still_one_unit(
    folder: FolderStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "FRAME_LIMIT", 100)
    run = filled(folder, 1)
    run.append([record(n) for n in range(1, 12)])
    run.close()
    whole = segment(folder, 1).read_bytes()
    lines = whole.splitlines(keepends=True)
    assert len(lines) > 4
    for kept in range(2, len(lines)):
        segment(folder, 1).write_bytes(b"".join(lines[:kept]))
        assert numbers(folder) == [0]
    segment(folder, 1).write_bytes(whole)
    assert numbers(folder) == list(range(12))
    folder.open_run("run").append([record(12)])
    assert numbers(folder) == list(range(13))


def test_deletion_fences_the_owner(folder: FolderStorage) -> None:
    run = filled(folder, 1)
    os.rename(Path(folder.url, "runs/run"), Path(folder.url, "trash/run"))
    with pytest.raises(Fenced, match="deleted"):
        run.append([record(1)])


def test_deletion_and_making_anew_fences_the_owner(folder: FolderStorage) -> None:
    run = filled(folder, 1)
    os.rename(Path(folder.url, "runs/run"), Path(folder.url, "trash/run"))
    filled(folder, 2).close()
    with pytest.raises(Fenced, match="made it anew"):
        run.append([record(9)])
    assert numbers(folder) == [0, 1]


def test_a_gap_in_the_numbers_never_leaves_two_owners(folder: FolderStorage) -> None:
    first = filled(folder, 1)
    segment(folder, 4).touch()  # what a rival made that had listed an earlier run of this name
    second = folder.open_run("run", takeover=True)
    with pytest.raises(Fenced):
        first.append([record(1)])
    second.append([record(2)])
    assert numbers(folder) == [0, 2]


def test_several_threads_may_commit(folder: FolderStorage) -> None:
    run = filled(folder, 1)
    threads = [threading.Thread(target=lambda: [run.append([record(n)]) for n in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers(folder)[1:]) == sorted(list(range(50)) * 4)


def test_lazy_durability_keeps_the_form_and_waits_for_nothing(tmp_path: Path) -> None:
    lazy = FolderStorage(tmp_path / "store", durability="lazy")
    assert isinstance(lazy._calls, LazyOS)
    filled(lazy, 3, 2).close()
    assert numbers(FolderStorage(lazy.url)) == list(range(5))
    with pytest.raises(ValueError, match="memory"):
        FolderStorage(tmp_path, durability="eventually")
