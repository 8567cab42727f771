"""Event streams with one promise taken out each: the model disk must catch every one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from nbflow.storage import os_calls, stream_roll, streams
from nbflow.storage.stream_files import Marks, StreamFiles
from nbflow.storage.stream_ids import Ids
from nbflow.storage.stream_reader import Reader
from nbflow.storage.streams import FolderStream

from .disk_model import ModelOS
from .histories import ROOT

FOLDER = f"{ROOT}/events/default"
Mutant = Callable[[], Any]


def frame_not_synced() -> Any:
    return patch.object(streams, "write_file", _without_sync)


def name_not_synced() -> Any:
    return _folders_synced_only_if(lambda path: not path.endswith("/tail"))


def stream_folder_not_synced() -> Any:
    return _folders_synced_only_if(lambda path: path != FOLDER)


def segments_folder_not_synced() -> Any:
    return _folders_synced_only_if(lambda path: not path.endswith("/segments"))


def ancestors_not_synced() -> Any:
    return _folders_synced_only_if(lambda path: path.startswith(FOLDER))


def place_not_exclusive() -> Any:
    def take(self: FolderStream, temporary: str, offset: int) -> bool:
        self._calls.rename(temporary, self._files.tail(offset))
        return True

    return patch.object(FolderStream, "_take_place", take)


def sleeper_not_noticed() -> Any:
    return patch.object(Reader, "is_rolled", lambda self, offset, ids: True)


def rolled_taken_for_lost() -> Any:
    return patch.object(Reader, "is_rolled", lambda self, offset, ids: False)


def foreign_names_not_synced() -> Any:
    return patch.object(StreamFiles, "sync_tail", lambda self: None)


def followed_without_a_look_at_the_mark() -> Any:
    def catch_up(self: FolderStream) -> bool:
        frame = self._files.frame(self._end)
        if frame is not None:
            self._files.sync_tail()
            self._take(frame)
        return frame is not None

    return patch.object(FolderStream, "_catch_up", catch_up)


def read_without_a_look_at_the_mark() -> Any:
    def read(self: Reader, begin: int, limit: int) -> Any:
        try:
            return self._from_tail(begin, limit, 1) or original(self, begin, limit)
        except FileNotFoundError:
            return original(self, begin, limit)

    original = Reader.read
    return patch.object(Reader, "read", read)


def rolled_without_a_second_look() -> Any:
    def roll(files: StreamFiles) -> None:
        looks = iter([files.marks()])
        with patch.object(files, "marks", lambda: next(looks, seen)):
            seen = looks_first = next(looks)
            looks = iter([looks_first])
            original(files)

    original = stream_roll.roll
    return patch.object(streams, "roll", roll)


def dropped_before_the_mark() -> Any:
    def drop(files: StreamFiles, rolled: int) -> None:
        for offset in files.loose(1):
            if offset < rolled:
                os_calls.discard(files.calls, files.tail(offset))
        files.set_mark("rolled", rolled)

    return patch.object(stream_roll, "_drop_tail", drop)


def mark_not_kept() -> Any:
    return patch.object(StreamFiles, "set_mark", lambda self, kind, offset: None)


def segment_not_synced() -> Any:
    return patch.object(stream_roll, "write_file", _without_sync)


def ids_not_rolled() -> Any:
    return patch.object(stream_roll, "index_of", lambda pairs: b"")


def ids_not_learned() -> Any:
    return patch.object(Ids, "learn", lambda self, end: None)


def prune_ahead_of_what_is_durable() -> Any:
    def prune(self: FolderStream, before: int) -> int:
        return stream_roll.prune(self._files, before + 3, before + 3)

    return patch.object(FolderStream, "prune", prune)


def first_mark_ignored() -> Any:
    def marks(self: StreamFiles) -> Marks:
        found = original(self)
        return Marks(found.rolled, 1)

    original = StreamFiles.marks
    return patch.object(StreamFiles, "marks", marks)


def short_writes_ignored() -> Any:
    return patch.object(os_calls, "write_all", lambda calls, fd, content: calls.write(fd, content))


def _without_sync(calls: Any, path: str, content: bytes, *, sync: bool) -> None:
    os_calls.write_file(calls, path, content, sync=False)


def _folders_synced_only_if(kept: Callable[[str], bool]) -> Any:
    def fsync_dir(self: ModelOS, path: str) -> None:
        if kept(path):
            original(self, path)

    original = ModelOS.fsync_dir
    return patch.object(ModelOS, "fsync_dir", fsync_dir)


MUTANTS: list[Mutant] = [
    frame_not_synced,
    name_not_synced,
    stream_folder_not_synced,
    segments_folder_not_synced,
    ancestors_not_synced,
    place_not_exclusive,
    sleeper_not_noticed,
    rolled_taken_for_lost,
    foreign_names_not_synced,
    followed_without_a_look_at_the_mark,
    read_without_a_look_at_the_mark,
    rolled_without_a_second_look,
    dropped_before_the_mark,
    mark_not_kept,
    segment_not_synced,
    ids_not_rolled,
    ids_not_learned,
    prune_ahead_of_what_is_durable,
    first_mark_ignored,
    short_writes_ignored,
]
