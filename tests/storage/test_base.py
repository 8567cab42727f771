"""The promises of ``Storage`` and ``RunJournal``, on every kind of storage."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbflow.errors import (
    Fenced,
    RunIsLive,
    StorageDamaged,
    StorageError,
    WorkflowNotFoundError,
    WorkflowStillActiveError,
)
from nbflow.storage.base import Storage
from nbflow.storage.inbox import MAX_PENDING
from nbflow.storage.memory import MemoryStorage

ONE = '{"t": "one"}'
TWO = '{"t": "two"}'


def event(event_id: str, key: str = "k") -> dict[str, object]:
    return {"id": event_id, "key": key, "payload": {"n": 1}}


def begun(storage: Storage, workflow_id: str = "run") -> None:
    """Make a run with one record and give it up."""
    run = storage.create_run(workflow_id)
    run.append([ONE])
    run.close()


def test_what_is_committed_is_found_again_in_its_order(storage: Storage) -> None:
    run = storage.create_run("run")
    assert run.records == []
    run.append([ONE, TWO])
    run.append([TWO])
    run.close()
    again = storage.open_run("run")
    assert again.records == [{"t": "one"}, {"t": "two"}, {"t": "two"}] == storage.read_run("run")
    again.append([ONE])
    assert storage.read_run("run")[-1] == {"t": "one"}


def test_a_commit_of_nothing_leaves_nothing(storage: Storage) -> None:
    run = storage.create_run("run")
    run.append([])
    assert not storage.exists("run")


def test_a_run_exists_from_its_first_commit_on(storage: Storage) -> None:
    run = storage.create_run("run")
    assert not storage.exists("run")
    assert storage.list_runs() == []
    assert storage.entry("run") is None
    with pytest.raises(WorkflowNotFoundError):
        storage.read_run("run")
    run.append([ONE])
    assert storage.exists("run")


def test_a_run_that_was_begun_and_never_committed_can_be_made_again(storage: Storage) -> None:
    storage.create_run("run").close()
    begun(storage)
    assert storage.read_run("run") == [{"t": "one"}]


def test_a_run_is_made_once(storage: Storage) -> None:
    begun(storage)
    with pytest.raises(FileExistsError, match="run"):
        storage.create_run("run")
    assert storage.read_run("run") == [{"t": "one"}]


def test_an_unknown_run_is_not_found_by_any_call(storage: Storage) -> None:
    for call in (storage.open_run, storage.read_run, storage.blobs, storage.delete_run, storage.salvage_run):
        with pytest.raises(WorkflowNotFoundError, match="nobody"):
            call("nobody")
    with pytest.raises(WorkflowNotFoundError):
        storage.send("nobody", event("1"))
    assert storage.entry("nobody") is None


@pytest.mark.parametrize("workflow_id", ["", "x" * 256])
def test_an_id_that_is_empty_or_too_long_is_refused_before_anything_is_written(
    storage: Storage, workflow_id: str
) -> None:
    for call in (storage.create_run, storage.exists):
        with pytest.raises(ValueError, match="255"):
            call(workflow_id)
    assert storage.list_runs() == []


@settings(deadline=None)
@given(workflow_id=st.text(st.characters(), min_size=1, max_size=255))
def test_any_string_can_be_the_id_of_a_run(workflow_id: str) -> None:
    storage = MemoryStorage()  # the folder names of these ids have tests of their own
    begun(storage, workflow_id)
    assert [entry.workflow_id for entry in storage.list_runs()] == [workflow_id]


def test_a_live_run_is_not_taken_without_asking(storage: Storage) -> None:
    owner = storage.create_run("run")
    owner.append([ONE])
    with pytest.raises(RunIsLive, match="takeover=True") as refusal:
        storage.open_run("run")
    assert refusal.value.owner["epoch"] == owner.epoch
    owner.append([TWO])


def test_a_run_that_is_being_made_is_not_made_again(storage: Storage) -> None:
    owner = storage.create_run("run")
    with pytest.raises((RunIsLive, FileExistsError)):
        storage.create_run("run")
    owner.append([ONE])


def test_the_old_owner_acknowledges_nothing_after_a_takeover(storage: Storage) -> None:
    old = storage.create_run("run")
    old.append([ONE])
    new = storage.open_run("run", takeover=True)
    assert new.epoch > old.epoch
    with pytest.raises(Fenced):
        old.append([TWO])
    with pytest.raises(Fenced):
        old.append([TWO])
    new.append([TWO])
    assert storage.read_run("run") == [{"t": "one"}, {"t": "two"}]


def test_the_old_owner_leaves_the_status_and_the_claim_of_the_new_one_alone(storage: Storage) -> None:
    old = storage.create_run("run")
    old.append([ONE])
    new = storage.open_run("run", takeover=True)
    new.write_status({"by": "new"})
    old.write_status({"by": "old"})
    old.close()
    entry = storage.entry("run")
    assert entry is not None
    assert (entry.status, entry.live) == ({"by": "new"}, True)


def test_the_heartbeat_of_an_owner_that_lost_its_run_says_so(storage: Storage) -> None:
    old = storage.create_run("run")
    old.append([ONE])
    old.heartbeat()
    storage.open_run("run", takeover=True)
    with pytest.raises(Fenced):
        old.heartbeat()


def test_a_closed_run_takes_no_more_commits_and_is_free(storage: Storage) -> None:
    run = storage.create_run("run")
    run.append([ONE])
    run.close()
    run.close()
    with pytest.raises(StorageError, match="open the run again"):
        run.append([TWO])
    assert storage.open_run("run").records == [{"t": "one"}]


def test_a_run_that_was_dropped_without_close_is_not_live(storage: Storage) -> None:
    begun(storage)
    run = storage.open_run("run")
    del run
    assert storage.open_run("run").records == [{"t": "one"}]


@pytest.mark.parametrize("record", ['{"t":\n1}', '"\N{LATIN SMALL LETTER E WITH ACUTE}"'])
def test_a_record_that_is_not_one_line_of_ascii_is_refused_and_harms_nothing(storage: Storage, record: str) -> None:
    run = storage.create_run("run")
    with pytest.raises(ValueError):
        run.append([ONE, record])
    run.append([TWO])
    assert storage.read_run("run") == [{"t": "two"}]


def test_an_event_is_delivered_once_to_an_owner_and_again_to_the_next_one(storage: Storage) -> None:
    run = storage.create_run("run")
    run.append([ONE])
    assert run.poll_inbox() == []
    assert storage.send("run", event("1"))
    assert [item.event for item in run.poll_inbox()] == [event("1")]
    assert run.poll_inbox() == []
    run.close()
    run = storage.open_run("run")
    (item,) = run.poll_inbox()
    run.ack_inbox([item.token])
    run.ack_inbox([item.token])
    run.close()
    assert storage.open_run("run").poll_inbox() == []


def test_the_same_id_is_stored_once_while_it_waits(storage: Storage) -> None:
    run = storage.create_run("run")
    run.append([ONE])
    assert [storage.send("run", event("1")), storage.send("run", event("1")), storage.send("run", event("2"))] == [
        True,
        False,
        True,
    ]
    assert len(run.poll_inbox()) == 2


def test_events_come_in_the_order_in_which_they_were_sent(storage: Storage) -> None:
    run = storage.create_run("run")
    run.append([ONE])
    for number in range(20):
        storage.send("run", event(f"e{number}"))
    assert [item.event["id"] for item in run.poll_inbox()] == [f"e{number}" for number in range(20)]


def test_a_full_inbox_refuses_more(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("inbox", "memory"):
        monkeypatch.setattr(f"nbflow.storage.{module}.MAX_PENDING", 3)
    begun(storage)
    for number in range(3):
        storage.send("run", event(str(number)))
    with pytest.raises(StorageError, match=r"[rR]esume the run"):
        storage.send("run", event("one too many"))
    assert MAX_PENDING == 1000


def test_an_event_that_is_not_json_is_refused_at_the_door(storage: Storage) -> None:
    begun(storage)
    for payload in (float("nan"), object()):
        with pytest.raises((ValueError, TypeError)):
            storage.send("run", {"id": "1", "key": "k", "payload": payload})
    assert storage.open_run("run").poll_inbox() == []


def test_a_blob_comes_back_writable_and_is_stored_once(storage: Storage) -> None:
    run = storage.create_run("run")
    run.append([ONE])
    name, size = run.put_blob({"c": "p5"}, [b"head", memoryview(bytearray(100_000)), b""])
    assert (name, size) == run.put_blob({"c": "p5"}, [b"head", bytearray(100_000), b""])
    head, buffers = storage.blobs("run").get_blob(name)
    assert head == {"c": "p5"}
    assert [type(buffer) for buffer in buffers] == [bytearray] * 3
    assert buffers == [b"head", bytes(100_000), b""]
    buffers[0][0] = 0
    assert run.get_blob(name)[1][0] == b"head"


def test_a_blob_has_the_same_name_in_every_storage(folder: Storage) -> None:
    names = set()
    for storage in (folder, MemoryStorage()):
        run = storage.create_run("run")
        names.add(run.put_blob({"c": "p5"}, [b"x" * 70_000, b"y" * 65]))
    assert len(names) == 1


def test_a_missing_blob_is_damage(storage: Storage) -> None:
    begun(storage)
    with pytest.raises(StorageDamaged, match="missing"):
        storage.blobs("run").get_blob("0" * 64)


def test_a_listing_shows_the_status_and_the_owner_newest_first(storage: Storage) -> None:
    begun(storage, "old")
    run = storage.create_run("new")
    run.append([ONE])
    run.write_status({"status": "RUNNING"})
    entries = storage.list_runs()
    assert [(entry.workflow_id, entry.status, entry.live) for entry in entries] == [
        ("new", {"status": "RUNNING"}, True),
        ("old", {}, False),
    ]
    assert entries[0] == storage.entry("new")
    assert entries[0].owner is not None
    assert entries[1].owner is None


def test_a_deleted_run_is_gone_and_its_name_is_free(storage: Storage) -> None:
    run = storage.create_run("run")
    run.append([ONE])
    with pytest.raises(WorkflowStillActiveError, match="cancel"):
        storage.delete_run("run")
    run.close()
    storage.send("run", event("1"))
    storage.delete_run("run")
    assert not storage.exists("run")
    assert storage.list_runs() == []
    again = storage.create_run("run")
    again.append([TWO])
    assert storage.read_run("run") == [{"t": "two"}]
    assert again.poll_inbox() == []


def test_a_run_without_damage_needs_no_salvage(storage: Storage) -> None:
    begun(storage)
    assert storage.salvage_run("run").kept == 1
    assert storage.salvage_run("run").damage == ""


def test_a_large_commit_comes_back_whole(storage: Storage) -> None:
    run = storage.create_run("run")
    records = [json.dumps({"t": "n", "v": "x" * 100_000, "n": number}) for number in range(30)]
    run.append(records)
    run.append([ONE])
    assert [json.dumps(record) for record in storage.read_run("run")] == [*records, ONE]


def test_check_writable_says_nothing_when_all_is_well(storage: Storage) -> None:
    assert storage.check_writable() is None
