"""Blobs: durable before their name is known, and never left in pieces."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from nbflow.errors import Fenced, StorageFull
from nbflow.storage.base import RunJournal
from nbflow.storage.blob_content import ALIGNMENT, BESIDE, PAGE, SLICE, blob_pieces
from nbflow.storage.blobs import TEMPORARY_LIFE, FolderBlobs
from nbflow.storage.folder import FolderRun, FolderStorage
from nbflow.storage.os_calls import OS


def files_of(run: RunJournal) -> FolderBlobs:
    """Return a run's way to store each value in a file of its own."""
    assert isinstance(run, FolderRun)
    return FolderBlobs(run._place)


def blobs_folder(storage: FolderStorage) -> Path:
    return Path(storage.url, "runs/run/blobs")


def test_a_blob_has_the_documented_form(folder: FolderStorage) -> None:
    name, size = files_of(folder.create_run("run")).put_blob({"c": "p5"}, [b"head", b"x" * 100, b""])
    content = (blobs_folder(folder) / f"{name}.nbb").read_bytes()
    assert hashlib.sha256(content).hexdigest() == name
    assert len(content) == size
    table = json.loads(content[:PAGE])
    assert table["head"] == {"c": "p5"}
    assert content[PAGE - 1 : PAGE] == b"\n"
    (head, first, empty) = table["buffers"]
    assert content[head[0] : head[0] + head[1]] == b"head"
    assert content[first[0] : first[0] + first[1]] == b"x" * 100
    assert all(offset % ALIGNMENT == 0 for offset, _ in (head, first, empty))


def test_a_table_larger_than_a_page_takes_several(folder: FolderStorage) -> None:
    run = folder.create_run("run")
    buffers = [bytes([n % 256]) * n for n in range(900)]
    name, _ = run.put_blob({}, buffers)
    assert run.get_blob(name)[1] == buffers


def test_a_large_buffer_goes_in_slices() -> None:
    pieces = list(blob_pieces({}, [bytearray(2 * SLICE + 5)]))
    assert [piece.nbytes for piece in pieces] == [PAGE, SLICE, SLICE, 5]


def test_a_value_in_a_file_is_synced_before_it_has_its_name(tmp_path: Path) -> None:
    run, calls = recorded(tmp_path)
    files = files_of(run)
    for _ in range(2):
        name, _ = files.put_blob({}, [b"x"])
    assert calls == ["fsync_dir run", *["fsync", "rename", "fsync_dir blobs"] * 2]
    assert run.get_blob(name) == ({}, [b"x"])


def test_the_disk_begins_with_a_large_value_before_it_is_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hash:
        def __init__(self) -> None:
            self.real = hashlib.new("sha256")

        def update(self, piece: memoryview) -> None:
            calls.append(f"hash {piece.nbytes}")
            self.real.update(piece)

        def hexdigest(self) -> str:
            return self.real.hexdigest()

    run, calls = recorded(tmp_path)
    monkeypatch.setattr(hashlib, "sha256", Hash)
    files_of(run).put_blob({}, [bytes(BESIDE), bytes(BESIDE - 1)])
    assert calls[1:5] == [f"hash {PAGE}", f"begin_sync {PAGE} {BESIDE}", f"hash {BESIDE}", f"hash {BESIDE - 1}"]


def recorded(tmp_path: Path) -> tuple[FolderRun, list[str]]:
    """Return a new run, and the list that its calls join from now on."""

    class Recording(OS):
        def fsync(self, fd: int) -> None:
            calls.append("fsync")

        def rename(self, old: str, new: str) -> None:
            calls.append("rename")
            super().rename(old, new)

        def begin_sync(self, fd: int, offset: int, size: int) -> None:
            calls.append(f"begin_sync {offset} {size}")
            super().begin_sync(fd, offset, size)

        def fsync_dir(self, path: str) -> None:
            calls.append(f"fsync_dir {path.rpartition('/')[2]}")

    calls: list[str] = []
    run = FolderStorage(tmp_path / "store", os=Recording()).create_run("run")
    calls.clear()
    return run, calls


def test_a_full_disk_leaves_no_pieces(tmp_path: Path) -> None:
    class Full(OS):
        def write(self, fd: int, chunk: Any) -> int:
            if full:
                raise OSError(28, "No space left on device")
            return super().write(fd, chunk)

    full = False
    storage = FolderStorage(tmp_path / "store", os=Full())
    run = storage.create_run("run")
    for blobs in (run, files_of(run)):
        full = True
        with pytest.raises(StorageFull):
            blobs.put_blob({}, [b"x"])
        assert os.listdir(blobs_folder(storage)) == []
        full = False
    name, _ = run.put_blob({}, [b"x"])
    assert run.get_blob(name) == ({}, [b"x"])


def test_pieces_of_a_dead_owner_are_swept_when_they_are_old(folder: FolderStorage) -> None:
    run = folder.create_run("run")
    name, _ = files_of(run).put_blob({}, [b"x"])
    run.append(['{"t":"x"}'])
    run.close()
    old, new = blobs_folder(folder) / "tmp-old", blobs_folder(folder) / "tmp-new"
    for path in (old, new):
        path.write_bytes(b"piece")
    then = new.stat().st_mtime - TEMPORARY_LIFE - 10
    for path in (old, blobs_folder(folder) / f"{name}.nbb"):
        os.utime(path, (then, then))
    folder.open_run("run").close()
    assert sorted(os.listdir(blobs_folder(folder))) == sorted(["tmp-new", f"{name}.nbb"])


def test_a_value_that_was_stored_again_while_an_old_equal_one_was_being_removed_survives_the_death_of_the_owner(
    tmp_path: Path,
) -> None:
    class Dying(OS):
        def rename(self, old: str, new: str) -> None:
            if old.endswith(f"{name}.nbb"):
                files.put_blob({}, [b"x"])
                super().rename(old, new)
                raise KeyboardInterrupt
            super().rename(old, new)

    name = ""
    storage = FolderStorage(tmp_path / "store", os=Dying())
    run = storage.create_run("run")
    run.append(['{"t":"x"}'])
    files = files_of(run)
    stored, _ = files.put_blob({}, [b"x"])
    path = blobs_folder(storage) / f"{stored}.nbb"
    os.utime(path, (0, 0))
    name = stored
    with pytest.raises(KeyboardInterrupt):
        files.keep_only([], lambda: None, 60.0)
    run.close()
    again = FolderStorage(tmp_path / "store").open_run("run")
    assert again.get_blob(stored) == ({}, [b"x"])
    again.close()


def test_the_owner_of_a_deleted_run_stores_nothing_more(folder: FolderStorage) -> None:
    run = folder.create_run("run")
    os.rename(Path(folder.url, "runs/run"), Path(folder.url, "trash/run"))
    with pytest.raises(Fenced, match="deleted"):
        run.put_blob({}, [b"x"])
