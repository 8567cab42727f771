"""Packs: many values in one file, found by anybody, each durable by one sync."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from nbflow.errors import StorageDamaged, StorageError
from nbflow.storage import packs
from nbflow.storage.blob_content import PAGE
from nbflow.storage.blobs import FolderBlobs
from nbflow.storage.folder import FolderRun, FolderStorage
from nbflow.storage.frames import encode_frame
from nbflow.storage.os_calls import OS
from nbflow.storage.packs import HEADER, LARGEST


class Counting(OS):
    """The real calls, counted; the next one of the name ``failing`` fails."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.failing = ""

    def _call(self, name: str) -> None:
        self.counts[name] += 1
        if name == self.failing:
            self.failing = ""
            raise OSError(errno.EIO, "Input/output error")

    def fdatasync(self, fd: int) -> None:
        self._call("fdatasync")
        super().fdatasync(fd)

    def fsync(self, fd: int) -> None:
        self._call("fsync")
        super().fsync(fd)

    def fsync_dir(self, path: str) -> None:
        self._call(f"fsync_dir {path.rpartition('/')[2]}")
        super().fsync_dir(path)

    def link(self, old: str, new: str) -> None:
        self._call("link")
        super().link(old, new)


@pytest.fixture
def calls() -> Counting:
    """Give the calls of the storage."""
    return Counting()


@pytest.fixture
def storage(tmp_path: Path, calls: Counting) -> FolderStorage:
    """Give a storage that counts its calls."""
    return FolderStorage(tmp_path / "store", os=calls)


@pytest.fixture
def run(storage: FolderStorage) -> FolderRun:
    """Give a run that has begun."""
    return new_run(storage, "run")


def new_run(storage: FolderStorage, name: str) -> FolderRun:
    run = storage.create_run(name)
    assert isinstance(run, FolderRun)
    run.append(['{"t":"x"}'])
    return run


def names(run: FolderRun) -> list[str]:
    """Return the kinds of the files that hold the values of a run."""
    return sorted(os.path.splitext(name)[1] for name in os.listdir(f"{run._place.folder}/blobs"))


def pack_of(run: FolderRun) -> Path:
    (path,) = Path(run._place.folder, "blobs").glob("*.nbp")
    return path


def content(number: int) -> bytes:
    return b"%06d" % number * 3_000


def put(run: FolderRun, *numbers: int) -> list[str]:
    return [run.put_blob({"n": number}, [content(number)])[0] for number in numbers]


def assert_there(where: Any, stored: list[str], *numbers: int) -> None:
    assert [where.get_blob(name) for name in stored] == [({"n": number}, [content(number)]) for number in numbers]


def test_values_one_after_the_other_take_one_sync_each_and_one_of_the_folder(run: FolderRun, calls: Counting) -> None:
    calls.counts.clear()
    stored = put(run, *range(10))
    assert calls.counts == {"fsync_dir run": 1, "fsync_dir blobs": 1, "fdatasync": 10}
    assert names(run) == [".nbp"]
    assert_there(run, stored, *range(10))


