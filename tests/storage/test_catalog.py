"""The listing: right whatever the caches say, and light on many runs."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest

from nbflow.storage import catalog, ownership
from nbflow.storage.folder import FolderStorage
from nbflow.storage.os_calls import OS


class Counting(OS):
    """Counts what is read."""

    def __init__(self) -> None:
        self.reads: list[str] = []
        self.looks: list[str] = []

    def stat(self, path: str) -> os.stat_result:
        self.looks.append(path.rpartition("/")[2])
        return super().stat(path)

    def read_all(self, path: str) -> bytes:
        self.reads.append(path.rpartition("/")[2])
        return super().read_all(path)


@pytest.fixture
def calls() -> Counting:
    return Counting()


@pytest.fixture
def many(tmp_path: Path, calls: Counting) -> FolderStorage:
    """Give a storage with three runs that have a status of some age."""
    storage = FolderStorage(tmp_path / "store", os=calls)
    for name in ("one", "two", "three"):
        run = storage.create_run(name)
        run.append(['{"t":"x"}'])
        run.write_status({"status": "SUCCESSFUL", "name": name})
        run.close()
        age(storage, name, 100)
    calls.reads.clear()
    return storage


def age(storage: FolderStorage, name: str, seconds: float) -> None:
    for path in (Path(storage.url, "runs", name, "status.json"), Path(storage.url, "runs", name)):
        os.utime(path, (path.stat().st_mtime - seconds,) * 2)


def statuses(storage: FolderStorage) -> dict[str, Any]:
    return {entry.workflow_id: entry.status.get("status") for entry in storage.list_runs()}


def test_a_listing_reads_no_journal_where_there_is_a_status(many: FolderStorage, calls: Counting) -> None:
    assert statuses(many) == dict.fromkeys(("one", "two", "three"), "SUCCESSFUL")
    assert not [name for name in calls.reads if name.startswith("j-")]


def test_a_second_listing_reads_no_status_again(many: FolderStorage, calls: Counting) -> None:
    many.list_runs()
    calls.reads.clear()
    many.list_runs()
    assert "status.json" not in calls.reads


def test_a_listing_of_runs_that_rest_takes_one_look_at_each(many: FolderStorage, calls: Counting) -> None:
    many.list_runs()
    calls.reads.clear()
    calls.looks.clear()
    entries = many.list_runs()
    assert calls.reads == [] and sorted(calls.looks) == ["one", "three", "two"]
    assert [entry.workflow_id for entry in entries] == ["three", "two", "one"]


def test_a_folder_that_changed_twice_within_a_tick_of_its_clock_is_read_twice(many: FolderStorage) -> None:
    folder = Path(many.url, "runs/two")
    moment = time.time()
    for status in ("RUNNING", "WAITING"):
        run = many.open_run("two")
        run.write_status({"status": status})
        run.close()
        os.utime(folder, (moment, moment))
        assert statuses(many)["two"] == status


def test_an_owner_that_comes_and_goes_is_seen_at_once(many: FolderStorage) -> None:
    other = FolderStorage(many.url)
    assert not any(entry.live for entry in many.list_runs())
    for _ in range(3):
        run = other.open_run("two")
        assert [entry.workflow_id for entry in many.list_runs() if entry.live] == ["two"]
        run.close()
        assert not any(entry.live for entry in many.list_runs())


def test_a_dead_owner_of_a_run_that_rests_is_seen_as_dead(many: FolderStorage) -> None:
    run = many.open_run("two")
    age(many, "two", 100)
    assert [entry.workflow_id for entry in many.list_runs() if entry.live] == ["two"]
    ownership._held.clear()
    assert [entry.owner is None for entry in many.list_runs() if entry.workflow_id == "two"] == [False]
    assert not any(entry.live for entry in many.list_runs())
    run.close()


def test_whatever_others_do_in_between_a_listing_says_what_a_first_one_says(tmp_path: Path) -> None:
    chance = Random(7)
    ours, others = (FolderStorage(tmp_path / "store", durability="lazy") for _ in range(2))
    names = ["a", "b", "c", "d"]
    for step in range(200):
        name, what = chance.choice(names), chance.randrange(5)
        if not others.exists(name):
            run = others.create_run(name)
            run.append(['{"t":"x"}'])
            run.close()
        elif what == 0:
            others.delete_run(name)
        elif what == 1 and Path(others.url, "runs", name, "status.json").exists():
            age(others, name, 50 + step)
        else:
            run = others.open_run(name)
            run.write_status({"status": "X", "step": step})
            run.close()
        assert ours.list_runs() == FolderStorage(tmp_path / "store").list_runs(), step


def test_a_changed_status_is_seen_at_once(many: FolderStorage) -> None:
    many.list_runs()
    for status in ("RUNNING", "WAITING"):  # of the same length, within one tick of the clock
        run = many.open_run("two")
        run.write_status({"status": status, "name": "two"})
        run.close()
        assert statuses(many)["two"] == status


def test_a_run_without_a_status_is_listed_from_its_journal(many: FolderStorage) -> None:
    os.unlink(Path(many.url, "runs/two/status.json"))
    assert statuses(many)["two"] is None


@pytest.mark.parametrize("content", [b"", b"{", bytes(40), b"[]", b'{"workflow_id": "x"}', b'{"status": {}}'])
def test_a_torn_status_is_ignored(many: FolderStorage, content: bytes) -> None:
    Path(many.url, "runs/two/status.json").write_bytes(content)
    assert statuses(many) == {"one": "SUCCESSFUL", "two": None, "three": "SUCCESSFUL"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"v": 1}', b'{"v": 99, "runs": {}}', b'{"v": 1, "runs": [1]}'])
def test_a_bad_index_is_ignored_and_replaced(
    many: FolderStorage, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "INDEX_AFTER", 0)
    index = Path(many.url, "cache/index.json")
    index.write_bytes(content)
    assert len(FolderStorage(many.url).list_runs()) == 3
    assert set(json.loads(index.read_text())["runs"]) == {"one", "two", "three"}


def test_another_process_uses_the_index(many: FolderStorage, calls: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "INDEX_AFTER", 0)
    many.list_runs()
    calls.reads.clear()
    assert len(statuses(FolderStorage(many.url, os=calls))) == 3
    assert "status.json" not in calls.reads
    assert "index.json" in calls.reads


def test_a_deleted_run_leaves_the_listing(many: FolderStorage) -> None:
    many.list_runs()
    many.delete_run("two")
    assert set(statuses(many)) == {"one", "three"}


def test_a_damaged_run_is_listed_all_the_same(many: FolderStorage) -> None:
    os.unlink(Path(many.url, "runs/two/status.json"))
    Path(many.url, "runs/two/j-00000001.jsonl").write_bytes(b"broken\nmore\n")
    assert statuses(many)["two"] is None


def test_strange_files_between_the_runs_do_no_harm(many: FolderStorage) -> None:
    Path(many.url, "runs/.DS_Store").write_bytes(b"x")
    Path(many.url, "runs/empty").mkdir()
    Path(many.url, "runs/two/notes.txt").write_bytes(b"x")
    assert set(statuses(many)) == {"one", "two", "three"}


def test_the_newest_change_comes_first(many: FolderStorage) -> None:
    age(many, "one", 50)
    age(many, "three", 500)
    entries = many.list_runs()
    assert [entry.workflow_id for entry in entries] == ["two", "one", "three"]
    assert entries[0].changed == pytest.approx(time.time() - 100, abs=60)


def test_a_failing_status_is_not_the_owners_trouble(tmp_path: Path) -> None:
    class NoRename(OS):
        def rename(self, old: str, new: str) -> None:
            if new.endswith("status.json"):
                raise OSError(28, "No space left on device")
            super().rename(old, new)

    storage = FolderStorage(tmp_path / "store", os=NoRename())
    run = storage.create_run("run")
    run.append(['{"t":"x"}'])
    run.write_status({"status": "RUNNING"})
    assert sorted(os.listdir(tmp_path / "store/runs/run")) == ["j-00000001.jsonl", "owner.json"]
