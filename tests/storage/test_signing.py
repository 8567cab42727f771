"""The laws of signing: of a signed storage nothing is loaded that this user's key has not signed for its place."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest

from nbflow.errors import SignatureError, StorageError, WorkflowNotFoundError
from nbflow.storage.blobs import FolderBlobs
from nbflow.storage.folder import FolderStorage
from nbflow.storage.frames import every_frame
from nbflow.storage.signing import Signer, find_signer, key_path, known_signer

from .runs import filled, numbers, record, segment

KEY, OTHER = "k" * 64, "o" * 64


@pytest.fixture(autouse=True)
def own_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.setenv("APPDATA", str(tmp_path / "settings"))
    monkeypatch.setenv("NBFLOW_SIGNING_KEY", KEY)
    monkeypatch.delenv("NBFLOW_SIGN", raising=False)


@pytest.fixture
def signed(tmp_path: Path) -> FolderStorage:
    return FolderStorage(tmp_path / "signed", sign=True)


@pytest.fixture
def plain(tmp_path: Path) -> FolderStorage:
    return FolderStorage(tmp_path / "signed", sign=False)


def salt_of(path: Path) -> int:
    return int(json.loads(path.read_bytes().split(b"\n")[0])["n"][0]["salt"])


def with_crc(body: bytes, salt: int) -> bytes:
    return b'%b,"crc":"%08x"}\n' % (body, crc32(body, salt))


def body_of(line: bytes) -> bytes:
    return line[: line.rindex(b',"crc"')]


# ---- journals ----


def test_a_signed_run_reads_back_over_owners_compaction_and_large_commits(signed: FolderStorage) -> None:
    run = filled(signed, 3, 2)
    assert numbers(signed) == [0, 1, 2, 3, 4]
    run.append([json.dumps({"n": n, "x": "y" * 700_000}) for n in (5, 6, 7)])
    run.compact([record(n) for n in range(8)], ())
    run.append([record(8)])
    run.close()
    run = signed.open_run("run")
    run.append([record(9)])
    run.close()
    assert numbers(signed) == [*range(10)]
    assert all(b',"mac":"' in line for path in Path(signed.url).rglob("j-*") for line in path.read_bytes().splitlines())


def test_every_changed_byte_that_a_checksum_does_not_show_is_refused(signed: FolderStorage) -> None:
    filled(signed, 4).close()
    path = segment(signed, 1)
    lines, salt = path.read_bytes().splitlines(keepends=True), salt_of(segment(signed, 1))
    for number, line in enumerate(lines):
        body = body_of(line)
        for place in range(0, len(body), 7):
            changed = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
            forged = [*lines]
            forged[number] = with_crc(changed, salt if number else 0)
            path.write_bytes(b"".join(forged))
            with pytest.raises((StorageError, WorkflowNotFoundError)):
                signed.read_run("run")
    path.write_bytes(b"".join(lines))
    assert numbers(signed) == [0, 1, 2, 3]


@pytest.mark.parametrize("what", ["another key", "a damaged journal"])
def test_who_cannot_read_a_run_does_not_take_it_from_its_owner(
    what: str, signed: FolderStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = filled(signed, 3)
    path = segment(signed, 1)
    whole = path.read_bytes()
    if what == "another key":
        monkeypatch.setenv("NBFLOW_SIGNING_KEY", OTHER)
    else:
        damaged = bytearray(whole)
        damaged[whole.index(b"\n", whole.index(b"\n") + 1) + 20] ^= 1  # in the second of three
        path.write_bytes(damaged)
    with pytest.raises(StorageError, match="run 'run'"):
        FolderStorage(signed.url, sign=True).open_run("run", takeover=True)
    path.write_bytes(whole)
    monkeypatch.setenv("NBFLOW_SIGNING_KEY", KEY)
    run.append([record(3)])
    run.heartbeat()
    assert numbers(signed) == [0, 1, 2, 3]


def test_a_frame_of_another_run_of_another_place_and_of_an_earlier_life_is_refused(signed: FolderStorage) -> None:
    filled(signed, 3).close()
    path = segment(signed, 1)
    header, first, second, third = path.read_bytes().splitlines(keepends=True)
    salt = salt_of(path)
    other = signed.create_run("other")
    other.append([record(77)])
    other.close()
    foreign = (Path(signed.url) / "runs/other/j-00000001.jsonl").read_bytes().splitlines(keepends=True)[1]
    shutil.move(path.parent, path.parent.with_name("earlier"))
    filled(signed, 3).close()
    now, *_ = path.read_bytes().splitlines(keepends=True)
    for frame in (foreign, first, second):
        path.write_bytes(now + with_crc(body_of(frame), salt_of(path)))
        with pytest.raises(SignatureError, match="run 'run'"):
            signed.read_run("run")
    path.write_bytes(header + with_crc(body_of(second), salt) + third)
    with pytest.raises(StorageError, match="damaged"):  # signed, but in a place where it does not belong
        signed.read_run("run")


def test_the_whole_journal_of_another_run_is_refused(signed: FolderStorage) -> None:
    filled(signed, 2).close()
    signed.create_run("other").append([record(5)])
    shutil.copy(segment(signed, 1), Path(signed.url) / "runs/other/j-00000001.jsonl")
    with pytest.raises(SignatureError, match="run 'other'"):
        signed.read_run("other")
    shutil.move(segment(signed, 1), segment(signed, 7))
    with pytest.raises(SignatureError, match="segment 7"):
        signed.read_run("run")


def test_a_cut_in_front_of_a_later_owner_is_seen(signed: FolderStorage) -> None:
    filled(signed, 3, 2).close()
    path = segment(signed, 1)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-2]))
    with pytest.raises(StorageError, match="damaged"):
        signed.read_run("run")


def test_what_another_key_signed_is_refused_and_reads_with_that_key(
    signed: FolderStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(signed, 2).close()
    monkeypatch.setenv("NBFLOW_SIGNING_KEY", OTHER)
    stranger = FolderStorage(signed.url, sign=True)
    with pytest.raises(SignatureError, match="NBFLOW_SIGNING_KEY"):
        stranger.read_run("run")
    with pytest.raises(SignatureError):
        stranger.open_run("run")
    monkeypatch.setenv("NBFLOW_SIGNING_KEY", KEY)
    assert numbers(FolderStorage(signed.url, sign=True)) == [0, 1]


def test_a_signed_run_stays_signed_whoever_goes_on_with_it(signed: FolderStorage, plain: FolderStorage) -> None:
    filled(signed, 2).close()
    run = plain.open_run("run")
    run.append([record(2)])
    run.close()
    assert numbers(signed) == [0, 1, 2]


def test_a_signed_run_without_the_key_is_refused_and_says_where_the_key_is(
    signed: FolderStorage, plain: FolderStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(signed, 2).close()
    monkeypatch.delenv("NBFLOW_SIGNING_KEY")
    with pytest.raises(SignatureError, match="NBFLOW_SIGNING_KEY"):
        plain.read_run("run")


def test_an_unsigned_run_is_refused_until_it_is_signed_as_it_stands(
    signed: FolderStorage, plain: FolderStorage
) -> None:
    filled(plain, 3, 2).close()
    plain.send("run", {"id": "1", "key": "go", "payload": 1})
    for read in (signed.read_run, signed.open_run):
        with pytest.raises(SignatureError, match="nbflow sign run"):
            read("run")
    with pytest.raises(SignatureError, match="nbflow sign run"):
        signed.send("run", {"id": "2", "key": "go", "payload": 2})
    assert (signed.sign_run("run"), signed.sign_run("run")) == (5, 0)
    assert numbers(signed) == [0, 1, 2, 3, 4]
    run = signed.open_run("run")
    assert [item.event["id"] for item in run.poll_inbox()] == ["1"]
    run.close()


def test_a_salvage_keeps_nothing_that_is_forged(signed: FolderStorage) -> None:
    filled(signed, 3).close()
    path = segment(signed, 1)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"garbage\n", with_crc(b'{"q":3,"n":[{"t":"n","n":99}]', salt_of(path))]))
    with pytest.raises(SignatureError):
        signed.salvage_run("run")


def test_without_signing_a_frame_is_as_it_was(plain: FolderStorage) -> None:
    filled(plain, 2).close()
    raw = segment(plain, 1).read_bytes()
    assert b"mac" not in raw and len(every_frame(raw, 0, salt_of(segment(plain, 1)))) == 2


# ---- values ----


class Canary:
    """Its pickle runs code when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_changed_blob_is_never_unpickled(signed: FolderStorage, tmp_path: Path) -> None:
    from nbflow.storage import values

    run = signed.create_run("run")
    files = FolderBlobs(signed._place("run"))
    stored = values.encode(b"x" * 100_000, files, allow_json=False)
    run.append([json.dumps({"v": stored})])
    bad = values.encode([Canary(tmp_path / "ran"), b"y" * 100_000], files, allow_json=False)
    blobs = Path(signed.url) / "runs/run/blobs"
    shutil.copy(blobs / f"{bad['blob']}.nbb", blobs / f"{stored['blob']}.nbb")
    with pytest.raises(StorageError, match="not what was stored"):
        values.decode(stored, run)
    assert not (tmp_path / "ran").exists()
    values.decode(bad, run)  # the canary would have sung
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["../../../http-token", "/etc/passwd", "", "0" * 63, "0" * 64 + "\n"])
def test_a_blob_has_the_name_of_a_hash(signed: FolderStorage, name: str) -> None:
    run = signed.create_run("run")
    with pytest.raises(StorageError, match="no blob"):
        run.get_blob(name)


