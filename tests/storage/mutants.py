"""Storages with one promise taken out each: the model disk must catch every one of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from nbflow.errors import StorageError
from nbflow.storage import blobs, chain, compaction, folder, frames, inbox, journal, packs
from nbflow.storage.chain import Tail
from nbflow.storage.journal import Journal

from .disk_model import ModelOS
from .engine_model import Engine
from .histories import ROOT

RUN_FOLDER = f"{ROOT}/runs/run"
Mutant = Callable[[], Any]


def no_fence_check() -> Any:
    return patch.object(Journal, "check_fence", lambda self: None)


def fence_before_fsync() -> Any:
    def commit(self: Journal, frame: bytes) -> None:
        journal.write_all(self._calls, self._fd, frame)
        self.check_fence()
        self._calls.fdatasync(self._fd)

    return patch.object(Journal, "_commit", commit)


def no_inode_check() -> Any:
    def check(self: Journal) -> None:
        if self._calls.exists(self._next):
            raise journal.Fenced("taken over")

    return patch.object(Journal, "check_fence", check)


def no_fdatasync() -> Any:
    def commit(self: Journal, frame: bytes) -> None:
        journal.write_all(self._calls, self._fd, frame)
        self.check_fence()

    return patch.object(Journal, "_commit", commit)


def no_dir_fsync() -> Any:
    return _folders_synced_only_if(lambda path: path != RUN_FOLDER)


def no_ancestor_fsync() -> Any:
    return _folders_synced_only_if(lambda path: path.startswith(RUN_FOLDER))


def no_inbox_dir_fsync() -> Any:
    return _folders_synced_only_if(lambda path: "/inbox" not in path)


def no_blob_dir_fsync() -> Any:
    return _folders_synced_only_if(lambda path: "/blobs" not in path)


def short_writes_ignored() -> Any:
    return patch.object(journal, "write_all", lambda calls, fd, content: calls.write(fd, content))


def seal_without_carry() -> Any:
    def take(found: chain.Chain, header: chain.Header, raw: bytes, frame: frames.Frame) -> None:
        original(found, header, raw, frame)
        if not frame.more:
            found.tail = Tail(header.number, frame.end, [], frame.seq + 1)

    original = chain._take
    return patch.object(chain, "_take", take)


def unused_header_not_adopted() -> Any:
    def take(found: chain.Chain, header: chain.Header) -> None:
        original(found, header)
        found.tail = Tail(header.number, header.end, [], header.tail.seq + 1)

    original = chain._take_header
    return patch.object(chain, "_take_header", take)


def no_exclusive_create() -> Any:
    return patch.object(journal, "CREATE_NEW", os.O_WRONLY | os.O_CREAT)


def gaps_left_open() -> Any:
    return patch.object(journal, "_close_gaps", lambda place, number: None)


def no_poison() -> Any:
    def append(self: Journal, records: Any) -> None:
        try:
            original(self, records)
        except StorageError as error:
            self._healthy = not isinstance(error, journal.Fenced)
            raise

    original = Journal.append
    return patch.object(Journal, "append", append)


def no_crc() -> Any:
    return patch.object(frames, "crc32", lambda content, salt: 0)


def split_commits_not_atomic() -> Any:
    def take(found: chain.Chain, header: chain.Header, raw: bytes, frame: frames.Frame) -> None:
        original(found, header, raw, frame._replace(more=False))

    original = chain._take
    return patch.object(chain, "_take", take)


def emptied_before_the_shorter_one_is_whole() -> Any:
    def compact(place: Any, before: Journal, records: Any) -> Journal:
        with patch.object(before, "number", before.number + 1):
            compaction.empty_older(place, before)
        return original(place, before, records)

    original = compaction.compacted
    return patch.object(folder, "compacted", compact)


def shorter_one_not_synced() -> Any:
    def compact(*arguments: Any) -> Journal:
        with patch.object(Journal, "_commit", lambda self, frame: journal.write_all(self._calls, self._fd, frame)):
            return original(*arguments)

    original = compaction.compacted
    return patch.object(folder, "compacted", compact)


def older_segments_removed() -> Any:
    def remove(place: Any, shorter: Journal) -> None:
        for older in chain.segment_numbers(place.calls, place.folder):
            if older < shorter.number:
                place.calls.unlink(chain.segment_path(place.folder, older))

    return patch.object(folder, "empty_older", remove)


def compacted_over_another_owner() -> Any:
    return patch.object(compaction, "CREATE_NEW", os.O_WRONLY | os.O_CREAT)


def compacted_without_a_look_at_the_place() -> Any:
    return patch.object(Journal, "check_place", lambda self: None)


def emptied_by_name() -> Any:
    def empty(place: Any, number: int, run: str) -> None:
        fd = place.calls.open(chain.segment_path(place.folder, number), os.O_RDWR)
        place.calls.truncate(fd)
        place.calls.close(fd)

    return patch.object(compaction, "_empty", empty)


def compaction_keeps_no_blobs() -> Any:
    def forget(self: blobs.FolderBlobs, names: Any, check_fence: Any, young: float = 0.0) -> None:
        original(self, (), check_fence, young)

    original = blobs.FolderBlobs.keep_only
    return patch.object(blobs.FolderBlobs, "keep_only", forget)


def no_inbox_dedupe() -> Any:
    return patch.object(Engine, "dedupe", False)


def unlink_before_commit() -> Any:
    return patch.object(Engine, "acknowledge_first", True)


def event_not_synced() -> Any:
    def write(calls: Any, path: str, content: bytes, *, sync: bool) -> None:
        original(calls, path, content, sync=False)

    original = inbox.write_file
    return patch.object(inbox, "write_file", write)


@contextmanager
def blob_not_synced() -> Iterator[None]:
    writing = False

    def put_file(self: blobs.FolderBlobs, *arguments: Any) -> Any:
        nonlocal writing
        writing = True
        try:
            return original(self, *arguments)
        finally:
            writing = False

    def fsync(self: ModelOS, fd: int) -> None:
        if not writing:
            self.fdatasync(fd)

    original = blobs.FolderBlobs._put_file
    with patch.object(blobs.FolderBlobs, "_put_file", put_file), patch.object(ModelOS, "fsync", fsync):
        yield


def copied_blob_not_synced() -> Any:
    def copy(self: blobs.FolderBlobs, spot: packs.Spot, sha256: str) -> bool:
        with patch.object(ModelOS, "fsync", lambda self, fd: None):
            return original(self, spot, sha256)

    original = blobs.FolderBlobs._copy
    return patch.object(blobs.FolderBlobs, "_copy", copy)


@contextmanager
def packed_value_not_synced() -> Iterator[None]:
    def append(self: packs.Pack, pieces: Any, size: int) -> str:
        with patch.object(ModelOS, "fdatasync", lambda self, fd: None):
            return original(self, pieces, size)

    original = packs.Pack._append
    with patch.object(packs.Pack, "_append", append):
        yield


def name_of_a_pack_not_synced() -> Any:
    def begin(self: packs.Pack) -> None:
        with patch.object(ModelOS, "fsync_dir", lambda self, path: None):
            original(self)

    original = packs.Pack._begin
    return patch.object(packs.Pack, "_begin", begin)


def pack_written_on_after_an_error() -> Any:
    return patch.object(packs.Pack, "_abandon", lambda self: None)


def pack_removed_with_what_is_needed() -> Any:
    def is_dispensable(self: blobs.FolderBlobs, name: str, names: Any, young: float) -> bool:
        path = f"{self._folder}/{name}"
        return self._is_settled(path, young) and bool(self._packs.inside(path).keys() - set(names))

    return patch.object(blobs.FolderBlobs, "_is_dispensable", is_dispensable)


def pack_removed_before_its_values_have_names() -> Any:
    def is_dispensable(self: blobs.FolderBlobs, *arguments: Any) -> bool:
        with patch.object(ModelOS, "fsync_dir", lambda self, path: None):
            return original(self, *arguments)

    original = blobs.FolderBlobs._is_dispensable
    return patch.object(blobs.FolderBlobs, "_is_dispensable", is_dispensable)


def pack_that_grows_removed() -> Any:
    return patch.object(blobs.FolderBlobs, "_is_settled", lambda self, path, young: True)


def value_that_nothing_follows_not_found() -> Any:
    return patch.object(packs, "name_of", lambda calls, spot: "")


def value_that_is_shared_stays_old() -> Any:
    def link(self: blobs.FolderBlobs, path: str, to: str) -> bool:
        try:
            self._place.calls.link(path, to)
        except FileExistsError:
            pass
        return True

    return patch.object(blobs.FolderBlobs, "_link", link)


def _folders_synced_only_if(kept: Callable[[str], bool]) -> Any:
    def fsync_dir(self: ModelOS, path: str) -> None:
        if kept(path):
            original(self, path)

    original = ModelOS.fsync_dir
    return patch.object(ModelOS, "fsync_dir", fsync_dir)


MUTANTS: list[Mutant] = [
    no_fence_check,
    fence_before_fsync,
    no_inode_check,
    no_fdatasync,
    no_dir_fsync,
    no_ancestor_fsync,
    no_inbox_dir_fsync,
    no_blob_dir_fsync,
    short_writes_ignored,
    seal_without_carry,
    unused_header_not_adopted,
    no_exclusive_create,
    gaps_left_open,
    no_poison,
    no_crc,
    split_commits_not_atomic,
    emptied_before_the_shorter_one_is_whole,
    shorter_one_not_synced,
    older_segments_removed,
    compacted_over_another_owner,
    compacted_without_a_look_at_the_place,
    emptied_by_name,
    compaction_keeps_no_blobs,
    no_inbox_dedupe,
    unlink_before_commit,
    event_not_synced,
    blob_not_synced,
    copied_blob_not_synced,
    packed_value_not_synced,
    name_of_a_pack_not_synced,
    pack_written_on_after_an_error,
    pack_removed_with_what_is_needed,
    pack_removed_before_its_values_have_names,
    pack_that_grows_removed,
    value_that_nothing_follows_not_found,
    value_that_is_shared_stays_old,
]
