"""A bell rings for the folders that got a new name, and for no others."""

from __future__ import annotations

import os
import select
from pathlib import Path

import pytest

from nbflow.storage import bell as module
from nbflow.storage.bell import Bell, is_local


def ready(bell: Bell) -> bool:
    return bool(select.select([bell.fd], [], [], 0)[0])


def test_it_rings_for_a_new_name_a_moved_one_and_a_linked_one(tmp_path: Path) -> None:
    bell = Bell()
    folders = [tmp_path / name for name in "abcd"]
    for folder in folders:
        folder.mkdir()
    numbers = [bell.add(str(folder)) for folder in folders]
    assert not ready(bell) and bell.rung() == set()
    (tmp_path / "file").write_text("x")
    os.link(tmp_path / "file", folders[0] / "linked")
    (folders[1] / "new").write_text("x")
    os.rename(tmp_path / "file", folders[2] / "moved")
    assert ready(bell)
    assert bell.rung() == set(numbers[:3])
    assert bell.rung() == set()
    (folders[0] / "linked").unlink()
    (folders[1] / "new").write_text("other")
    assert bell.rung() == set(), "only new names ring"
    bell.close()
    bell.close()


def test_a_folder_that_was_removed_or_is_gone_rings_no_more(tmp_path: Path) -> None:
    bell = Bell()
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
    first, second = bell.add(str(one)), bell.add(str(two))
    bell.remove(first)
    bell.remove(first)
    (one / "x").write_text("x")
    two.rmdir()
    assert bell.rung() == set()
    bell.remove(second)
    with pytest.raises(OSError, match="two"):
        bell.add(str(two))
    bell.close()


def test_too_many_to_tell_rings_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bell = Bell()
    number = bell.add(str(tmp_path))
    overflow = module._EVENT.pack(-1, module._OVERFLOW, 0, 0)
    given = [overflow]

    def read(fd: int, size: int) -> bytes:
        if given:
            return given.pop()
        raise BlockingIOError

    monkeypatch.setattr(module.os, "read", read)
    assert bell.rung() == {number}
    monkeypatch.undo()
    bell.close()


def test_a_folder_of_this_computer_is_known_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_local("/dev/shm")
    mounts = tmp_path / "mounts"
    lines = [
        "1 0 8:1 / / rw - ext4 /dev/sda1 rw",
        "2 1 0:5 / /home rw - nfs4 server:/home rw",
        "3 2 0:6 / /home/a\\040b rw - tmpfs tmpfs rw",
        "4 1 0:7 / /homes rw - fuse.sshfs x rw",
    ]
    mounts.write_text("\n".join(lines) + "\n")
    monkeypatch.setattr("builtins.open", lambda *_, **__: mounts.open.__self__.open())
    monkeypatch.setattr(module.os.path, "realpath", lambda path: path)
    found = [is_local(path) for path in ("/var", "/home", "/home/x", "/home/a b/c", "/homes/x", "/homestead")]
    assert found == [True, False, False, True, False, True]
