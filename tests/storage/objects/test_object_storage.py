"""What an object store adds to the promises of a storage: few requests, its own clock, damage, and what is refused."""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from nbflow import home
from nbflow.core import records as r
from nbflow.engine.committer import Committer
from nbflow.errors import Fenced, RunIsLive, SignatureError, StorageDamaged, StorageError, WorkflowStillActiveError
from nbflow.storage import ownership
from nbflow.storage.base import RunJournal
from nbflow.storage.folder import FolderStorage
from nbflow.storage.objects import claims, inbox, rolling
from nbflow.storage.objects.obstore_bucket import ObstoreBucket
from nbflow.storage.objects.storage import ObjectStorage, open_objects
from tests.storage.disk_model import Killed

from .bucket_model import ModelBucket, Shelf

HOUR = 3600.0


@pytest.fixture
def shelf() -> Shelf:
    """Give a store without faults; what its processes call is counted."""
    shelf = CountingShelf()
    shelf.gate = lambda process, call: shelf.calls.update([call])
    return shelf


class CountingShelf(Shelf):
    """A store that counts calls, and whose clock only the test moves."""

    def __init__(self) -> None:
        super().__init__(Random(1))
        self.calls: Counter[str] = Counter()

    def tick(self) -> None:
        """Let no time pass."""

    def interrupt(self, storage: ObjectStorage, moment: int, act: Callable[[], object], wanted: str = "") -> None:
        """Do something before a call of one process, or before its ``moment``-th of those that are wanted."""
        calls = itertools.count(1)

        def gate(process: ModelBucket, call: str) -> None:
            if process is storage.bucket and call.startswith(wanted) and next(calls) == moment:
                act()

        self.gate = gate


def storage_on(shelf: Shelf, host: str = "here") -> ObjectStorage:
    """Return the storage as a new process sees it."""
    process = shelf.boot()
    process.identity = process.identity._replace(host=host, boot_id=host)
    return ObjectStorage(process, sign=False)


def commit(run: RunJournal, *numbers: int) -> None:
    for number in numbers:
        run.append([json.dumps({"n": number})])


def numbers(storage: ObjectStorage) -> list[int]:
    return [found["n"] for found in storage.read_run("run")]


def keys(shelf: Shelf, prefix: str) -> list[str]:
    return sorted(key for key in shelf.objects if key.startswith(prefix))


# ---- few objects, few requests ----


def test_a_log_of_a_thousand_commits_is_read_with_few_requests(shelf: CountingShelf) -> None:
    run = storage_on(shelf).create_run("run")
    commit(run, *range(1000))
    assert len(keys(shelf, "runs/run/j/")) <= rolling.ROLL + 2
    assert len(keys(shelf, "runs/run/p/")) <= 4, "pieces are put together too"
    reader = storage_on(shelf)
    shelf.calls.clear()
    assert numbers(reader) == list(range(1000))
    assert shelf.calls["get"] <= rolling.ROLL + 10 and shelf.calls["find"] <= 3


def test_a_compaction_leaves_a_snapshot_and_the_headers(shelf: CountingShelf) -> None:
    run = storage_on(shelf).create_run("run")
    commit(run, *range(450))
    kept, _ = run.put_blob({}, [b"kept"])
    gone, _ = run.put_blob({}, [b"gone"])
    run.compact(['{"n": 1}', '{"n": 2}'], [kept])
    commit(run, 3)
    assert numbers(storage_on(shelf)) == [1, 2, 3]
    assert len(keys(shelf, "runs/run/j/")) == 3, "two headers and a commit"
    assert len(keys(shelf, "runs/run/s/")) == 1 and not keys(shelf, "runs/run/p/")
    assert run.get_blob(kept)[1] == [b"kept"]
    with pytest.raises(StorageDamaged, match="missing"):
        run.get_blob(gone)
    run.compact(['{"n": 9}'], [])
    assert numbers(storage_on(shelf)) == [9] and len(keys(shelf, "runs/run/s/")) == 1


