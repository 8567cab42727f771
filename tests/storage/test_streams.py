"""Event streams: the promises of ``EventStream`` on every kind of storage, and what a folder adds."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbflow.errors import EventsPruned, StorageDamaged, StorageError, StorageFull
from nbflow.storage import stream_roll
from nbflow.storage.base import EventStream, Storage
from nbflow.storage.folder import FolderStorage
from nbflow.storage.memory import MemoryStorage
from nbflow.storage.os_calls import OS

LONG = 20.0


def event(event_id: str, at: float = 0.0, **more: Any) -> dict[str, Any]:
    return {"id": event_id, "at": at, "k": "k", **more}


def fill(stream: EventStream, count: int, first: int = 1) -> None:
    """Append one event after another; the time of each is its number."""
    for number in range(first, first + count):
        stream.append([event(f"e{number}", float(number))])


def ids(stream: EventStream, begin: int = 1) -> list[str]:
    return [found["id"] for _, found in whole(stream, begin)]


def whole(stream: EventStream, begin: int) -> list[Any]:
    """Read on to the end."""
    found: list[Any] = []
    while page := stream.read(begin + len(found)):
        found += page
    return found


@pytest.fixture
def stream(storage: Storage) -> EventStream:
    """Give an empty stream of each kind of storage."""
    return storage.stream("default")


@pytest.fixture
def rolls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a stream roll its tail after a few events."""
    monkeypatch.setattr("nbflow.storage.streams.ROLL", 4)
    monkeypatch.setattr(stream_roll, "PIECE_EVENTS", 6)


def test_a_stream_that_nobody_sent_to_is_empty_and_not_there(storage: Storage) -> None:
    stream = storage.stream("default")
    assert (stream.bounds(), stream.read(1), stream.offset_at(0.0)) == ((1, 1), [], 1)
    assert stream.prune(10) == 0
    assert storage.namespaces() == []


def test_offsets_begin_at_one_and_rise_by_one_over_batches(stream: EventStream) -> None:
    assert [offset for offset, _ in stream.append([event("a")])] == [1]
    assert [offset for offset, _ in stream.append([event("b"), event("c")])] == [2, 3]
    assert stream.append([]) == []
    assert stream.bounds() == (1, 4)
    assert stream.read(1) == [(1, event("a")), (2, event("b")), (3, event("c"))]
    assert stream.read(3) == [(3, event("c"))]
    assert stream.read(2, 1) == [(2, event("b"))]
    assert stream.read(0) == stream.read(1)
    assert stream.read(4) == []


def test_namespaces_have_offsets_of_their_own(storage: Storage) -> None:
    names = ["default", "Team A / \N{GREEK SMALL LETTER PHI}", "CON", "x" * 255]
    for name in names:
        assert storage.stream(name).append([event(name)])[0][0] == 1
        assert storage.stream(name) is storage.stream(name)
    assert storage.namespaces() == sorted(names)
    assert ids(storage.stream(names[1])) == [names[1]]


@pytest.mark.parametrize("name", ["", "x" * 256, "*", 5])
def test_a_namespace_that_cannot_be_one_is_refused(storage: Storage, name: Any) -> None:
    with pytest.raises(ValueError, match="namespace"):
        storage.stream(name)


def test_an_id_of_the_sender_counts_once(stream: EventStream, rolls: None) -> None:
    first = stream.append([event("pay", 1.0, x=1)])
    fill(stream, 9)
    assert stream.append([event("pay", 2.0, x=1)]) == first
    mixed = stream.append([event("new"), event("pay", 3.0, x=1), event("two", x=1), event("two", 9.0, x=1)])
    assert [offset for offset, _ in mixed] == [11, 1, 12, 12]
    assert stream.bounds() == (1, 13)
    # An id that the sender did not choose is no promise.
    assert stream.append([event("e3")])[0][0] == 13


def test_an_id_is_forgotten_with_its_event(stream: EventStream, rolls: None) -> None:
    stream.append([event("pay", x=1)])
    fill(stream, 9)
    stream.prune(5)
    assert stream.append([event("pay", x=1)])[0][0] == 11
    assert stream.append([event("pay", x=1)])[0][0] == 11


