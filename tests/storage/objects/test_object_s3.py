"""The storage on a real S3 server, through a network that loses a quarter of the answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from nbflow.errors import Fenced, SignatureError, StorageError, StorageReadOnly, StorageUnreachable
from nbflow.storage.objects import rolling
from nbflow.storage.objects.storage import ObjectStorage, open_objects

from .conftest import ROOT, SECRET
from .lossy_proxy import LossyProxy
from .object_programs import hurry


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a client give a network up soon."""
    hurry(monkeypatch.setattr)


ACKNOWLEDGED = 6
"""Commits that each of two rivals has to see acknowledged."""


def record(number: int, **more: Any) -> str:
    return json.dumps({"t": "n", "n": number, **more})


def numbers(storage: ObjectStorage) -> list[int]:
    return [found["n"] for found in storage.read_run("run")]


def test_a_quarter_of_the_answers_is_lost_and_nothing_else(
    url: str, network: LossyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rolling, "ROLL", 10)
    network.lost, network.cut, network.late = 0.25, 0.05, 0.1
    run = open_objects(url).create_run("run")
    for number in range(30):
        run.append([record(number)])
    run.close()
    assert network.counts["lost"] > 10
    assert numbers(open_objects(url)) == list(range(30))
    again = open_objects(url).open_run("run")
    assert [found["n"] for found in again.records] == list(range(30))


def test_events_and_values_come_through_it_once(url: str, network: LossyProxy) -> None:
    network.lost, network.late = 0.25, 0.1
    storage = open_objects(url)
    run = storage.create_run("run")
    run.append([record(0)])
    assert all(open_objects(url).send("run", {"id": f"e{n}", "key": "k"}) for n in range(6))
    assert not open_objects(url).send("run", {"id": "e3", "key": "k"})
    items = run.poll_inbox()
    assert sorted(item.event["id"] for item in items) == [f"e{n}" for n in range(6)]
    run.ack_inbox([item.token for item in items])
    stream = storage.stream("default")
    told = [stream.append([{"id": f"s{n}", "at": float(n), "x": 1}])[0][0] for n in range(6)]
    assert told == list(range(1, 7))
    assert [event["id"] for _, event in open_objects(url).stream("default").read(1)] == [f"s{n}" for n in range(6)]
    assert storage.namespaces() == ["default"]


def test_a_large_value_goes_in_parts_and_comes_back_whole(url: str, network: LossyProxy) -> None:
    run = open_objects(url).create_run("run")
    run.append([record(0)])
    large = bytearray(os.urandom(1 << 20) * 20)
    name, size = run.put_blob({"c": "p5"}, [b"head", large])
    assert size > 20 << 20 and network.counts["POST"] >= 2, "a multipart upload begins and ends with a POST"
    head, buffers = open_objects(url).blobs("run").get_blob(name)
    assert head == {"c": "p5"} and buffers == [b"head", large]
    before = network.counts.copy()
    assert run.put_blob({"c": "p5"}, [b"head", large]) == (name, size)
    assert network.counts == before, "what this owner has stored is not sent again"


def test_two_owners_who_compete_lose_and_double_nothing(url: str, network: LossyProxy) -> None:
    network.lost, network.cut = 0.2, 0.05
    said: list[str] = []
    rivals = [_program("compete", url, who, ACKNOWLEDGED) for who in ("a", "b")]

    def listen(rival: subprocess.Popen[str]) -> None:
        assert rival.stdout is not None
        said.extend(line.strip() for line in rival.stdout)

    threads = [threading.Thread(target=listen, args=(rival,)) for rival in rivals]
    for thread in threads:
        thread.start()
    for rival, thread in zip(rivals, threads, strict=True):
        assert rival.wait(120) == 0
        thread.join(60)
    network.lost = network.cut = 0.0
    found = [f"{each['who']}{each['n']}" for each in open_objects(url).read_run("run")]
    assert len(found) == len(set(found))
    for who in "ab":
        acknowledged = [word for word in said if word.startswith(who)]
        assert len(acknowledged) == ACKNOWLEDGED
        assert [word for word in found if word in set(acknowledged) and word.startswith(who)] == acknowledged


