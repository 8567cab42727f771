"""The root folder: made once, recognised, and refused when it is not safe."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from nbflow.errors import StorageDamaged, StorageError
from nbflow.storage.folder import FolderStorage
from nbflow.storage.os_calls import OS
from nbflow.storage.root import warn_if_drive


def made(path: Path) -> FolderStorage:
    """Make a storage with one run."""
    storage = FolderStorage(path)
    run = storage.create_run("run")
    run.append(['{"t":"x"}'])
    run.close()
    return storage


def test_naming_a_storage_makes_nothing(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "store")
    assert storage.list_runs() == []
    assert not storage.exists("run")
    assert os.listdir(tmp_path) == []


def test_the_root_is_private_and_says_what_it_is(tmp_path: Path) -> None:
    made(tmp_path / "deep" / "store")
    root = tmp_path / "deep" / "store"
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert stat.S_IMODE((root / "runs/run/j-00000001.jsonl").stat().st_mode) == 0o600
    mark = json.loads((root / "nbflow.json").read_text())
    assert (mark["format"], mark["version"], mark["min_reader"], mark["min_writer"]) == ("nbflow", 1, 1, 1)
    assert mark["probe"] == {"exclusive": True}
    made_again = FolderStorage(root)
    made_again.check_writable()
    assert json.loads((root / "nbflow.json").read_text()) == mark
    assert sorted(os.listdir(root)) == ["cache", "nbflow.json", "runs", "trash"]


def test_a_root_that_everybody_may_write_is_refused(tmp_path: Path) -> None:
    made(tmp_path / "store")
    (tmp_path / "store").chmod(0o777)
    for call in (FolderStorage.list_runs, FolderStorage.check_writable):
        with pytest.raises(StorageError, match="chmod o-w"):
            call(FolderStorage(tmp_path / "store"))
    (tmp_path / "store").chmod(0o755)
    FolderStorage(tmp_path / "store").check_writable()


def test_a_root_that_belongs_to_somebody_else_is_refused_unless_all_is_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    me, them = 4242, 4243
    monkeypatch.setenv("NBFLOW_SIGNING_KEY", "k" * 64)
    monkeypatch.setattr(os, "geteuid", lambda: me)

    class Owned(OS):
        """Shows who owns the root, and what is made in it."""

        def __init__(self, root: int, made: int) -> None:
            self.root, self.made = root, made

        def stat(self, path: str) -> os.stat_result:
            found = os.stat(path)
            return os.stat_result((*found[:4], self.made if "probe-" in path else self.root, *found[5:]))

    with pytest.raises(StorageError, match="belongs to somebody else"):
        FolderStorage(tmp_path / "s", os=Owned(them, me)).check_writable()
    for good in (Owned(me, me), Owned(0, me), Owned(them, them)):  # the last: a mount that shows all as theirs
        FolderStorage(tmp_path / "s", os=good).check_writable()
    FolderStorage(tmp_path / "s", os=Owned(them, me), sign=True).check_writable()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    FolderStorage(tmp_path / "s", os=Owned(them, 0)).check_writable()


def test_a_file_system_without_modes_is_let_pass(tmp_path: Path) -> None:
    class NoModes(OS):
        def stat(self, path: str) -> os.stat_result:
            found = super().stat(path)
            return os.stat_result((found.st_mode | 0o777, *found[1:]))

    FolderStorage(tmp_path / "store", os=NoModes()).check_writable()


def test_a_file_system_that_cannot_create_exclusively_is_refused(tmp_path: Path) -> None:
    class Careless(OS):
        def open(self, path: str, flags: int, mode: int = 0o600) -> int:
            return super().open(path, flags & ~os.O_EXCL, mode)

    with pytest.raises(StorageError, match="exclusively"):
        FolderStorage(tmp_path / "store", os=Careless()).check_writable()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": "other"}'])
def test_a_folder_of_something_else_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "nbflow.json").write_text(content)
    for call in (FolderStorage.list_runs, FolderStorage.check_writable):
        with pytest.raises(StorageDamaged, match=r"nbflow\.json"):
            call(FolderStorage(tmp_path))


def test_a_storage_of_a_newer_nbflow_is_refused(tmp_path: Path) -> None:
    storage = made(tmp_path / "store")
    mark = tmp_path / "store/nbflow.json"
    content = json.loads(mark.read_text())
    mark.write_text(json.dumps({**content, "min_writer": 2}))
    reader = FolderStorage(storage.url)
    assert reader.read_run("run") == [{"t": "x"}]
    with pytest.raises(StorageError, match="newer nbflow"):
        reader.open_run("run")
    mark.write_text(json.dumps({**content, "min_reader": 2}))
    with pytest.raises(StorageError, match="newer nbflow"):
        FolderStorage(storage.url).read_run("run")


def test_a_path_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        FolderStorage(tmp_path / "file").check_writable()
    assert FolderStorage(tmp_path / "file").list_runs() == []


def test_a_removed_storage_is_made_again(tmp_path: Path) -> None:
    storage = made(tmp_path / "store")
    os.rename(tmp_path / "store", tmp_path / "away")
    storage.check_writable()
    assert not storage.exists("run")
    run = storage.create_run("run")
    run.append(['{"t":"y"}'])
    assert storage.read_run("run") == [{"t": "y"}]


def test_what_a_deletion_left_is_removed_by_the_next_start(tmp_path: Path) -> None:
    storage = made(tmp_path / "store")
    os.rename(tmp_path / "store/runs/run", tmp_path / "store/trash/run.1234")
    FolderStorage(storage.url).check_writable()
    assert os.listdir(tmp_path / "store/trash") == []


def test_a_mounted_drive_gets_a_warning() -> None:
    with pytest.warns(UserWarning, match="object store"):
        warn_if_drive("/content/drive/MyDrive/x")


def as_a_stranger(call: Callable[[], object]) -> str:
    """Return what a call gives or raises in a child process that may not override the modes of files."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            if os.getuid() == 0:
                os.setuid(65534)
            answer = repr(call())
        except Exception as error:
            answer = f"{type(error).__name__}: {error}"
        finally:
            os.write(writing, answer.encode())
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        return pipe.read()


