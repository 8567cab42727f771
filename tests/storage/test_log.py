"""What tasks have printed is kept beside the journal: bounded, by one owner after the other, and never in the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nbflow.core.tail import SIZE
from nbflow.errors import WorkflowNotFoundError
from nbflow.storage import log
from nbflow.storage.base import RunJournal, Storage
from nbflow.storage.folder import FolderStorage

ONE = '{"t": "one"}'


def begun(storage: Storage, workflow_id: str = "run") -> RunJournal:
    run = storage.create_run(workflow_id)
    run.append([ONE])
    return run


def log_files(storage: FolderStorage) -> list[Path]:
    return sorted(Path(storage.url).glob("runs/*/log*"))


def test_a_log_is_read_while_it_is_written_and_by_later_owners(storage: Storage) -> None:
    run = begun(storage)
    assert storage.read_log("run", "a") == ""
    assert run.write_log([("a", "one\n"), ("b", "other\n")])
    assert run.write_log([("a", "zwei ✓\n")])
    assert storage.read_log("run", "a") == "one\nzwei ✓\n"
    run.close()
    again = storage.open_run("run")
    assert again.write_log([("a", "three\n")])
    again.close()
    assert storage.read_log("run", "a") == "one\nzwei ✓\nthree\n"
    assert storage.read_log("run", "b") == "other\n"
    assert storage.read_log("run", "c") == ""


def test_a_log_is_no_commit(storage: Storage) -> None:
    run = storage.create_run("run")
    run.write_log([("a", "x\n")])
    assert not storage.exists("run")
    with pytest.raises(WorkflowNotFoundError):
        storage.read_log("run", "a")


def test_a_log_goes_with_its_run(storage: Storage) -> None:
    run = begun(storage)
    run.write_log([("a", "old\n")])
    run.close()
    storage.delete_run("run")
    begun(storage)
    assert storage.read_log("run", "a") == ""


def test_who_lost_the_run_writes_no_log(storage: Storage) -> None:
    old = begun(storage)
    new = storage.open_run("run", takeover=True)
    assert not old.write_log([("a", "late\n")])
    new.write_log([("a", "mine\n")])
    assert storage.read_log("run", "a") == "mine\n"


def test_of_a_task_only_the_tail_is_read(storage: Storage) -> None:
    run = begun(storage)
    for i in range(1000):
        run.write_log([("a", f"{i}\n")])
    assert storage.read_log("run", "a").split() == [str(i) for i in range(800, 1000)]


def test_a_file_is_begun_anew_before_it_grows_for_ever_and_the_quiet_are_not_lost(
    folder: FolderStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "LIMIT", 300_000)
    run = begun(folder)
    run.write_log([("quiet", "hush\n")])
    for _ in range(200):
        run.write_log([("loud", "x" * 9_999 + "\n")])
    (file,) = log_files(folder)
    assert file.stat().st_size < 320_000
    assert folder.read_log("run", "quiet") == "hush\n"
    assert len(folder.read_log("run", "loud")) > SIZE - 10_001


def test_of_a_run_with_very_many_logs_the_newest_half_a_file_stays(
    folder: FolderStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "LIMIT", 10_000)
    run = begun(folder)
    for i in range(500):
        run.write_log([(f"t{i}", "y" * 99 + "\n")])
    assert log_files(folder)[0].stat().st_size < 11_000
    assert folder.read_log("run", "t0") == ""
    assert folder.read_log("run", "t499") == "y" * 99 + "\n"


def test_a_torn_line_loses_itself_only(folder: FolderStorage) -> None:
    run = begun(folder)
    run.write_log([("a", "one\n")])
    run.close()
    with log_files(folder)[0].open("ab") as file:
        file.write(b'["a", "tw')
    again = folder.open_run("run")
    again.write_log([("a", "three\n")])
    assert folder.read_log("run", "a") == "one\nthree\n"


def test_a_file_whose_owner_died_while_it_copied_does_not_count(folder: FolderStorage) -> None:
    run = begun(folder)
    run.write_log([("a", "one\n"), ("b", "two\n")])
    run.close()
    (file,) = log_files(folder)
    file.with_name("log-00000002.jsonl").write_bytes(b'["a", "one\\n"]\n')
    assert folder.read_log("run", "b") == "two\n"
    again = folder.open_run("run")
    again.write_log([("b", "three\n")])
    assert folder.read_log("run", "b") == "two\nthree\n"
    assert [each.name for each in log_files(folder)] == ["log-00000003.jsonl"]


def test_a_full_disk_costs_lines_and_the_next_ones_stand_whole(
    folder: FolderStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(folder)
    run.write_log([("a", "one\n")])

    def half(calls: object, fd: int, content: bytes) -> None:
        os.write(fd, content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(log, "write_all", half)
        assert not run.write_log([("a", "lost\n")])
    assert run.write_log([("a", "two\n")])
    assert folder.read_log("run", "a") == "one\ntwo\n"


def test_a_run_that_prints_nothing_has_no_file(folder: FolderStorage) -> None:
    begun(folder).close()
    assert log_files(folder) == []