def test_what_a_killed_owner_acknowledged_is_there_and_the_run_is_free(url: str) -> None:
    owner = _program("write", url)
    assert owner.stdout is not None
    said = [owner.stdout.readline() for _ in range(15)]
    owner.kill()
    said += owner.stdout.readlines()
    owner.communicate()
    whole = [int(word) for word in said if word.endswith("\n")]
    run = open_objects(url).open_run("run")
    assert [found["n"] for found in run.records][: len(whole)] == whole
    assert len(run.records) - len(whole) <= 1
    run.append([record(99)])


def test_an_owner_that_sleeps_through_a_takeover_is_fenced(url: str) -> None:
    old = open_objects(url).create_run("run")
    old.append([record(0)])
    new = open_objects(url).open_run("run", takeover=True)
    with pytest.raises(Fenced, match=r"[Aa]nother process"):
        old.append([record(1)])
    new.append([record(2)])
    assert numbers(open_objects(url)) == [0, 2]


def test_without_a_network_it_says_so_and_goes_on_when_it_is_back(url: str, network: LossyProxy) -> None:
    storage = open_objects(url)
    run = storage.create_run("run")
    run.append([record(0)])
    network.away = True
    with pytest.raises(StorageUnreachable, match="check the network"):
        run.append([record(1)])
    network.away = False
    run.close()
    again = storage.open_run("run")
    again.append([record(2)])
    assert numbers(storage) in ([0, 2], [0, 1, 2])


def test_a_bucket_that_is_not_there_is_named(url: str) -> None:
    with pytest.raises(StorageError, match=r"s3://nobody-made-this/x: there is no such bucket"):
        open_objects("s3://nobody-made-this/x").check_writable()
    with pytest.raises(StorageError, match="no such bucket"):
        open_objects("s3://nobody-made-this/x").list_runs()


@pytest.mark.parametrize(
    ("status", "code", "kind", "said"),
    [
        (403, "InvalidAccessKeyId", StorageError, "AWS_ACCESS_KEY_ID"),
        (403, "SignatureDoesNotMatch", StorageError, "AWS_SECRET_ACCESS_KEY"),
        (403, "AccessDenied", StorageReadOnly, "list, read, write and delete"),
        (403, "RequestTimeTooSkewed", StorageError, "the clock of this machine"),
        (400, "ExpiredToken", StorageUnreachable, "renew them"),
        (503, "SlowDown", StorageUnreachable, "goes on"),
        (400, "SomethingElse", StorageError, "SomethingElse"),
    ],
)
def test_a_refusal_says_what_to_do(
    url: str, network: LossyProxy, status: int, code: str, kind: type[StorageError], said: str
) -> None:
    network.refusal = status, code
    with pytest.raises(kind, match=said) as refused:
        open_objects(url).check_writable()
    assert refused.type is kind
    assert url in str(refused.value) and SECRET not in str(refused.value)


def test_credentials_are_written_nowhere(
    url: str, network: LossyProxy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    options = {"secret_access_key": SECRET}
    storage = open_objects(url, options=options)
    run = storage.create_run("run")
    run.append([record(0)])
    run.write_status({"status": "RUNNING"})
    run.write_log([("node", "hello\n")])
    run.close()
    bucket = storage.bucket
    everything = [each.key for each in bucket.find("")]
    assert len(everything) >= 4
    assert SECRET.encode() not in b"".join(content or b"" for content in bucket.get_many(everything))
    assert SECRET not in repr(storage) + repr(bucket) + caplog.text
    with pytest.raises(ValueError) as refused:
        open_objects(url, options={**options, "no_such_option": 1})
    assert SECRET not in str(refused.value) and refused.value.__cause__ is None


def test_an_object_that_somebody_else_wrote_is_not_loaded(url: str) -> None:
    storage = open_objects(url)
    run = storage.create_run("run")
    run.append([record(0)])
    run.close()
    key = "runs/run/j/000000000002.json"
    there = storage.bucket.get(key)
    assert there is not None
    unsigned = open_objects(f"{url}-other", sign=False)
    forger = unsigned.create_run("run")
    forger.append([record(1)])
    forged = unsigned.bucket.get(key)
    assert forged is not None
    storage.bucket.put(key, forged)
    with pytest.raises((SignatureError, StorageError)):
        open_objects(url).read_run("run")
    header = unsigned.bucket.get("runs/run/j/000000000001.json")
    assert header is not None
    storage.bucket.put("runs/run/j/000000000001.json", header)
    with pytest.raises(SignatureError, match="not signed"):
        open_objects(url).read_run("run")


def _program(name: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("object_programs.py")), name, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