def test_a_pack_has_the_documented_form(run: FolderRun, storage: FolderStorage) -> None:
    stored = put(run, 1, 2)
    run.close()
    raw = pack_of(run).read_bytes()
    at, before, found = 0, "", []
    while at < len(raw):
        (entry,) = json.loads(raw[at : at + HEADER])["n"]
        assert entry["before"] == before
        start, size = at + HEADER, entry["size"]
        if size:
            alone = FolderBlobs(run._place._replace(folder=f"{storage.url}/runs/alone"))
            os.makedirs(f"{storage.url}/runs/alone/blobs", exist_ok=True)
            before = stored[len(found)]
            Path(storage.url, "runs/alone/blobs", f"{before}.nbb").write_bytes(raw[start : start + size])
            found.append(alone.get_blob(before)[0]["n"])
        at = -(-(start + size) // PAGE) * PAGE
    assert found == [1, 2]


def test_equal_values_are_there_once(run: FolderRun) -> None:
    (name,) = put(run, 7)
    size = pack_of(run).stat().st_size
    assert put(run, 7, 7) == [name, name]
    assert pack_of(run).stat().st_size == size
    assert_there(run, [name, *put(run, 8)], 7, 8)


def test_readers_find_what_is_added_while_they_look(run: FolderRun, storage: FolderStorage) -> None:
    reader = storage.blobs("run")
    stored: list[str] = []
    for number in range(5):
        stored += put(run, number)
        assert_there(reader, stored, *range(number + 1))
    run.close()
    assert_there(storage.blobs("run"), stored, *range(5))
    with pytest.raises(StorageDamaged, match="missing"):
        reader.get_blob("0" * 64)


def test_a_reader_that_saw_an_equal_value_being_taken_back_finds_what_is_stored_in_its_place(
    run: FolderRun, storage: FolderStorage, calls: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = storage.blobs("run")
    stored = put(run, 1, 2)

    def look_and_truncate(fd: int, size: int = 0) -> None:
        assert_there(reader, stored, 1, 2)
        OS.truncate(calls, fd, size)

    monkeypatch.setattr(calls, "truncate", look_and_truncate)
    put(run, 1)
    longer = run.put_blob({"n": 3}, [content(3), content(4)])[0]
    assert_there(reader, [*stored, *put(run, 5)], 1, 2, 5)
    assert reader.get_blob(longer) == ({"n": 3}, [content(3), content(4)])


def test_who_goes_on_finds_the_values_of_the_owners_before(run: FolderRun, storage: FolderStorage) -> None:
    stored = put(run, 1, 2)
    run.close()
    again = storage.open_run("run")
    assert isinstance(again, FolderRun)
    assert_there(again, [*stored, *put(again, 3)], 1, 2, 3)
    assert names(again) == [".nbp", ".nbp"]


def test_a_full_pack_is_followed_by_another(run: FolderRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "PACK_BYTES", 60_000)
    stored = put(run, *range(6))
    assert names(run) == [".nbp"] * 3
    assert_there(run, stored, *range(6))


def test_a_run_that_only_waits_keeps_no_pack_open(run: FolderRun) -> None:
    def is_open() -> bool:
        return str(pack_of(run)) in {os.path.realpath(path) for path in Path("/proc/self/fd").iterdir()}

    stored = put(run, 1)
    run.heartbeat()
    assert is_open()
    run.heartbeat()
    assert not is_open()
    assert_there(run, [*stored, *put(run, 2)], 1, 2)
    assert names(run) == [".nbp", ".nbp"]


def test_a_very_large_value_and_one_that_finds_another_under_way_are_files(run: FolderRun) -> None:
    run.put_blob({}, [bytes(LARGEST)])
    assert names(run) == [".nbb"]
    pack = run._blobs._pack
    assert pack is not None
    with pack._turn:
        stored = put(run, 1)
    assert names(run) == [".nbb", ".nbb"]
    assert_there(run, stored, 1)


def test_values_of_many_threads_at_once_are_all_there(run: FolderRun, storage: FolderStorage) -> None:
    stored: dict[int, str] = {}
    together = threading.Barrier(8)

    def store(thread: int) -> None:
        together.wait()
        for number in range(thread, 80, 8):
            (stored[number],) = put(run, number)

    threads = [threading.Thread(target=store, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_there(storage.blobs("run"), [stored[number] for number in range(80)], *range(80))


def test_from_when_other_processes_read_the_values_each_is_a_file(run: FolderRun, storage: FolderStorage) -> None:
    plain = new_run(FolderStorage(storage.url), "plain")
    before = put(plain, 1, 2)
    shared = plain.shared_blobs()
    assert shared is not None
    assert_there(shared, [*before, *put(plain, 3)], 1, 2, 3)
    assert names(plain) == [".nbb", ".nbp"]


def test_a_changed_value_of_a_pack_is_refused_everywhere(storage: FolderStorage) -> None:
    run = new_run(FolderStorage(storage.url), "run")
    stored = put(run, 1, 2)
    shared = run.shared_blobs()
    assert shared is not None
    raw = bytearray(pack_of(run).read_bytes())
    raw[raw.index(b"000001")] ^= 1
    pack_of(run).write_bytes(raw)
    for reader in (run, storage.blobs("run"), shared):
        with pytest.raises(StorageDamaged, match="not what was stored"):
            reader.get_blob(stored[0])
        assert_there(reader, stored[1:], 2)


def test_an_entry_that_cannot_be_read_costs_its_own_value_alone(run: FolderRun, storage: FolderStorage) -> None:
    stored = put(run, 1, 2, 3, 4)
    run.close()
    raw = bytearray(pack_of(run).read_bytes())
    place = raw.index(stored[0].encode())  # it stands in the entry of the second value
    raw[place] ^= 1
    pack_of(run).write_bytes(raw)
    reader = storage.blobs("run")
    assert_there(reader, [stored[0], *stored[2:]], 1, 3, 4)
    with pytest.raises(StorageDamaged, match="missing"):
        reader.get_blob(stored[1])


@pytest.mark.parametrize("cut", [1, PAGE, 15_000])
def test_a_torn_end_costs_nothing_that_was_stored_before(run: FolderRun, storage: FolderStorage, cut: int) -> None:
    stored = put(run, 1, 2, 3)
    raw = pack_of(run).read_bytes()
    pack_of(run).write_bytes(raw[:-cut] + bytes(cut - 1))
    assert_there(storage.blobs("run"), stored[:2], 1, 2)
    with pytest.raises(StorageDamaged, match="missing"):
        storage.blobs("run").get_blob(stored[2])


def test_after_a_sync_that_failed_another_file_takes_the_next_values(run: FolderRun, calls: Counting) -> None:
    stored = put(run, 1)
    calls.failing = "fdatasync"
    with pytest.raises(StorageError, match="Input/output error"):
        put(run, 2)
    assert pack_of(run).stat().st_size < 2 * len(content(1))
    stored += put(run, 2, 3)
    assert names(run) == [".nbp", ".nbp"]
    assert_there(run, stored, 1, 2, 3)


def test_another_run_copies_few_values_and_links_the_packs_of_many(
    run: FolderRun, storage: FolderStorage, calls: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs, "PACK_BYTES", 120_000)
    stored = put(run, *range(8))
    few, many, unable = (new_run(storage, name) for name in ("few", "many", "unable"))
    few.share_blobs("run", stored[:2])
    many.share_blobs("run", stored[:5])
    calls.failing = "link"
    unable.share_blobs("run", stored[:5])
    assert names(few) == [".nbb"] * 2
    assert (names(many), names(unable)) == ([".nbp"], [".nbb"] * 5)
    with pytest.raises(StorageDamaged, match="'run' is missing"):
        few.share_blobs("run", ["f" * 64])
    run.close()
    storage.delete_run("run")
    assert_there(few, stored[:2], 0, 1)
    assert_there(many, stored[:5], *range(5))
    assert_there(unable, stored[:5], *range(5))


def test_the_pack_of_a_run_that_ended_is_linked_for_half_of_its_values(run: FolderRun, storage: FolderStorage) -> None:
    stored = put(run, 1, 2, 3, 4)
    live = new_run(storage, "live")
    live.share_blobs("run", stored)
    run.close()
    half, less = new_run(storage, "half"), new_run(storage, "less")
    half.share_blobs("run", stored[2:])
    less.share_blobs("run", stored[3:])
    assert (names(live), names(half), names(less)) == ([".nbb"] * 4, [".nbp"], [".nbb"])
    assert_there(half, stored[2:], 3, 4)


def test_what_nothing_follows_is_copied_and_not_linked_since_it_may_never_have_been_synced(
    run: FolderRun, storage: FolderStorage, calls: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs, "PACK_BYTES", 100_000)
    stored = put(run, 1, 2, 3, 4)
    other = new_run(storage, "other")
    calls.counts.clear()
    other.share_blobs("run", stored)
    assert names(other) == [".nbb", ".nbp"] and calls.counts["fsync"] == 1
    assert_there(other, stored, 1, 2, 3, 4)


@pytest.mark.parametrize(
    "record", [{"size": -300, "before": ""}, {"size": "9", "before": ""}, {"size": 9}, {}, "x", None]
)
def test_an_entry_that_nbflow_would_not_write_is_passed_over(
    record: Any, run: FolderRun, storage: FolderStorage
) -> None:
    stored = put(run, 1, 2)
    run.close()
    path = pack_of(run)
    frame = encode_frame(2, [json.dumps(record)], int(path.stem[-8:], 16))
    raw = path.read_bytes()
    path.write_bytes(raw + bytes(-len(raw) % PAGE) + frame.ljust(HEADER))
    assert_there(storage.blobs("run"), stored, 1, 2)
    with pytest.raises(StorageDamaged, match="missing"):
        storage.blobs("run").get_blob("0" * 64)


def test_of_a_pack_only_what_is_needed_stays(run: FolderRun) -> None:
    stored = put(run, 1, 2, 3)
    run.compact(['{"t":"x"}'], {*stored})
    assert names(run) == [".nbp"]
    run.compact(['{"t":"x"}'], {stored[1]})
    assert names(run) == [".nbb"]
    assert_there(run, [stored[1], *put(run, 4)], 2, 4)
    for name in (stored[0], stored[2]):
        with pytest.raises(StorageDamaged, match="missing"):
            run.get_blob(name)


def test_a_young_pack_stays_whole_and_an_old_one_goes_also_when_it_is_open(run: FolderRun) -> None:
    put(run, 1, 2)
    run.compact(['{"t":"x"}'], (), young=60.0)
    assert names(run) == [".nbp"]
    os.utime(pack_of(run), (0, 0))
    run.compact(['{"t":"x"}'], (), young=60.0)
    assert names(run) == []
    assert_there(run, put(run, 3), 3)


def test_a_value_that_is_changed_is_not_moved_out_of_its_pack(run: FolderRun) -> None:
    stored = put(run, 1, 2)
    raw = bytearray(pack_of(run).read_bytes())
    raw[raw.index(b"000001")] ^= 1
    pack_of(run).write_bytes(raw)
    run.compact(['{"t":"x"}'], {stored[0]})
    assert names(run) == [".nbp"], "what there is to be saved of it is still there"