def test_a_moment_is_found(stream: EventStream, rolls: None) -> None:
    fill(stream, 11)
    assert [stream.offset_at(at) for at in (0.0, 1.0, 6.5, 11.0, 11.1)] == [1, 1, 7, 11, 12]
    stream.prune(4)
    assert [stream.offset_at(at) for at in (0.0, 4.0, 4.5)] == [4, 4, 5]


def test_clocks_that_disagree_do_not_hide_an_event(stream: EventStream, rolls: None) -> None:
    for number, at in enumerate((5.0, 1.0, 9.0, 2.0, 3.0, 3.0, 7.0)):
        stream.append([event(str(number), at)])
    assert [stream.offset_at(at) for at in (1.0, 5.5, 8.0, 9.5)] == [1, 3, 3, 8]


def test_what_is_pruned_is_gone_and_offsets_go_on(stream: EventStream, rolls: None) -> None:
    fill(stream, 11)
    assert stream.prune(4) == 3
    assert stream.prune(2) == 0
    assert (stream.bounds(), ids(stream, 4)[:2]) == ((4, 12), ["e4", "e5"])
    for begin in (1, 3):
        with pytest.raises(EventsPruned, match="from offset 4") as told:
            stream.read(begin)
        assert (told.value.first, told.value.namespace) == (4, "default")
    assert stream.prune(100) == 8
    assert (stream.bounds(), stream.read(12)) == ((12, 12), [])
    assert stream.append([event("next")])[0][0] == 12


def test_all_events_are_read_in_their_order(stream: EventStream, rolls: None) -> None:
    numbers = iter(range(1, 100))
    for size in (1, 3, 7, 1, 1, 2, 9, 1):
        stream.append([event(f"e{next(numbers)}") for _ in range(size)])
    for begin in range(1, 27):
        for limit in (1, 4, 100):
            found: list[int] = []
            while page := stream.read(begin + len(found), limit):
                assert len(page) <= limit
                found += [offset for offset, _ in page]
            assert found == list(range(begin, 26))


def test_who_waits_is_told_at_once(stream: EventStream) -> None:
    assert not stream.wait(1, 0.01)
    rung: list[int] = []
    end = stream.watch(rung.append)
    sender = threading.Timer(0.05, lambda: fill(stream, 2))
    sender.start()
    assert stream.wait(2, LONG)
    sender.join()
    assert rung[-1] == 3
    end()
    fill(stream, 1)
    assert rung[-1] == 3
    assert stream.wait(3, 0.0)


def test_many_threads_get_an_offset_each(stream: EventStream) -> None:
    receipts: dict[str, int] = {}

    def send(name: int) -> None:
        for number in range(10):
            receipts[f"{name}-{number}"] = stream.append([event(f"{name}-{number}")])[0][0]

    threads = [threading.Thread(target=send, args=(name,)) for name in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert sorted(receipts.values()) == list(range(1, 201))
    assert {found["id"]: offset for offset, found in stream.read(1)} == receipts


def test_an_event_that_is_not_json_is_refused_and_harms_nothing(stream: EventStream) -> None:
    for wrong in (float("nan"), object()):
        with pytest.raises((ValueError, TypeError)):
            stream.append([event("a"), event("b", v=wrong)])
    assert stream.append([event("c")])[0][0] == 1


def test_a_large_value_comes_back(stream: EventStream) -> None:
    name, _ = stream.put_blob({"c": "p5"}, [b"head", bytes(100_000)])
    assert stream.get_blob(name) == ({"c": "p5"}, [b"head", bytes(100_000)])
    with pytest.raises(StorageDamaged):
        stream.get_blob("0" * 64)


Step = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 6)),
    st.tuples(st.just("named"), st.integers(0, 4)),
    st.tuples(st.just("prune"), st.integers(0, 40)),
)


