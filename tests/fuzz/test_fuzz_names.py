"""Names of any kind: each run has a folder of its own inside the storage, and does all that other runs do."""

from __future__ import annotations

import os
import random
import unicodedata
from pathlib import Path

import pytest

import nbflow as nf
from nbflow.engine.host import Host
from nbflow.storage.folder import FolderStorage
from nbflow.storage.names import folder_name
from nbflow.views import to_bundle, to_dot, to_html, to_svg, to_text
from tests import figures
from tests.engine.tools import until

from .names import SEEDS, name
from .seeds import rounds, seeded


def seen_by(file_system: str, text: str) -> str:
    """Return what a file system takes a name for."""
    if file_system == "windows":
        return text.rstrip(". ").casefold()
    if file_system == "mac":
        return unicodedata.normalize("NFD", text).casefold()
    return text


@seeded
def test_no_two_runs_share_a_folder_on_any_file_system(seed: int) -> None:
    chance = random.Random(seed)
    names = {*SEEDS, *(name(chance) for _ in range(rounds(3000)))}
    folders = {each: folder_name(each) for each in names}
    for file_system in ("linux", "mac", "windows"):
        assert len({seen_by(file_system, folder) for folder in folders.values()}) == len(names)
    for folder in folders.values():
        assert len(folder.encode()) <= 100 and folder.isascii() and folder.strip(". ") == folder
        assert not set(folder) & set('/\\:*?"<>|\0\n') and folder.split(".")[0] not in (
            "con",
            "nul",
            "aux",
            "prn",
            "com1",
        )
    figures.count("bad inputs", len(names))


@seeded
def test_a_run_of_any_name_runs_is_found_and_is_deleted(host: Host, folder: Path, seed: int) -> None:
    chance = random.Random(seed)
    names = list(dict.fromkeys(name(chance) for _ in range(rounds(12))))
    for each in names:
        task = nf.task(lambda x: print(x) or x, name=each)
        assert nf.run(task.bind(each), workflow_id=each) == each
        run = nf.get_run(each)
        node = next(iter(nf.get_progress(each)["tasks"]))
        assert nf.get_output(each, task_id=node) == each and isinstance(run.logs(node), str)
        snapshot = run._snapshot()
        assert to_html(snapshot) and to_text(snapshot) and to_dot(snapshot).source and to_bundle(snapshot)
        to_svg(snapshot).encode()
    assert {each for each, _ in nf.list_all()} == {*names}
    assert {row.workflow_id for row in nf.list_runs()} == {*names}
    assert {entry.workflow_id for entry in FolderStorage(folder).list_runs()} == {*names}
    for each in names:
        nf.delete(each)
    assert nf.list_all() == [] and os.listdir(folder / "runs") == []
    assert [path for path in folder.parent.iterdir() if path != folder] == [], (
        "something was written beside the storage"
    )
    figures.count("bad inputs", len(names))


@seeded
def test_an_event_of_any_key_by_anybody_reaches_its_wait(host: Host, folder: Path, seed: int) -> None:
    chance = random.Random(seed)
    outside = FolderStorage(folder, durability="lazy")
    for n in range(rounds(10)):
        key, by = name(chance), name(chance)
        if key.startswith("nbflow"):
            continue
        run = nf.run_async(nf.wait_for_event(key), workflow_id=f"run-{n}")
        until(lambda run=run: run.state.waiting)
        event = {"id": by, "key": key, "payload": {"c": "json", "v": key}, "by": by}
        assert outside.send(f"run-{n}", event)
        assert run.result(60) == key
        nf.delete(f"run-{n}")
    figures.count("bad inputs", rounds(10))


@pytest.mark.parametrize("bad", ["", "a" * 256, "\ud800", "a\udfffb"])
def test_what_can_be_no_name_is_refused_before_anything_is_written(host: Host, folder: Path, bad: str) -> None:
    with pytest.raises(ValueError, match="workflow_id"):
        nf.run(nf.task(lambda: 1, name="one").bind(), workflow_id=bad)
    assert not folder.exists() or not list((folder / "runs").iterdir())


@seeded
def test_a_namespace_of_any_name_has_events_of_its_own(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    storage = FolderStorage(tmp_path / "s", durability="lazy")
    names = list(dict.fromkeys(each for _ in range(rounds(15)) if (each := name(chance)) != "*"))
    for each in names:
        storage.stream(each).append([{"id": each, "at": 1.0}])
    assert storage.namespaces() == sorted(names)
    for each in names:
        assert [event["id"] for _, event in storage.stream(each).read(1)] == [each]
    figures.count("bad inputs", len(names))
