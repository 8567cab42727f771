"""A journal is replaced by a shorter one in one piece; older segments are emptied and never taken away."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nbflow.errors import Fenced, StorageDamaged, StorageError
from nbflow.storage import frames
from nbflow.storage.base import Storage
from nbflow.storage.chain import peek, read_chain
from nbflow.storage.folder import FolderStorage
from nbflow.storage.os_calls import OS

from .runs import filled, numbers, record, segment


def test_the_records_given_are_the_whole_journal_and_it_goes_on(storage: Storage) -> None:
    run = storage.create_run("run")
    for n in range(5):
        run.append([record(n)])
    run.compact([record(7)], ())
    run.append([record(8)])
    run.close()
    assert [found["n"] for found in storage.read_run("run")] == [7, 8]
    again = storage.open_run("run")
    assert [found["n"] for found in again.records] == [7, 8]
    again.append([record(9)])
    again.close()
    assert [found["n"] for found in storage.read_run("run")] == [7, 8, 9]


def test_only_the_named_values_stay(storage: Storage) -> None:
    run = storage.create_run("run")
    kept, gone = (run.put_blob({"n": n}, [b"x" * n])[0] for n in (1, 2))
    run.append([record(0)])
    run.compact([record(0)], {kept})
    assert run.get_blob(kept)[1] == [b"x"]
    with pytest.raises(StorageDamaged, match="missing"):
        run.get_blob(gone)
    run.close()


def test_values_are_shared_with_another_run_and_outlive_the_first(storage: Storage) -> None:
    run = storage.create_run("run")
    name, _ = run.put_blob({"n": 1}, [b"shared"])
    run.append([record(0)])
    other = storage.create_run("other")
    other.share_blobs("run", [name])
    other.share_blobs("run", [name])
    with pytest.raises(StorageDamaged, match="missing"):
        other.share_blobs("run", ["f" * 64])
    other.append([record(1)])
    run.close()
    storage.delete_run("run")
    assert other.get_blob(name)[1] == [b"shared"]
    other.close()


def test_older_segments_are_emptied_and_their_names_stay_used(folder: FolderStorage) -> None:
    run = filled(folder, 3, 2, 4)
    run.compact([record(0)], ())
    run.close()
    assert [segment(folder, number).stat().st_size for number in (1, 2, 3)] == [0, 0, 0]
    assert numbers(folder) == [0]
    again = folder.open_run("run")
    again.append([record(1)])
    again.close()
    assert segment(folder, 5).exists() and numbers(folder) == [0, 1]


def test_an_owner_that_was_fenced_changes_nothing(folder: FolderStorage) -> None:
    run = filled(folder, 2)
    other = folder.open_run("run", takeover=True)
    with pytest.raises(Fenced):
        run.compact([record(9)], ())
    run.close()
    other.append([record(2)])
    other.close()
    assert numbers(folder) == [0, 1, 2]


def test_a_compaction_that_fails_leaves_the_run_as_it_was_and_the_handle_poisoned(tmp_path: Path) -> None:
    class Full(OS):
        full = False

        def fdatasync(self, fd: int) -> None:
            if self.full:
                raise OSError(28, "No space left on device")
            super().fdatasync(fd)

    calls = Full()
    storage = FolderStorage(tmp_path / "store", os=calls)
    run = filled(storage, 3)
    calls.full = True
    with pytest.raises(StorageError, match="No space"):
        run.compact([record(9)], ())
    calls.full = False
    with pytest.raises(StorageError):
        run.append([record(9)])
    run.close()
    assert numbers(storage) in ([0, 1, 2], [9])  # what was written may be there; what was acknowledged is not lost
    again = storage.open_run("run")
    again.close()


def test_a_reader_that_looks_at_any_moment_sees_the_old_journal_or_the_new_one(tmp_path: Path) -> None:
    seen: list[list[int]] = []

    class Watched(OS):
        looks = False

        def truncate(self, fd: int) -> None:
            super().truncate(fd)
            self._look()

        def fdatasync(self, fd: int) -> None:
            super().fdatasync(fd)
            self._look()

        def fsync_dir(self, path: str) -> None:
            super().fsync_dir(path)
            self._look()

        def _look(self) -> None:
            if self.looks:
                seen.append([found["n"] for found in FolderStorage(tmp_path / "store").read_run("run")])

    calls = Watched()
    run = filled(FolderStorage(tmp_path / "store", os=calls), 2, 2)
    calls.looks = True
    run.compact([record(7)], ())
    calls.looks = False
    run.close()
    assert [0, 1, 2, 3] in seen and [7] in seen
    assert seen == sorted(seen, key=lambda found: found == [7]) and len({*map(tuple, seen)}) == 2


class Stale(OS):
    """A reader whose first listing is from before a compaction."""

    def __init__(self, folder: str, compact: object) -> None:
        self.folder, self.compact = folder, compact

    def listdir(self, path: str) -> list[str]:
        found = os.listdir(path)
        if path == self.folder and self.compact is not None:
            compact, self.compact = self.compact, None
            compact()  # type: ignore[operator]
        return found


@pytest.mark.parametrize("sizes", [(2,), (2, 2), (1, 1, 1)])
def test_a_reader_that_has_listed_before_a_compaction_reads_what_is_there_after_it(
    folder: FolderStorage, sizes: tuple[int, ...]
) -> None:
    run = filled(folder, *sizes)
    place = f"{folder.url}/runs/run"
    chain = read_chain(Stale(place, lambda: run.compact([record(7)], ())), place)
    assert (chain.records, chain.damage) == ([json.loads(record(7))], "")
    assert peek(Stale(place, lambda: run.compact([record(8)], ())), place) == ("run", True)
    run.close()


def test_who_asks_whether_a_condensed_run_is_there_decodes_a_record_and_not_the_run(
    folder: FolderStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = filled(folder, 3)
    run.compact([record(number) for number in range(5000)], ())
    run.close()
    decoded: list[int] = []

    def loads(text: bytes) -> Any:
        decoded.append(len(text))
        return json.loads(text)

    monkeypatch.setattr(frames, "json", SimpleNamespace(loads=loads))
    assert folder.exists("run") and folder.send("run", {"id": "e", "key": "k"})
    assert max(decoded, default=0) <= frames.FIRST
    assert numbers(folder) == [*range(5000)] and max(decoded) > 20 * frames.FIRST