@settings(deadline=None, max_examples=30)
@given(steps=st.lists(Step, max_size=25))
def test_a_folder_and_the_memory_say_the_same(steps: list[tuple[str, int]], tmp_path_factory: Any) -> None:
    roll = pytest.MonkeyPatch()
    roll.setattr("nbflow.storage.streams.ROLL", 4)
    folder = FolderStorage(tmp_path_factory.mktemp("store") / "s", durability="lazy")
    streams = [folder.stream("s"), MemoryStorage().stream("s")]
    for number, (what, n) in enumerate(steps):
        batch = [event(f"{number}.{k}", float(number)) for k in range(n)]
        named = [event(f"n{n}", float(number), x=1)]
        answers = [
            stream.append(batch) if what == "append" else stream.append(named) if what == "named" else stream.prune(n)
            for stream in streams
        ]
        assert answers[0] == answers[1]
        other = FolderStorage(folder.url, durability="lazy").stream("s")
        first, end = streams[1].bounds()
        for stream in (streams[0], other):
            assert stream.bounds() == (first, end)
            assert stream.offset_at(number / 2) == streams[1].offset_at(number / 2)
            assert whole(stream, first) == streams[1].read(first)
            assert whole(stream, max(end - 3, first)) == streams[1].read(max(end - 3, first))
    roll.undo()


# ---- in a folder ----


def test_two_processes_share_one_order(folder: FolderStorage, rolls: None) -> None:
    """Two storage objects share no memory, as two processes do not."""
    one, two = folder.stream("s"), FolderStorage(folder.url).stream("s")
    offsets = [stream.append([event(f"{n}", x=1)])[0][0] for n in range(10) for stream in (one, two)]
    assert offsets == [offset for n in range(1, 11) for offset in (n, n)]
    fill(one, 5)
    assert ids(two, 11) == ids(one, 11) == ["e1", "e2", "e3", "e4", "e5"]


def test_events_of_another_process_ring_too(folder: FolderStorage, rolls: None) -> None:
    one, two = folder.stream("s"), FolderStorage(folder.url).stream("s")
    for n in range(1, 12):
        ready = threading.Timer(0.01, lambda n=n: one.append([event(f"e{n}")]))  # type: ignore[misc]
        ready.start()
        assert two.wait(n, LONG)
        assert ids(two, n) == [f"e{n}"]
        ready.join()
    two.prune(9)
    fill(two, 3)
    assert one.wait(14, LONG)


