"""A folder's findings follow what the operating system really does there."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from nbflow.checkup import folder
from nbflow.checkup.finding import BAD, GOOD, NOTE, WARN, Finding


def found(path: Path) -> dict[str, Finding]:
    return {each.name: each for each in folder.checked(str(path))}


MOUNTS = """\
server:/home /home nfs4 rw 0 0
tmpfs /home/ann/fast tmpfs rw 0 0
drive /mnt/my\\040drive fuse.drive rw 0 0
/dev/vda1 / ext4 rw 0 0
"""


@pytest.mark.parametrize(
    ("place", "kind"),
    [("/srv/x", "ext4"), ("/home/bob", "nfs4"), ("/home/ann/fast/x", "tmpfs"), ("/homely", "ext4"),
     ("/mnt/my drive/x", "fuse.drive")],
)  # fmt: skip
def test_a_folder_is_on_the_file_system_that_is_mounted_nearest(tmp_path: Path, place: str, kind: str) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    assert folder.kind_of(place, str(mounts)) == kind


def test_where_the_system_does_not_say_it_is_not_known(tmp_path: Path) -> None:
    assert folder.kind_of("/x", str(tmp_path / "no-such-file")) == ""


@pytest.mark.parametrize(("kind", "verdict"), [("nfs4", WARN), ("tmpfs", WARN), ("ext4", GOOD), ("", NOTE)])
def test_a_file_system_that_may_lose_what_it_synced_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, verdict: str
) -> None:
    monkeypatch.setattr(folder, "kind_of", lambda place: kind)
    assert found(tmp_path)["file system"].verdict == verdict


def test_a_folder_without_hard_links_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: Any) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    assert found(tmp_path)["hard links"].verdict == WARN


def test_a_slow_sync_is_told_in_what_it_costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(folder.time, "perf_counter", lambda: next(clock) * 0.1)
    slow = found(tmp_path)["sync"]
    assert slow.verdict == WARN
    assert "100.00 ms" in slow.said and "100.0 s" in slow.said


def test_a_clock_that_differs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = folder.time.time
    monkeypatch.setattr(folder.time, "time", lambda: real() + 60)
    skewed = found(tmp_path)["clock"]
    assert skewed.verdict == WARN and "-60 s" in skewed.said


def test_a_folder_in_which_two_can_make_one_file_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, flags, mode=0o777: real(path, flags & ~os.O_EXCL, mode))
    assert found(tmp_path)["exclusive"].verdict == BAD


def test_little_space_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "LITTLE", 1 << 80)
    assert found(tmp_path)["free space"].verdict == WARN


def test_a_call_that_is_refused_is_bad_and_the_rest_is_still_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replace(*_: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "replace", replace)
    all_found = found(tmp_path)
    assert all_found["rename"].verdict == BAD
    assert all_found["hard links"].verdict == GOOD
    assert os.listdir(tmp_path) == []


def test_without_inotify_events_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Deaf:
        def __init__(self, path: str) -> None:
            raise OSError(24, "Too many open files")

    monkeypatch.setattr(folder, "Changes", Deaf)
    assert found(tmp_path)["doorbell"].verdict == (WARN if sys.platform == "linux" else NOTE)