def test_a_listing_of_many_runs_takes_few_requests_and_a_warm_one_reads_nothing(shelf: CountingShelf) -> None:
    writer = storage_on(shelf)
    for number in range(120):
        run = writer.create_run(f"run-{number}")
        commit(run, number)
        run.write_status({"status": "RUNNING"})
        run.write_status({"status": "SUCCESSFUL"})
        run.close()
    reader = storage_on(shelf)
    assert len(reader.list_runs()) == 120
    for again, most in ((reader, 0), (storage_on(shelf), 2)):
        shelf.calls.clear()
        entries = again.list_runs()
        assert {entry.status["status"] for entry in entries} == {"SUCCESSFUL"}, "the last status is always written"
        assert [entry.changed for entry in entries] == sorted((e.changed for e in entries), reverse=True)
        assert shelf.calls["find"] <= 4 and shelf.calls["get"] <= most, "the index has the rows of others"


def test_an_event_of_another_process_comes_within_a_second_and_after_a_calm_while_within_five(
    shelf: CountingShelf,
) -> None:
    storage = storage_on(shelf)
    run = storage.create_run("run")
    commit(run, 1)
    assert run.poll_inbox() == []
    for calm, bound in ((0.0, inbox.EAGER * inbox.GROWTH), (60.0, inbox.CALM), (0.0, inbox.EAGER * inbox.GROWTH)):
        wait(shelf, run, calm)
        name = f"after {shelf.clock}"
        storage_on(shelf).send("run", {"id": name, "key": "k"})
        sent = shelf.clock
        while not (items := run.poll_inbox()):
            shelf.clock += 0.1
        assert [item.event["id"] for item in items] == [name]
        assert shelf.clock - sent <= bound + 0.2
    storage.send("run", {"id": "from here", "key": "k"})
    assert [item.event["id"] for item in run.poll_inbox()] == ["from here"], "and what this process sends at once"


def test_an_event_whose_sender_died_before_it_rang_comes_within_a_minute(shelf: CountingShelf) -> None:
    run = storage_on(shelf).create_run("run")
    commit(run, 1)
    assert run.poll_inbox() == []
    sender = storage_on(shelf)

    def die(process: ModelBucket, call: str) -> None:
        process.dead = call == "put" and process is sender.bucket

    shelf.gate = die
    with pytest.raises(Killed):
        sender.send("run", {"id": "unheard", "key": "k"})
    sent = shelf.clock
    while not (items := run.poll_inbox()):
        shelf.clock += 1.0
        assert shelf.clock - sent <= inbox.PATROL + inbox.CALM
    assert [item.event["id"] for item in items] == ["unheard"]


@pytest.mark.parametrize(
    ("interrupted", "moment"), [("sender", moment) for moment in range(1, 13)] + [("owner", n) for n in range(1, 7)]
)
def test_who_rings_and_who_looks_never_miss_each_other(shelf: CountingShelf, interrupted: str, moment: int) -> None:
    owner, sender = storage_on(shelf), storage_on(shelf)
    run = owner.create_run("run")
    commit(run, 1)
    sender.send("run", {"id": "first", "key": "k"})
    found: list[str] = []

    def send() -> None:
        sender.send("run", {"id": "second", "key": "k"})

    def look() -> None:
        shelf.clock += inbox.CALM
        found.extend(item.event["id"] for item in run.poll_inbox())

    if interrupted == "sender":
        shelf.interrupt(sender, moment, look)
        send()
    else:
        shelf.interrupt(owner, moment, send)
        look()
    shelf.interrupt(owner, 0, look)
    look()
    assert sorted(found) == ["first", "second"]


def test_a_run_that_waits_asks_little_of_the_store_and_nothing_that_is_dear(shelf: CountingShelf) -> None:
    run = storage_on(shelf).create_run("run")
    commit(run, 1)
    run.write_status({"status": "RUNNING"})
    run.poll_inbox()
    shelf.calls.clear()
    wait(shelf, run, HOUR)
    listings, reads, writes = (shelf.calls[name] for name in ("find", "get", "put"))
    assert listings <= HOUR / inbox.PATROL + 1
    assert writes <= HOUR / claims.PAUSE + 2, "heartbeats, and the row in the listing"
    assert reads <= HOUR / inbox.CALM + HOUR / 10.0 + 10, "the bell, and at each heartbeat the fence"
    assert not (shelf.calls.keys() & {"create", "delete"})