def test_who_looks_leaves_when_nobody_waits(folder: FolderStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nbflow.storage.doorbell.LINGER", 0.0)
    stream = folder.stream("s")
    assert not stream.wait(1, 0.01)
    looking = stream._bell._lookout  # type: ignore[attr-defined]
    if looking is not None:
        looking.join(LONG)
    assert stream._bell._lookout is None  # type: ignore[attr-defined]
    threading.Timer(0.01, lambda: fill(stream, 1)).start()
    assert stream.wait(1, LONG)


def test_the_form_is_the_documented_one(folder: FolderStorage, rolls: None) -> None:
    stream = folder.stream("s")
    fill(stream, 2)
    top = Path(folder.url, "events", "s")
    assert sorted(path.name for path in top.iterdir()) == ["name.json", "segments", "tail", "tmp"]
    assert [path.name for path in sorted((top / "tail").iterdir())] == ["000000000001", "000000000002"]
    line = (top / "tail" / "000000000002").read_bytes()
    assert line.startswith(b'{"q":2,"n":[{"id": "e2"') and line.endswith(b'"}\n')
    fill(stream, 3, 3)
    assert sorted(path.name for path in top.iterdir()) == [
        "name.json",
        "rolled-000000000005",
        "segments",
        "tail",
        "tmp",
    ]
    assert [path.name for path in (top / "segments").iterdir()] == ["000000000001-000000000005-0000000004000"]
    assert [path.name for path in (top / "tail").iterdir()] == ["000000000005"]
    assert not list((top / "tmp").iterdir())


def test_the_files_of_pruned_events_go_and_those_of_values_with_them(folder: FolderStorage, rolls: None) -> None:
    stream = folder.stream("s")
    blobs = [stream.put_blob({}, [os.urandom(30_000)])[0] for _ in range(3)]
    for n in range(9):
        stream.append([event(f"e{n}", v={"c": "p5", "blob": blobs[0 if n < 4 else 1]})])
    young = Path(folder.url, "events", "s", "blobs", f"{blobs[0]}.nbb")
    kept = young.with_name(f"{blobs[1]}.nbb")
    stream.prune(6)
    assert young.exists()  # it may be that of an event that is just being sent
    stream.prune(7)
    for path in (young, kept):
        os.utime(path, (0, 0))
    stream.append([event("again", v={"c": "p5", "blob": blobs[0]})])
    stream.prune(8)
    assert young.exists() and kept.exists()
    stream.prune(100)
    assert not list(Path(folder.url, "events", "s", "tail").iterdir())
    assert not list(Path(folder.url, "events", "s", "segments").iterdir())


def test_a_frame_that_was_changed_is_damage_and_says_where(folder: FolderStorage) -> None:
    stream = folder.stream("s")
    fill(stream, 3)
    path = Path(folder.url, "events", "s", "tail", "000000000002")
    path.write_bytes(path.read_bytes().replace(b"e2", b"e9"))
    fresh = FolderStorage(folder.url).stream("s")
    with pytest.raises(StorageDamaged, match="offset 2"):
        fresh.read(1)
    assert ids(fresh, 3) == ["e3"]
    assert fresh.append([event("on")])[0][0] == 4


def test_a_file_system_without_links_is_refused_with_the_remedy(tmp_path: Path) -> None:
    class NoLinks(OS):
        def link(self, old: str, new: str) -> None:
            raise PermissionError(1, "Operation not permitted")

    stream = FolderStorage(tmp_path / "store", os=NoLinks()).stream("s")
    with pytest.raises(StorageError, match="local folder"):
        stream.append([event("a")])


def test_a_folder_that_was_removed_says_so_and_the_next_event_makes_it_anew(folder: FolderStorage) -> None:
    import shutil

    stream = folder.stream("s")
    fill(stream, 3)
    shutil.rmtree(folder.url)
    with pytest.raises(StorageError, match="deleted"):
        stream.append([event("lost")])
    assert stream.append([event("first")])[0][0] == 1


def test_a_reader_may_not_write_and_reads_all_the_same(folder: FolderStorage) -> None:
    fill(folder.stream("s"), 3)

    class ReadOnly(OS):
        def fsync_dir(self, path: str) -> None:
            raise PermissionError(13, "Permission denied")

    assert ids(FolderStorage(folder.url, os=ReadOnly()).stream("s")) == ["e1", "e2", "e3"]


def test_an_error_reaches_everybody_who_waited_with_the_leader(folder: FolderStorage) -> None:
    class Failing(OS):
        broken = False

        def fsync(self, fd: int) -> None:
            if self.broken:
                raise OSError(5, "Input/output error")
            super().fsync(fd)

    calls = Failing()
    stream = FolderStorage(folder.url, os=calls).stream("s")
    fill(stream, 1)
    calls.broken = True
    refused: list[StorageError] = []

    def send(n: int) -> None:
        try:
            stream.append([event(str(n))])
        except StorageError as error:
            refused.append(error)

    threads = [threading.Thread(target=send, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert len(refused) == 8
    calls.broken = False
    assert stream.append([event("well")])[0][0] == 2


def test_a_unit_whose_first_event_came_before_fails_as_a_whole_when_the_rest_cannot_be_stored(tmp_path: Path) -> None:
    class Full(OS):
        full = False

        def link(self, old: str, new: str) -> None:
            if self.full:
                raise OSError(errno.ENOSPC, "No space left on device")
            super().link(old, new)

    calls = Full()
    stream = FolderStorage(tmp_path / "store", os=calls).stream("default")
    stream.append([event("before", x=1)])
    calls.full = True
    with pytest.raises(StorageFull):
        stream.append([event("before", x=1), event("new", x=1)])
    calls.full = False
    assert [offset for offset, _ in stream.append([event("before", x=1), event("new", x=1)])] == [1, 2]