def test_a_read_only_folder_can_be_looked_at_and_is_refused_at_the_start(tmp_path: Path) -> None:
    storage = made(tmp_path / "store")
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    for path in (tmp_path / "store").rglob("*"):
        path.chmod(0o555)
    (tmp_path / "store").chmod(0o555)
    fresh = FolderStorage(storage.url)
    try:
        assert as_a_stranger(lambda: [entry.workflow_id for entry in fresh.list_runs()]) == "['run']"
        assert as_a_stranger(lambda: fresh.read_run("run")) == "[{'t': 'x'}]"
        for call in (fresh.check_writable, partial(fresh.open_run, "run"), partial(fresh.create_run, "new")):
            assert re.match("StorageReadOnly: .*NBFLOW_STORAGE", as_a_stranger(call))
    finally:
        for path in (tmp_path / "store", *(tmp_path / "store").rglob("*")):
            path.chmod(0o700)
    assert fresh.read_run("run") == [{"t": "x"}]


def test_a_disk_that_fails_while_the_storage_is_looked_for_is_told_as_an_error_of_the_storage(tmp_path: Path) -> None:
    class Disk(OS):
        fails = False

        def exists(self, path: str) -> bool:
            if self.fails and path.endswith("/runs"):
                raise OSError(5, "Input/output error")
            return super().exists(path)

    disk = Disk()
    storage = FolderStorage(tmp_path / "store", os=disk)
    storage.check_writable()
    disk.fails = True
    with pytest.raises(StorageError, match="Input/output error"):
        storage.create_run("run")
