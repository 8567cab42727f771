"""A long journal is read frame by frame, and says the same as one that is held in memory."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from nbflow.errors import StorageDamaged
from nbflow.storage import chain, streamed
from nbflow.storage.chain import read_chain
from nbflow.storage.folder import FolderStorage
from nbflow.storage.os_calls import OS
from nbflow.storage.streamed import Records, Span

from .runs import filled, numbers, record, segment


@pytest.fixture(params=[0, 60, 400, 1 << 20])
def decoded(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Give how many bytes of a journal are held decoded."""
    monkeypatch.setattr(chain, "DECODED", request.param)
    yield request.param


def test_records_are_the_same_however_many_are_held(folder: FolderStorage, decoded: int) -> None:
    filled(folder, 5, 3, 7).close()
    assert numbers(folder) == [*range(15)]
    run = folder.open_run("run")
    assert [found["n"] for found in run.records] == [*range(15)] and len(run.records) == 15
    assert (
        run.records[0]["n"] == 0 and run.records[-1]["n"] == 14 and run.records[3:5] == [run.records[3], run.records[4]]
    )
    with pytest.raises(IndexError):
        run.records[15]
    assert bool(run.records) and [found["n"] for found in run.records] == [*range(15)], "they can be read once more"
    run.append([record(15)])
    run.close()
    assert numbers(folder) == [*range(16)]


def test_a_unit_of_several_frames_comes_whole_or_not_at_all(
    folder: FolderStorage, decoded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbflow.storage.journal.FRAME_LIMIT", 100)
    run = filled(folder, 4)
    run.append([record(n) for n in range(4, 20)])
    run.append([record(20)])
    run.close()
    assert numbers(folder) == [*range(21)]
    path = segment(folder, 1)
    lines = path.read_bytes().splitlines(keepends=True)
    for kept in range(5, len(lines)):
        path.write_bytes(b"".join(lines[:kept]))
        assert numbers(folder) in ([*range(4)], [*range(20)])


def test_who_reads_in_the_background_is_asked_to_pause_at_each_frame_and_holds_nothing(folder: FolderStorage) -> None:
    filled(folder, 5, 3, 7).close()
    pauses: list[int] = []
    records = folder.read_run("run", lambda: pauses.append(1))
    assert len(pauses) >= 15 - 3, "those that a header carries over are no frames of their own"
    assert isinstance(records, Records) and all(isinstance(part, Span) or len(part) <= 1 for part in records._parts)
    assert [found["n"] for found in records] == [*range(15)]


@pytest.mark.parametrize("size", [1, 49, 50, 51, 120, 1 << 20])
def test_so_many_bytes_are_decoded_at_a_time_and_the_frame_that_is_under_way(
    folder: FolderStorage, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    filled(folder, 30).close()
    frames = segment(folder, 1).read_bytes().splitlines(keepends=True)[1:]
    records = folder.read_run("run", lambda: None)
    at_a_time: list[int] = []
    whole = json.loads
    monkeypatch.setattr(streamed, "AT_A_TIME", size)
    monkeypatch.setattr(json, "loads", lambda text: at_a_time.append(len(text)) or whole(text))
    assert [found["n"] for found in records] == [*range(30)]
    assert max(at_a_time) <= size + max(map(len, frames)) + 1


def test_bytes_that_changed_since_they_were_read_are_damage() -> None:
    records = Records([])
    records.add(Span(b'{"q":1,"n":[{}],"crc"\n', 0, 22), 1)
    with pytest.raises(StorageDamaged, match="not to be trusted"):
        list(records)


def test_a_torn_tail_is_left_out_and_damage_is_told(folder: FolderStorage, decoded: int) -> None:
    filled(folder, 9).close()
    path = segment(folder, 1)
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    assert numbers(folder) == [*range(8)]
    path.write_bytes(whole.replace(b'"n": 4', b'"n": 5', 1))
    found = read_chain(OS(), str(path.parent))
    assert found.damage and [one["n"] for one in found.records] == [*range(4)]


def test_a_long_journal_takes_a_fraction_of_the_memory(folder: FolderStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    run = folder.create_run("run")
    for begin in range(0, 40_000, 100):
        run.append([json.dumps({"t": "x", "n": n, "more": {"k": [n, str(n)]}}) for n in range(begin, begin + 100)])
    run.close()

    def taken(limit: int) -> int:
        monkeypatch.setattr(chain, "DECODED", limit)
        tracemalloc.start()
        records = folder.read_run("run")
        assert sum(found["n"] for found in records) == sum(range(40_000))
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return held

    assert taken(1 << 16) * 3 < taken(1 << 30)


def test_what_is_not_decoded_takes_the_memory_of_its_file_and_nothing_for_each_frame(folder: FolderStorage) -> None:
    run = folder.create_run("run")
    for n in range(3000):
        run.append([record(n)])
    run.close()

    def taken(frames: int) -> int:
        path = segment(folder, 1)
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[: frames + 1]))
        tracemalloc.start()
        records = folder.read_run("run", lambda: None)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(records) == frames
        return held - path.stat().st_size

    taken(3000)  # what is made once
    assert taken(3000) - taken(1000) < 2000 * 8


def test_to_know_that_a_run_is_there_its_journal_is_not_read(tmp_path: Path) -> None:
    class Counting(OS):
        bytes = 0

        def read(self, fd: int, size: int) -> bytes:
            found = super().read(fd, size)
            self.bytes += len(found)
            return found

        def read_all(self, path: str) -> bytes:
            found = super().read_all(path)
            self.bytes += len(found)
            return found

    calls = Counting()
    storage = FolderStorage(tmp_path / "store", os=calls)
    run = storage.create_run("run")
    run.append([json.dumps({"t": "x", "text": "y" * 500_000})])
    for _ in range(10):
        run.append([json.dumps({"t": "x", "text": "y" * 500_000})])
    calls.bytes = 0
    assert storage.exists("run")
    assert calls.bytes < 1_500_000
    assert not storage.exists("other")
    run.close()


def test_spans_of_one_segment_become_one() -> None:
    raw, records = b"x" * 100, Records([{"n": 0}])
    for start in range(0, 90, 10):
        records.add(Span(raw, start, start + 10), 2)
    records.extend([{"n": 1}])
    records.add(Span(b"y", 0, 1), 1)
    assert len(records._parts) == 4 and len(records) == 21
