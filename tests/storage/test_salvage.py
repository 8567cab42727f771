"""Salvage: a damaged run goes on from what can be read, and nothing is dropped in silence."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from nbflow.errors import RunIsLive, StorageDamaged
from nbflow.storage.folder import FolderStorage

from .runs import filled, numbers, record, segment


def files(storage: FolderStorage) -> dict[str, bytes]:
    folder = Path(storage.url, "runs/run")
    return {path.name: path.read_bytes() for path in folder.glob("j-*") if path.stat().st_size}


def spoil(storage: FolderStorage, number: int, line: int) -> None:
    """Break one line of a segment."""
    path = segment(storage, number)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[line] = b"#" + lines[line][1:]
    path.write_bytes(b"".join(lines))


@pytest.mark.parametrize(
    ("number", "line", "kept", "left"),
    [(3, 2, 7, [8]), (2, 2, 4, [5, 6, 7, 8]), (2, 0, 3, [5, 6, 7, 8]), (1, 2, 1, [2, 3, 4, 5, 6, 7, 8])],
)
def test_a_damaged_run_goes_on_in_front_of_the_damage(
    folder: FolderStorage, number: int, line: int, kept: int, left: list[int]
) -> None:
    filled(folder, 3, 3, 3).close()
    spoil(folder, number, line)
    before = files(folder)
    with pytest.raises(StorageDamaged, match="salvage"):
        folder.open_run("run")
    found = folder.salvage_run("run")
    assert found.kept == kept
    assert found.damage
    assert [entry["n"] for entry in found.left] == left
    assert numbers(folder) == list(range(kept))
    run = folder.open_run("run")
    run.append([record(kept)])
    run.close()
    assert numbers(folder) == list(range(kept + 1))
    after = files(folder)
    assert all(after[name] == content for name, content in before.items())
    (report,) = Path(folder.url, "runs/run").glob("salvage-*.json")
    assert json.loads(report.read_text())["left"] == found.left
    assert set(found.aside) <= set(os.listdir(report.parent))


def test_what_could_be_read_behind_the_damage_is_in_the_report(folder: FolderStorage) -> None:
    filled(folder, 6).close()
    spoil(folder, 1, 3)
    found = folder.salvage_run("run")
    assert found.kept == 2
    assert [entry["n"] for entry in found.left] == [3, 4, 5]
    assert found.aside == ("j-00000001.jsonl",)


def test_salvage_is_needed_once(folder: FolderStorage) -> None:
    filled(folder, 6).close()
    spoil(folder, 1, 3)
    folder.salvage_run("run")
    again = folder.salvage_run("run")
    assert (again.kept, again.damage) == (2, "")
    assert len(list(Path(folder.url, "runs/run").glob("salvage-*.json"))) == 1


def test_a_run_of_which_nothing_can_be_read_is_left_alone(folder: FolderStorage) -> None:
    filled(folder, 3).close()
    spoil(folder, 1, 0)
    before = files(folder)
    with pytest.raises(StorageDamaged, match="Nothing of run 'run' can be read"):
        folder.salvage_run("run")
    assert files(folder) == before
    assert folder.exists("run")


def test_a_live_run_is_not_salvaged(folder: FolderStorage) -> None:
    run = filled(folder, 3)
    spoil(folder, 1, 2)
    with pytest.raises(RunIsLive):
        folder.salvage_run("run")
    run.close()


def test_a_missing_segment_is_salvaged_from_those_before(folder: FolderStorage) -> None:
    filled(folder, 3, 3, 3).close()
    segment(folder, 2).unlink()
    assert folder.salvage_run("run").kept == 3
    assert numbers(folder) == [0, 1, 2]


def test_any_damage_can_be_salvaged_or_is_refused_untouched(folder: FolderStorage) -> None:
    filled(folder, 3, 2, 4).close()
    originals = files(folder)
    chance = random.Random(1)
    for _ in range(200):
        name = chance.choice(sorted(originals))
        raw = bytearray(originals[name])
        a, b = sorted(chance.sample(range(len(raw)), 2))
        raw[a:b] = bytes(b - a) if chance.random() < 0.5 else b""
        Path(folder.url, "runs/run", name).write_bytes(raw)
        try:
            kept = folder.salvage_run("run").kept
            assert numbers(folder) == list(range(kept))
        except StorageDamaged as refusal:
            assert "Nothing" in str(refusal)
        for path in Path(folder.url, "runs/run").iterdir():
            if path.is_file():
                path.unlink()
        for original, content in originals.items():
            Path(folder.url, "runs/run", original).write_bytes(content)
