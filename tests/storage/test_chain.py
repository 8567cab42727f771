"""Reading a journal: what was cut off is ignored, what is damaged is refused, and old folders stay readable."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from nbflow.errors import StorageDamaged, StorageError
from nbflow.storage import journal
from nbflow.storage.folder import FolderStorage
from tests import figures

from .runs import filled, numbers, record, segment

GOLDEN = Path(__file__).parent / "golden"


def test_a_segment_cut_at_any_byte_opens_with_all_whole_commits_before(folder: FolderStorage, tmp_path: Path) -> None:
    filled(folder, 2, 3).close()
    whole = segment(folder, 2).read_bytes()
    for cut in range(len(whole) + 1):
        copy = FolderStorage(tmp_path / "copy")
        shutil.copytree(folder.url, copy.url)
        segment(copy, 2).write_bytes(whole[:cut])
        # Without its header a segment was never used: then the last one counts to its end.
        expected = 2 + max(whole[:cut].count(b"\n") - 1, 0)
        assert numbers(copy) == list(range(expected))
        run = copy.open_run("run")
        assert len(run.records) == expected
        run.append([record(expected)])
        run.close()
        assert numbers(copy) == list(range(expected + 1))
        shutil.rmtree(copy.url)


def test_damage_anywhere_is_refused_or_leaves_a_beginning(folder: FolderStorage, soak: bool) -> None:
    filled(folder, 3, 2, 4).close()
    chance = random.Random(3)
    originals = {number: segment(folder, number).read_bytes() for number in (1, 2, 3)}
    refused = 0
    for _ in range(20_000 if soak else 1_500):
        number = chance.choice((1, 2, 3))
        raw = bytearray(originals[number])
        a, b = sorted(chance.sample(range(len(raw) + 1), 2))
        kind = chance.randrange(4)
        if kind == 0:
            raw[min(a, len(raw) - 1)] ^= 1 << chance.randrange(8)
        elif kind == 1:
            raw[a:b] = bytes(b - a)
        elif kind == 2:
            del raw[a:b]
        else:
            raw[a:a] = raw[a:b]
        segment(folder, number).write_bytes(raw)
        try:
            found = numbers(folder)
        except StorageDamaged:
            refused += 1
        else:
            assert found == list(range(len(found)))
            # Older segments are sealed: nothing of what counts in them can go unnoticed.
            assert number == 3 or len(found) >= 5 or not raw.startswith(originals[number][:200])
        segment(folder, number).write_bytes(originals[number])
        figures.count("bad inputs")
    assert refused > 100
    assert numbers(folder) == list(range(9))


def test_a_missing_segment_is_damage(folder: FolderStorage) -> None:
    filled(folder, 2, 2, 2).close()
    segment(folder, 2).unlink()
    with pytest.raises(StorageDamaged, match=r"segment 2 is missing.*salvage"):
        folder.read_run("run")
    for _ in range(2):
        with pytest.raises(StorageDamaged, match="salvage"):
            folder.open_run("run")


def test_a_journal_of_a_newer_nbflow_is_refused(folder: FolderStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "VERSION", 2)
    filled(folder, 1).close()
    monkeypatch.undo()
    for call in (folder.read_run, folder.open_run):
        with pytest.raises(StorageError, match="pip install -U nbflow"):
            call("run")


def test_a_torn_unit_of_several_frames_does_not_come_back_with_the_next_owner(
    folder: FolderStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "FRAME_LIMIT", 100)
    run = filled(folder, 1)
    run.append([record(n) for n in range(1, 12)])
    run.close()
    lines = segment(folder, 1).read_bytes().splitlines(keepends=True)
    segment(folder, 1).write_bytes(b"".join(lines[:4]))
    for n in (1, 2):
        run = folder.open_run("run")
        assert len(run.records) == n
        run.append([record(n)])
        run.close()
    assert numbers(folder) == [0, 1, 2]


@pytest.mark.parametrize("version", sorted(path.name for path in GOLDEN.iterdir()))
def test_a_folder_of_every_released_version_is_read_and_continued(version: str, tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / version, tmp_path / "store")
    storage = FolderStorage(tmp_path / "store")
    assert sorted(entry.workflow_id for entry in storage.list_runs()) == ["Quarterly Report", "run"]
    assert numbers(storage) == [0, 1, 2, 3]
    run = storage.open_run("run")
    (item,) = run.poll_inbox()
    assert item.event == {"id": "1", "key": "go", "payload": {"c": "json", "v": 1}}
    stored = storage.read_run("Quarterly Report")[0]["value"]
    _, buffers = storage.blobs("Quarterly Report").get_blob(stored["blob"])
    assert [len(buffer) for buffer in buffers] == [5, 20_000]
    run.append([record(4)])
    assert numbers(storage) == [0, 1, 2, 3, 4]