def wait(shelf: CountingShelf, run: RunJournal, seconds: float) -> None:
    """Let time pass as an engine does in which nothing happens."""
    end, beat = shelf.clock + seconds, shelf.clock
    while shelf.clock < end:
        shelf.clock += 0.5
        assert run.poll_inbox() == []
        if shelf.clock - beat >= 10.0:
            beat = shelf.clock
            run.heartbeat()


def test_commits_begin_no_closer_than_the_window_and_what_is_written_meanwhile_goes_along() -> None:
    class Journal:
        window = 0.2
        batches: list[int] = []  # noqa: RUF012 - there is one

        def append(self, lines: list[str]) -> None:
            self.batches.append(len(lines))

    async def write() -> None:
        committer.write(r.RunStarted(0.0))
        await committer.drained()
        for _ in range(50):
            committer.write(r.RunStarted(0.0))
            await asyncio.sleep(0)
        now[0] += 0.3
        await committer.drained()
        now[0] += 0.3
        committer.write(r.RunStarted(0.0))
        await committer.drained()

    loop, now = asyncio.new_event_loop(), [1000.0]
    loop.time = lambda: now[0]  # type: ignore[method-assign]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        journal: Any = Journal()
        committer = Committer(journal, loop, pool, lambda _: None, lambda *_: pytest.fail("no trouble"))
        loop.run_until_complete(write())
    loop.close()
    assert journal.batches == [1, 50, 1], "the first at once, those of the window together, and the next at once"


# ---- who is at work ----


def test_an_owner_on_another_machine_is_dead_after_a_minute_without_a_heartbeat(shelf: CountingShelf) -> None:
    first = storage_on(shelf, "here").create_run("run")
    commit(first, 1)
    second = storage_on(shelf, "there")
    shelf.clock += ownership.STALE_SECONDS - 40
    with pytest.raises(RunIsLive, match="takeover=True"):
        second.open_run("run")
    first.heartbeat()
    shelf.clock += ownership.STALE_SECONDS - 40
    with pytest.raises(RunIsLive):
        second.open_run("run")
    shelf.clock += 60
    assert second.open_run("run").epoch > first.epoch


def test_a_dead_owner_on_this_machine_is_followed_at_once(shelf: CountingShelf) -> None:
    storage = storage_on(shelf)
    commit(storage.create_run("run"), 1)
    process = storage.bucket
    assert isinstance(process, ModelBucket)
    process.dead = True
    assert storage_on(shelf).open_run("run").records == [{"n": 1}]
    assert len(keys(shelf, "live/run/")) == 1, "the claim of the dead one is gone"


