"""Damaged journals: whatever happens to the bytes, a reader gets what was committed, a beginning of it, or an error."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from nbflow.errors import SignatureError, StorageError, WorkflowNotFoundError
from nbflow.storage.folder import FolderStorage
from nbflow.storage.frames import decode_frame
from tests import figures

from .seeds import damaged, rounds, seeded

Fuzzed = tuple[FolderStorage, list[Path], list[dict[str, Any]]]


def record(n: int) -> dict[str, Any]:
    return {"t": "n", "n": n, "text": "some words, ünd others " * (n % 4)}


def made(folder: Path, sign: bool) -> Fuzzed:
    """Make a run of four owners, of which one compacted it, and return its segments and its records."""
    storage = FolderStorage(folder, durability="lazy", sign=sign)
    records: list[dict[str, Any]] = []
    for owner in range(4):
        run = storage.open_run("run") if owner else storage.create_run("run")
        if owner == 2:
            run.compact([json.dumps(each) for each in records], ())
        for size in (1, 3, 1, 2):
            fresh = [record(len(records) + n) for n in range(size)]
            run.append([json.dumps(each) for each in fresh])
            records += fresh
        run.close()
    return storage, sorted((folder / "runs/run").glob("j-*.jsonl")), records


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBFLOW_SIGNING_KEY", "k" * 64)


@seeded
@pytest.mark.parametrize("sign", [False, True], ids=["plain", "signed"])
def test_no_damage_changes_a_record_in_silence(tmp_path: Path, seed: int, sign: bool) -> None:
    chance = random.Random(seed)
    storage, paths, records = made(tmp_path / "s", sign)
    whole = {path: path.read_bytes() for path in paths}
    filled = [path for path in paths if whole[path]]
    seen = {"whole": 0, "less": 0, "refused": 0}
    for _ in range(rounds(600)):
        path = chance.choice(filled)
        path.write_bytes(damaged(whole[path], chance, [*whole.values()]))
        try:
            found = storage.read_run("run")
            assert found == records[: len(found)]
            seen["whole" if len(found) == len(records) else "less"] += 1
        except (StorageError, WorkflowNotFoundError):
            seen["refused"] += 1
        path.write_bytes(whole[path])
    assert storage.read_run("run") == records and min(seen.values()) > 0, seen
    figures.count("bad inputs", sum(seen.values()))


@seeded
def test_no_frame_with_a_good_checksum_and_a_wrong_signature_is_read(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    storage, paths, records = made(tmp_path / "s", True)
    path = next(each for each in reversed(paths) if each.stat().st_size)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    salt = json.loads(lines[0])["n"][0]["salt"]
    refused = 0
    for _ in range(rounds(600)):
        number = chance.randrange(len(lines))
        body = lines[number][: lines[number].rindex(b',"crc"')]
        forged = damaged(body, chance).replace(b"\n", b" ")
        if forged == body:
            continue
        line = b'%b,"crc":"%08x"}\n' % (forged, crc32(forged, salt if number else 0))
        path.write_bytes(b"".join([*lines[:number], line, *lines[number + 1 :]]))
        try:
            found = storage.read_run("run")
            assert found == records[: len(found)] and len(found) < len(records)
        except (SignatureError, StorageError, WorkflowNotFoundError):
            refused += 1
    assert refused > rounds(300)
    figures.count("bad inputs", rounds(600))


@seeded
def test_the_decoder_takes_any_bytes(seed: int) -> None:
    chance = random.Random(seed)
    bodies = [
        '{"q":1,"n":[]',
        '{"q":1',
        '{"q":"1","n":[1]',
        '{"q":1,"n":{}',
        "[",
        "[1]",
        "null",
        '{"q":1,"n":' + "[" * 99_999,
    ]
    for n in range(rounds(2000)):
        if n % 2:
            body = chance.choice(bodies).encode()
            raw = b'%b,"crc":"%08x"}\n' % (body, crc32(body, 7))
        else:
            raw = chance.randbytes(chance.randrange(200)) + b"\n"
        frame = decode_frame(raw, 0, 7)
        assert frame is None or (type(frame.seq) is int and type(frame.records) is list)
    figures.count("bad inputs", rounds(2000))


@seeded
def test_a_listing_survives_any_file_in_a_run(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    storage, _, records = made(tmp_path / "s", False)
    other = storage.create_run("other")
    other.append([json.dumps(record(1))])
    other.write_status({"name": "other"})
    other.close()
    folder = tmp_path / "s/runs/other"
    whole = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    words = [
        b"[" * 9999,
        b"null",
        b"17",
        b'{"workflow_id": {}, "status": 3}',
        b'{"workflow_id": 1e999, "status": {}}',
        b"",
    ]
    for n in range(rounds(150)):
        path = chance.choice([*whole, folder / "owner.json", folder / "status.json"])
        path.write_bytes(chance.choice(words) if n % 3 == 0 else damaged(whole.get(path, b"{}"), chance))
        listed = FolderStorage(tmp_path / "s").list_runs()
        assert "run" in [entry.workflow_id for entry in listed]
        for each in folder.iterdir():
            each.unlink()
        for each, content in whole.items():
            each.write_bytes(content)
    assert storage.read_run("run") == records
    figures.count("bad inputs", rounds(150))
