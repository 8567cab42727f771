"""Object storages with one promise taken out each: the model of the store must catch every one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from nbflow.storage.objects import bucket, entries, inbox, journal, reading, removal, rolling, storage
from nbflow.storage.objects.blobs import RunBlobs
from nbflow.storage.objects.bucket import Bucket
from nbflow.storage.objects.journal import ObjectJournal
from nbflow.storage.objects.place import ObjectPlace
from nbflow.storage.objects.rolling import Rolling

from .object_histories import ObjectEngine

Mutant = Callable[[], Any]


def a_taken_number_is_taken_for_ours() -> Any:
    def create(store: Bucket, key: str, content: bytes) -> bool:
        store.create(key, content)
        return True

    return _create(create)


def a_commit_overwrites() -> Any:
    def create(store: Bucket, key: str, content: bytes) -> bool:
        store.put(key, content)
        return True

    return patch.object(journal, "create_once", create)


def commits_go_before_their_piece_is_there() -> Any:
    original = rolling.create_once

    def create(store: Bucket, key: str, content: bytes) -> bool:
        run = key.split("/p/")[0]
        for line in content.splitlines():
            if entries.is_commit(line):
                number = int(line[5 : line.index(b",", 5)])
                store.delete([f"{run}/j/{number:012d}.json"])
        return original(store, key, content)

    return patch.object(rolling, "create_once", create)


def headers_are_rolled_away() -> Any:
    return patch.object(rolling, "is_commit", lambda raw: True)


def the_newest_commit_is_rolled_too() -> Any:
    original = Rolling._keep
    return patch.object(Rolling, "_keep", lambda self, end: original(self, end + 1))


def pieces_are_listed_before_the_log() -> Any:
    original, top = reading.pieces_of, reading.read_top
    seen: list[Any] = []

    def read(place: ObjectPlace) -> Any:
        seen[:] = [original(place)]
        return top(place)

    return patch.multiple(reading, read_top=read, pieces_of=lambda place: seen[0] if seen else original(place))


def the_snapshot_comes_after_its_header() -> Any:
    original = ObjectJournal.compact

    def compact(self: ObjectJournal, records: Any) -> None:
        later: list[Any] = []
        store = self._place.bucket
        with patch.object(type(store), "put_pieces", lambda _, *what: later.append(what)):
            original(self, records)
        for what in later:
            store.put_pieces(*what)

    return patch.object(ObjectJournal, "compact", compact)


def values_are_listed_after_the_compaction() -> Any:
    original = RunBlobs.forget

    def forget(self: RunBlobs, keys: list[str], epoch: int) -> None:
        wanted = {key.split("/")[-2] for key in keys}
        late = [each.key for each in self._bucket.find(self.prefix) if each.key.split("/")[-2] in wanted]
        original(self, late, epoch)

    return patch.object(RunBlobs, "forget", forget)


def an_old_value_is_not_stored_anew() -> Any:
    return patch.object(RunBlobs, "_is_stored", lambda self, sha256: any(self._bucket.find(f"{self.prefix}{sha256}/")))


def no_tombstone() -> Any:
    def is_over(place: ObjectPlace, life: int) -> int:
        return reading.read_top(place).number

    return patch.multiple(removal, create_once=lambda store, key, content: True, is_over=is_over)


def a_tombstone_in_the_middle_counts() -> Any:
    """Deleting what belongs to a run that goes on: its tombstone got a number that was rolled up meanwhile."""
    create, is_over = removal.create_once, removal.is_over
    made: list[int] = []

    def entomb(store: Bucket, key: str, content: bytes) -> bool:
        made[:] = [int(key[-17:-5])] if (there := create(store, key, content)) else []
        return there

    def is_done(place: ObjectPlace, life: int) -> int:
        return made.pop() if made else is_over(place, life)

    return patch.multiple(removal, create_once=entomb, is_over=is_done)


def a_tombstone_is_taken_for_the_own_commit() -> Any:
    """Acknowledging what was never stored, after the run was deleted."""
    original = journal.create_once

    def create(store: Bucket, key: str, content: bytes) -> bool:
        return original(store, key, content) or b'"k":"gone"' in (store.get(key) or b"")

    return patch.object(journal, "create_once", create)


def a_new_life_begins_at_the_first_number() -> Any:
    """Deleting everything, headers and tombstones too, frees numbers that fence a sleeper off."""
    original = storage.delete_run

    def delete(place: ObjectPlace) -> None:
        original(place)
        place.bucket.delete([each.key for each in place.bucket.find(place.log)])

    return patch.object(storage, "delete_run", delete)


def no_inbox_dedupe() -> Any:
    return patch.object(ObjectEngine, "dedupe", False)


def acknowledge_before_commit() -> Any:
    return patch.object(ObjectEngine, "acknowledge_first", True)


def _create(create: Callable[[Bucket, str, bytes], bool]) -> Any:
    class Everywhere:
        def __enter__(self) -> None:
            self.patches = [patch.object(module, "create_once", create) for module in (journal, inbox, rolling, bucket)]
            for each in self.patches:
                each.start()

        def __exit__(self, *_: object) -> None:
            for each in self.patches:
                each.stop()

    return Everywhere()


MUTANTS: list[Mutant] = [
    a_taken_number_is_taken_for_ours,
    a_commit_overwrites,
    commits_go_before_their_piece_is_there,
    headers_are_rolled_away,
    the_snapshot_comes_after_its_header,
    values_are_listed_after_the_compaction,
    an_old_value_is_not_stored_anew,
    no_tombstone,
    a_tombstone_in_the_middle_counts,
    a_tombstone_is_taken_for_the_own_commit,
    a_new_life_begins_at_the_first_number,
    pieces_are_listed_before_the_log,
    the_newest_commit_is_rolled_too,
    no_inbox_dedupe,
    acknowledge_before_commit,
]