# ---- events ----


def test_an_event_that_is_not_signed_for_this_run_is_put_aside(
    signed: FolderStorage, plain: FolderStorage, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("run", "other"):
        signed.create_run(name).append([record(0)])
    new, there = (Path(signed.url) / "runs" / name / "inbox/new" for name in ("run", "other"))
    signed.send("other", {"id": "1", "key": "go", "payload": 1})
    signed.send("run", {"id": "2", "key": "go", "payload": 2})
    mine = next(new.iterdir())
    (new / "0000.json").write_bytes(next(there.iterdir()).read_bytes())
    (new / "0001.json").write_text(json.dumps({"sent": 1, "event": {"id": "3", "key": "go", "payload": 3}}))
    (new / "0002.json").write_bytes(mine.read_bytes().replace(b'"payload": 2', b'"payload": 9'))
    (new / "0003.json").write_bytes(mine.read_bytes())  # a copy, under another name
    run = signed.open_run("run", takeover=True)
    assert [item.event["payload"] for item in run.poll_inbox()] == [2]
    assert len([*(new.parent / "bad").iterdir()]) == 4 and "is not signed with the key" in caplog.text


def test_a_stream_is_signed_and_refuses_what_is_not(
    signed: FolderStorage, plain: FolderStorage, tmp_path: Path
) -> None:
    signed.stream("sales").append([{"id": "1", "at": 1.0, "x": 1}, {"id": "2", "at": 2.0}])
    assert [event["id"] for _, event in FolderStorage(signed.url, sign=True).stream("sales").read(1)] == ["1", "2"]
    plain.stream("sales").append([{"id": "3", "at": 3.0}])  # a signed stream stays signed, too
    assert [event["id"] for _, event in FolderStorage(signed.url, sign=True).stream("sales").read(1)] == ["1", "2", "3"]
    frame = Path(signed.url) / "events/sales/tail/000000000001"
    raw = frame.read_bytes()
    frame.write_bytes(with_crc(body_of(raw).replace(b'"2"', b'"9"'), crc32(b"sales")))
    with pytest.raises(SignatureError, match="namespace 'sales'"):
        FolderStorage(signed.url, sign=True).stream("sales").read(1)
    frame.write_bytes(raw)
    plain.stream("costs").append([{"id": "1", "at": 1.0}])
    with pytest.raises(SignatureError, match="namespace 'costs'"):
        FolderStorage(signed.url, sign=True).stream("costs").read(1)


@pytest.mark.parametrize("before", [True, False], ids=["signed", "not signed"])
def test_a_reader_looks_anew_at_a_folder_in_the_place_of_the_one_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    def made(name: str, sign: bool) -> FolderStorage:
        storage = FolderStorage(tmp_path / name, sign=sign)
        storage.stream("sales").append([{"id": name, "at": 1.0}])
        return storage

    def replace(old: FolderStorage, new: FolderStorage) -> None:
        shutil.rmtree(old.url)
        os.rename(new.url, old.url)

    first = made("first", before)
    reader = FolderStorage(first.url, sign=False).stream("sales")
    assert [event["id"] for _, event in reader.read(1)] == ["first"]
    replace(first, made("second", True))
    assert [event["id"] for _, event in reader.read(1)] == ["second"]
    monkeypatch.setenv("NBFLOW_SIGNING_KEY", OTHER)
    others = made("third", True)
    monkeypatch.setenv("NBFLOW_SIGNING_KEY", KEY)
    replace(first, others)
    with pytest.raises(SignatureError):
        reader.read(1)


def test_a_stream_of_another_storage_is_refused_piece_by_piece(signed: FolderStorage, tmp_path: Path) -> None:
    other = FolderStorage(tmp_path / "other", sign=True)
    for storage in (signed, other):
        storage.stream("sales").append([{"id": storage.url, "at": 1.0}])
    shutil.copy(*(Path(each.url) / "events/sales/tail/000000000001" for each in (other, signed)))
    with pytest.raises(SignatureError):
        FolderStorage(signed.url, sign=True).stream("sales").read(1)


# ---- the key ----


@pytest.fixture
def no_variable(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.delenv("NBFLOW_SIGNING_KEY")
    yield Path(key_path())


def test_the_key_is_made_once_for_its_owner_alone(no_variable: Path, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert known_signer() is None and find_signer(None, default=False) is None and not no_variable.exists()
        signer = find_signer(True, default=False)
    finally:
        os.umask(before)
    assert signer is not None
    assert stat.S_IMODE(no_variable.stat().st_mode) == 0o600
    assert stat.S_IMODE(no_variable.parent.stat().st_mode) == 0o700
    again = find_signer(True, default=False)
    assert again is not None and again.check("here", b"x", signer.mac("here", b"x"))
    assert [path.name for path in no_variable.parent.iterdir()] == ["signing-key"]


def test_a_key_that_others_can_read_or_that_is_a_link_is_refused(no_variable: Path, tmp_path: Path) -> None:
    find_signer(True, default=False)
    no_variable.chmod(0o644)
    with pytest.raises(StorageError, match="chmod 600"):
        known_signer()
    no_variable.unlink()
    (tmp_path / "known-to-all").write_text(KEY)
    no_variable.symlink_to(tmp_path / "known-to-all")
    with pytest.raises(StorageError, match="cannot be read"):
        known_signer()
    no_variable.unlink()
    os.mkfifo(no_variable, 0o600)
    with pytest.raises(StorageError):
        known_signer()


def test_the_variable_says_whether_and_with_what(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for text, wanted in (("1", True), ("on", True), ("0", False), ("", False)):
        monkeypatch.setenv("NBFLOW_SIGN", text)
        assert (find_signer(None, default=False) is not None) is wanted
    assert find_signer(None, default=True) is not None
    monkeypatch.setenv("NBFLOW_SIGN", "perhaps")
    with pytest.raises(ValueError, match="NBFLOW_SIGN"):
        find_signer(None, default=False)
    monkeypatch.setenv("NBFLOW_SIGNING_KEY", "short")
    with pytest.raises(StorageError, match="32 characters"):
        find_signer(True, default=False)


def test_the_key_is_shown_nowhere() -> None:
    signer = find_signer(True, default=False)
    assert signer is not None and KEY not in f"{signer!r}{signer}"
    assert KEY.encode() not in b"".join(value for value in vars(signer).values())
    with pytest.raises(TypeError):
        pickle.dumps(signer)


def test_a_signature_binds_the_place_and_not_only_the_text() -> None:
    signer = Signer(b"key")
    assert signer.mac("ab", b"c") != signer.mac("a", b"bc")
    assert not signer.check("a", b"b", signer.mac("a", b"b").upper())
    assert not signer.check("a", b"b", "ä") and not signer.check("a", b"b", "")
