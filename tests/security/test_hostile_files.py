"""Files that somebody else put into a storage: they stop nobody, and lead to nothing outside."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.errors import StorageError
from nbflow.http import key
from nbflow.storage.folder import FolderStorage
from tests import figures
from tests.engine.tools import until

DEEP = "[" * 200_000
EVENT: dict[str, Any] = {"id": "1", "key": "go", "payload": {"c": "json", "v": 1}}


def envelope(**changes: Any) -> str:
    return json.dumps({"sent": 1, "event": {**EVENT, **changes}})


TEXTS = {
    "empty": "",
    "no-json": "\0\0\0",
    "deep": DEEP,
    "deep-payload": f'{{"sent": 1, "event": {{"id": "1", "key": "go", "payload": {DEEP}',
    "huge": '{"sent": 1, "event": "' + "x" * (3 << 20) + '"}',
    "a-list": "[]",
    "a-number": "17",
    "no-event": '{"sent": 1}',
    "no-time": '{"event": {"id": "1", "key": "go"}}',
    "endless-time": '{"sent": Infinity, "event": {"id": "1", "key": "go"}}',
    "no-time-at-all": '{"sent": NaN, "event": {"id": "1", "key": "go"}}',
    "a-long-time": '{"sent": ' + "9" * 5000 + ', "event": {"id": "1", "key": "go"}}',
    "id-is-a-number": envelope(id=7),
    "event-is-a-text": '{"sent": 1, "event": "id key"}',
    "not-utf-8": '{"sent": 1, "event": {"id": "\udcff"',
    "two-documents": envelope() + envelope(),
}
HARMLESS = {
    "payload-is-a-text": envelope(id="a", payload="text"),
    "payload-of-another-kind": envelope(id="b", payload={"c": "unknown"}),
    "payload-has-no-value": envelope(id="c", payload={"c": "json"}),
    "payload-has-no-pickle": envelope(id="d", payload={"c": "p5"}),
    "payload-names-another-file": envelope(id="e", payload={"c": "p5", "blob": "../../../../etc/passwd", "size": 3}),
    "payload-is-no-pickle": envelope(id="f", payload={"c": "p5", "b64": "////"}),
    "key-is-a-number": envelope(id="g", key=7),
    "key-is-a-list": envelope(id="h", key=[]),
    "key-is-our-own": envelope(id="i", key="nbflow:order"),
    "by-is-an-object": envelope(id="j", by={"a": 1}, source=[1]),
    "a-lone-surrogate": envelope(id="\ud800", key="\ud800"),
}


def left(folder: Path, name: str) -> tuple[Path, Path]:
    new = folder / "runs" / name / "inbox/new"
    new.mkdir(parents=True, exist_ok=True)
    return new, new.parent / "bad"


@pytest.mark.parametrize("what", [*TEXTS])
def test_a_file_that_is_no_event_is_put_aside_and_the_next_one_counts(tmp_path: Path, what: str) -> None:
    storage = FolderStorage(tmp_path / "s", durability="lazy")
    run = storage.create_run("run")
    run.append(["{}"])
    new, bad = left(tmp_path / "s", "run")
    (new / "000.json").write_bytes(TEXTS[what].encode("utf-8", "surrogateescape"))
    storage.send("run", EVENT)
    assert [item.event for item in run.poll_inbox()] == [EVENT]
    assert [path.name for path in bad.iterdir()] == ["000.json"] and not (new / "000.json").exists()
    figures.count("bad inputs")


def test_a_pipe_a_link_and_a_folder_are_put_aside(tmp_path: Path) -> None:
    secret = tmp_path / "outside.json"
    secret.write_text(envelope(id="outside"))
    storage = FolderStorage(tmp_path / "s", durability="lazy")
    run = storage.create_run("run")
    run.append(["{}"])
    new, bad = left(tmp_path / "s", "run")
    os.mkfifo(new / "pipe.json")
    (new / "link.json").symlink_to(secret)
    (new / "nowhere.json").symlink_to(tmp_path / "nothing")
    (new / "passwd.json").symlink_to("/etc/passwd")
    (new / "folder.json").mkdir()
    (new / "loop.json").symlink_to(new / "loop.json")
    storage.send("run", EVENT)
    assert [item.event["id"] for item in run.poll_inbox()] == ["1"]
    names = {"pipe.json", "link.json", "nowhere.json", "loop.json", "passwd.json", "folder.json"}
    assert {path.name for path in bad.iterdir()} == names
    (bad / "folder.json" / "full").touch()
    (new / "folder.json").mkdir()  # one of that name is there already, and has something in it
    (new / "pipe.json").mkdir()
    storage.send("run", {**EVENT, "id": "2"})
    assert [item.event["id"] for item in run.poll_inbox()] == ["2"] and len([*bad.iterdir()]) == 8
    assert secret.read_text() == envelope(id="outside")
    figures.count("bad inputs", 5)


@pytest.mark.parametrize("what", [*HARMLESS])
def test_an_event_of_a_strange_form_stops_neither_its_run_nor_another(folder: Path, what: str) -> None:
    waits = nf.run_async(nf.wait_for_event("go"), workflow_id="waits")
    other = nf.run_async(nf.wait_for_event("go"), workflow_id="other")
    until(lambda: waits.state.waiting and other.state.waiting)
    new, _ = left(folder, "waits")
    (new / "000.json").write_text(HARMLESS[what])
    until(lambda: not (new / "000.json").exists(), "the file to be taken")
    assert other.send("go", 3)
    assert other.result(60) == 3
    if not waits.done():
        waits.send("go", 4)
    try:
        assert waits.result(60) in (1, 4, None)
    except nf.errors.NbflowError as error:
        assert str(error)
    assert nf.run(nf.task(lambda: 5, name="five").bind()) == 5
    figures.count("bad inputs")


def test_deleting_a_run_removes_a_link_and_not_what_it_leads_to(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "within").mkdir(parents=True)
    (outside / "within" / "precious").write_text("precious")
    storage = FolderStorage(tmp_path / "s", durability="lazy")
    run = storage.create_run("run")
    run.append(["{}"])
    run.close()
    (tmp_path / "s/runs/run/link").symlink_to(outside, target_is_directory=True)
    new, _ = left(tmp_path / "s", "run")
    (new / "000.json").symlink_to(outside, target_is_directory=True)
    storage.delete_run("run")
    (tmp_path / "s/trash/left").symlink_to(outside, target_is_directory=True)
    FolderStorage(tmp_path / "s").check_writable()
    assert not [*(tmp_path / "s/trash").iterdir()] and not (tmp_path / "s/runs/run").exists()
    assert (outside / "within" / "precious").read_text() == "precious"


def test_everything_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        nf.shutdown()
        nf.init(storage=tmp_path / "s")
        say = nf.task(lambda: print("said") or b"x" * 100_000, name="say")
        nf.run(say.bind(), workflow_id="one")
        live = nf.run_async(nf.wait_for_event("go"), workflow_id="two")
        FolderStorage(tmp_path / "s").send("two", EVENT)
        live.result(60)
        nf.serve().close()
        stream = FolderStorage(tmp_path / "s").stream("sales")
        stream.append([{"id": str(n), "at": 1.0, "x": 1} for n in range(2000)])
        nf.list_runs()
        nf.shutdown()
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in [tmp_path / "s", *(tmp_path / "s").rglob("*")]}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}, modes
    assert len(modes) > 20


def test_a_token_that_is_a_link_or_a_pipe_is_refused(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "s")
    storage.check_writable()
    (tmp_path / "known").write_text("a" * 43)
    (tmp_path / "known").chmod(0o600)
    token = tmp_path / "s" / key.FILE
    token.symlink_to(tmp_path / "known")
    with pytest.raises(StorageError, match="remove it"):
        key.token_of(storage)
    token.unlink()
    os.mkfifo(token, 0o600)
    with pytest.raises(StorageError, match="remove it"):
        key.token_of(storage)