def test_who_is_slow_to_clear_up_leaves_the_claim_of_who_came_after_it(
    shelf: CountingShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(storage_on(shelf, "elsewhere").create_run("run"), 1)
    clear_up, newer = claims.Claim.drop_others, []

    def slowly(claim: claims.Claim) -> None:
        monkeypatch.setattr(claims.Claim, "drop_others", clear_up)
        newer.append(storage_on(shelf, "there").open_run("run", takeover=True))
        clear_up(claim)

    monkeypatch.setattr(claims.Claim, "drop_others", slowly)
    storage_on(shelf, "here").open_run("run", takeover=True)
    with pytest.raises(WorkflowStillActiveError):
        storage_on(shelf, "far").delete_run("run")
    commit(newer[0], 2)


# ---- what is not as it should be ----


def test_what_is_before_the_damage_can_be_salvaged_and_all_objects_are_kept(shelf: CountingShelf) -> None:
    storage = storage_on(shelf)
    run = storage.create_run("run")
    commit(run, *range(6))
    run.close()
    shelf.put("runs/run/j/000000000004.json", b"rubbish")
    with pytest.raises(StorageDamaged, match=r"object 4 .*2 records.*nbflow.salvage\('run'\)"):
        storage.read_run("run")
    with pytest.raises(StorageDamaged):
        storage.open_run("run")
    shelf.clock += 1000
    found = storage.salvage_run("run")
    assert (found.kept, [left["n"] for left in found.left]) == (2, [3, 4, 5]) and "object 4" in found.damage
    assert numbers(storage) == [0, 1] and storage.salvage_run("run").damage == ""
    aside = keys(shelf, "runs/run/000000000001/aside/")
    assert sum(shelf.objects[key][0] == b"rubbish" for key in aside) == 1 and aside[-1].endswith("report.json")
    commit(storage.open_run("run"), 7)
    assert numbers(storage) == [0, 1, 7]


@pytest.mark.parametrize("gone", [2, 4])
def test_a_missing_commit_is_damage_and_not_the_end(shelf: CountingShelf, gone: int) -> None:
    run = storage_on(shelf).create_run("run")
    commit(run, *range(4))
    del shelf.objects[f"runs/run/j/{gone:012d}.json"]
    with pytest.raises(StorageDamaged, match=f"object {gone} is missing"):
        storage_on(shelf).read_run("run")


def test_rubbish_in_an_inbox_is_put_aside_and_harms_nobody(shelf: CountingShelf) -> None:
    storage = storage_on(shelf)
    run = storage.create_run("run")
    commit(run, 1)
    for name, content in (("a", b"{"), ("b", b'{"event": {"id": 1}}'), ("c", b"[" * 100_000), ("d", b"x" * (2 << 20))):
        shelf.put(f"runs/run/000000000001/inbox/{name}.json", content)
    storage.send("run", {"id": "good", "key": "k"})
    assert [item.event["id"] for item in run.poll_inbox()] == ["good"]
    assert len(keys(shelf, "runs/run/000000000001/bad/")) == 4


def test_a_store_that_overwrites_what_it_was_asked_to_create_is_refused(shelf: CountingShelf) -> None:
    class Careless(ModelBucket):
        def create(self, key: str, content: bytes) -> bool:
            self.shelf.put(key, content)
            return True

    with pytest.raises(StorageError, match="two kernels could not be kept apart"):
        ObjectStorage(Careless(shelf, 1), sign=False).check_writable()


def test_a_folder_of_files_is_none_of_objects(tmp_path: Path) -> None:
    FolderStorage(tmp_path).check_writable()
    with pytest.raises(StorageDamaged, match="without file://"):
        home.open_storage(f"file://{tmp_path}", sign=False).list_runs()
    open_objects(f"file://{tmp_path}/other", sign=False).check_writable()
    with pytest.raises(StorageDamaged):
        FolderStorage(tmp_path / "other").list_runs()


def test_a_run_that_was_not_signed_can_be_signed_as_it_stands(
    shelf: CountingShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBFLOW_SIGNING_KEY", "a key that these tests have made up")
    unsigned = storage_on(shelf)
    run = unsigned.create_run("run")
    commit(run, 1, 2)
    unsigned.send("run", {"id": "waits", "key": "k"})
    run.close()
    signed = ObjectStorage(shelf.boot())
    with pytest.raises(SignatureError, match="nbflow sign run"):
        signed.open_run("run")
    assert signed.sign_run("run") == 2 and signed.sign_run("run") == 0
    run = signed.open_run("run")
    assert run.records == [{"n": 1}, {"n": 2}]
    assert [item.event["id"] for item in run.poll_inbox()] == ["waits"]
    monkeypatch.setenv("NBFLOW_SIGNING_KEY", "another key, which somebody else made up")
    with pytest.raises(SignatureError, match="NBFLOW_SIGNING_KEY"):
        ObjectStorage(shelf.boot()).read_run("run")


def test_a_deletion_that_died_is_finished_by_who_starts_next(shelf: CountingShelf) -> None:
    storage = storage_on(shelf)
    run = storage.create_run("run")
    commit(run, 1)
    run.put_blob({}, [b"large"])
    run.close()
    shelf.faults.gates = 0
    calls: list[str] = []
    process = storage.bucket
    assert isinstance(process, ModelBucket)

    def gate(at: ModelBucket, call: str) -> None:
        calls.append(call)
        at.dead = at is process and calls[-2:] == ["create", "answer of create"]

    shelf.gate = gate
    with pytest.raises(BaseException):  # noqa: B017 - it is killed behind its tombstone
        storage.delete_run("run")
    shelf.gate = lambda at, call: None
    again = storage_on(shelf)
    assert not again.exists("run") and again.list_runs() == []
    again.check_writable()
    assert not keys(shelf, "runs/run/000000000001/") and not keys(shelf, "trash/open/")
    commit(again.create_run("run"), 2)
    assert numbers(again) == [2] and len(again.list_runs()) == 1


def test_a_deletion_that_comes_too_late_touches_nothing_of_a_run_that_goes_on(
    shelf: CountingShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rolling, "ROLL", 4)
    run = storage_on(shelf, "there").create_run("run")
    commit(run, 1)
    blob, _ = run.put_blob({}, [b"large"])
    shelf.clock += 2 * ownership.STALE_SECONDS
    deleter = storage_on(shelf)

    def wake_up() -> None:
        run.heartbeat()
        commit(run, *range(2, 20))

    shelf.interrupt(deleter, 1, wake_up, "create")
    with pytest.raises(WorkflowStillActiveError, match="live in process"):
        deleter.delete_run("run")
    assert "runs/run/j/000000000003.json" in shelf.objects, "the number was free again, and its tombstone is there"
    commit(run, 20)
    assert numbers(deleter) == [*range(1, 21)] and run.get_blob(blob)[1] == [b"large"]
    shelf.clock += 2 * ownership.STALE_SECONDS
    deleter.delete_run("run")
    with pytest.raises(Fenced, match="deleted"):
        commit(run, 21)
    assert not deleter.exists("run") and not keys(shelf, "runs/run/000000000001/")


def test_a_salvage_that_comes_too_late_says_so(shelf: CountingShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rolling, "ROLL", 4)
    run = storage_on(shelf, "there").create_run("run")
    commit(run, 1, 2, 3)
    damage(shelf, 3, b'{"q":3,"n":[{"t":"by"}]}\n')
    mender = storage_on(shelf)
    mender.check_writable()
    shelf.interrupt(mender, 1, lambda: commit(run, *range(4, 12)), "create")
    with pytest.raises(StorageDamaged, match="changed while it was mended: try again"):
        mender.salvage_run("run")
    assert "runs/run/j/000000000005.json" in shelf.objects, "the number was free again, and its header is there"
    shelf.clock += 2 * ownership.STALE_SECONDS
    assert mender.salvage_run("run").kept == 1 and numbers(mender) == [1]


@pytest.mark.parametrize("rubbish", [b"rubbish\n", b'{"q":3,"n":[', b'{"q":2,"n":[{"t":"by"}]}\n', b"{}\n" * 9, b""])
def test_a_damaged_object_is_not_rolled_up_with_others_that_are_not(
    shelf: CountingShelf, monkeypatch: pytest.MonkeyPatch, rubbish: bytes
) -> None:
    monkeypatch.setattr(rolling, "ROLL", 4)
    run = storage_on(shelf, "there").create_run("run")
    commit(run, 1, 2, 3)
    damage(shelf, 3, rubbish)
    commit(run, *range(4, 12))
    shelf.clock += 2 * ownership.STALE_SECONDS
    found = storage_on(shelf).salvage_run("run")
    assert found.kept == 1 and [left["n"] for left in found.left] == [*range(3, 12)]


def damage(shelf: CountingShelf, number: int, content: bytes) -> None:
    """Let an object of a log be another one, and its owner be silent for so long that it counts as dead."""
    shelf.put(f"runs/run/j/{number:012d}.json", content)
    shelf.clock += 2 * ownership.STALE_SECONDS


def test_a_value_in_one_piece_and_in_many_is_the_same() -> None:
    bucket = ObstoreBucket("memory:///")
    bucket.put_pieces("small", [memoryview(b"ab"), memoryview(b"cd")])
    assert bucket.get("small") == b"abcd"
    large = memoryview(bytes(range(256)) * 40_000)
    bucket.put_pieces("large", (large[at : at + (1 << 20)] for at in range(0, len(large), 1 << 20)))
    assert bucket.get("large") == bytes(large)
    assert bucket.get_part("large", 5, 9) == (b"\x05\x06\x07\x08", len(large))
    assert bucket.get_part("none", 0, 9) is None and bucket.get_many(["small", "none"]) == [b"abcd", None]
    bucket.put("empty", b"")
    assert bucket.get_part("empty", 0, 9) == (b"", 0)
    bucket.delete(["small", "none", "large"])
    assert [each.key for each in bucket.find("")] == ["empty"]
