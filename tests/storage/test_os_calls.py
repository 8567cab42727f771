"""The real operating system behind its seam."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from nbflow.storage import os_calls
from nbflow.storage.os_calls import CREATE_NEW, OS, LazyOS, discard, make_folder, put_in_place, write_all, write_file

REAL = OS()


def test_everything_is_written_however_little_a_call_takes(tmp_path: Path) -> None:
    class Stingy(OS):
        def write(self, fd: int, chunk: Any) -> int:
            return super().write(fd, memoryview(chunk)[:3])

    content = bytes(range(256))
    fd = REAL.open(str(tmp_path / "x"), CREATE_NEW)
    write_all(Stingy(), fd, content)
    write_all(Stingy(), fd, b"")
    REAL.close(fd)
    assert REAL.read_all(str(tmp_path / "x")) == content


def test_a_file_is_read_whole_while_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os_calls, "READ_CHUNK", 10)
    (tmp_path / "x").write_bytes(b"0123456789" * 50)
    monkeypatch.setattr(os, "fstat", lambda fd: os.stat_result((0,) * 10))
    assert REAL.read_all(str(tmp_path / "x")) == b"0123456789" * 50


def test_doubt_about_a_path_is_an_error_not_an_absence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert REAL.exists(str(tmp_path / "file"))
    assert not REAL.exists(str(tmp_path / "other"))
    with pytest.raises(NotADirectoryError):
        REAL.exists(str(tmp_path / "file/x"))
    with pytest.raises(OSError):
        REAL.exists(str(tmp_path / ("x" * 5000)))


def test_a_leftover_is_replaced_by_a_new_file(tmp_path: Path) -> None:
    path = str(tmp_path / "x")
    for content in (b"long leftover", b"new"):
        write_file(REAL, path, content, sync=True)
    assert REAL.read_all(path) == b"new"
    discard(REAL, path)
    discard(REAL, path)
    assert os.listdir(tmp_path) == []


def test_a_name_is_given_once(tmp_path: Path) -> None:
    for number, expected in ((1, True), (2, False)):
        write_file(REAL, str(tmp_path / "t"), b"%d" % number, sync=False)
        assert put_in_place(REAL, str(tmp_path / "t"), str(tmp_path / "x")) is expected
    assert (tmp_path / "x").read_bytes() == b"1"
    with pytest.raises(FileNotFoundError):
        put_in_place(REAL, str(tmp_path / "missing"), str(tmp_path / "y"))


def test_a_folder_may_be_there_already(tmp_path: Path) -> None:
    for _ in range(2):
        make_folder(REAL, str(tmp_path / "d"))
    REAL.fsync_dir(str(tmp_path / "d"))
    REAL.rmdir(str(tmp_path / "d"))
    with pytest.raises(FileNotFoundError):
        REAL.fsync_dir(str(tmp_path / "d"))


def test_a_file_system_that_cannot_sync_folders_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(number: int) -> Any:
        def sync(fd: int) -> None:
            raise OSError(number, os.strerror(number))

        return sync

    monkeypatch.setattr(os_calls, "_sync_all", refuse(22))
    REAL.fsync_dir(str(tmp_path))
    monkeypatch.setattr(os_calls, "_sync_all", refuse(5))
    with pytest.raises(OSError):
        REAL.fsync_dir(str(tmp_path))


def test_lazy_waits_for_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("_sync_all", "_sync_content"):
        monkeypatch.setattr(os_calls, name, lambda fd: pytest.fail("waited"))
    lazy = LazyOS()
    lazy.fsync(0)
    lazy.fdatasync(0)
    lazy.fsync_dir(str(tmp_path))


def test_to_begin_a_sync_is_a_wish_and_never_an_error(tmp_path: Path) -> None:
    calls = OS()
    fd = calls.open(str(tmp_path / "file"), CREATE_NEW)
    calls.write(fd, b"x" * 5000)
    calls.begin_sync(fd, 0, 5000)
    calls.close(fd)
    calls.begin_sync(fd, 0, 5000)
    assert (tmp_path / "file").read_bytes() == b"x" * 5000
