"""The events of one namespace in a folder: many writers, a total order without gaps, and nothing lost or seen by half.

To append is to create the file of the next offset exclusively, finished and synced: who comes second goes behind. Four
rules make that safe, and each has a mutant in the tests that shows why:

1. A frame gets its name only when its content is on the disk, and counts only when its name is.
2. A name is taken only when all names before it are durable; so a power cut leaves no gap.
3. Before a frame is removed the mark ``rolled`` is above it. Who finds, with its own frame durable, the mark above that
   frame had slept: either the frame is in a segment, or it stands in a place that was taken before, and does not count.
4. A reader makes durable what it has found before it tells: nobody acts on an event that a power cut can take away.
"""

from __future__ import annotations

import errno
import json
import threading
from collections import deque
from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

from nbflow.errors import StorageError

from .base import Blobs, Json
from .blobs import FolderBlobs
from .doorbell import Doorbell
from .failures import storage_errors
from .frames import Frame, encode_frame
from .journal import FRAME_LIMIT
from .os_calls import discard, make_folder, put_in_place, write_file
from .place import RunPlace
from .root import Root
from .stream_files import START, Pairs, StreamFiles, frame_end, pairs_of
from .stream_ids import Ids
from .stream_reader import Reader
from .stream_recent import Recent
from .stream_roll import ROLL, prune, roll

_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
_CATCH_UP = 1000
"""Frames of others that are read one by one; when there are more, the end is found from the names."""


class _Entry:
    """One event on its way: ``receipt`` is there when it is durable, or was before."""

    def __init__(self, event: Json) -> None:
        self.event = event
        self.text = json.dumps(event, allow_nan=False)
        self.receipt: tuple[int, Json] | None = None
        self.error: BaseException | None = None


class FolderStream:
    """One namespace in a folder. The promises are those of ``EventStream``. Safe to use from several threads."""

    def __init__(self, root: Root, place: RunPlace, namespace: str) -> None:
        self.namespace = namespace
        self._root = root
        self._place = place
        self._calls = place.calls
        self._files = StreamFiles(place.calls, place.folder, namespace, place.signer)
        self._where = f"the events of namespace {namespace!r}"
        self._turn = threading.Lock()
        """Held by who writes, or looks for what others wrote; the end, and what is made ready, belong to its holder."""
        self._queue: deque[list[_Entry]] = deque()
        self._together = threading.Condition()
        self._led = False
        self._end = 0
        self._ready = False
        self._recent = Recent()
        self._reader = Reader(self._files, self._recent)
        self._ids = Ids(self._files, self._reader.read)
        self._bell = Doorbell(self._look, f"{place.folder}/tail")
        self._blobs: Blobs = FolderBlobs(place)

    # ---- writing ----

    def append(self, events: Sequence[Json]) -> Pairs:
        """Store events durably, all or none, and return each with its offset, or the first one of its id."""
        if not events:
            return []
        batch = [_Entry(event) for event in events]
        self._queue.append(batch)
        end = self._store_with_others(batch)
        self._bell.ring(end)
        error = next((entry.error for entry in batch if entry.error is not None), None)
        if error is not None:
            raise copy(error) from error  # the others who waited raise it too
        self._roll_if_due(batch)
        return [entry.receipt for entry in batch if entry.receipt is not None]

    def put_blob(self, head: Json, buffers: Sequence[Any]) -> tuple[str, int]:
        """Store one large value durably; return (sha256, size in bytes). Idempotent."""
        if not self._ready:
            with self._turn, storage_errors(self._where):
                self._make_ready()
        return self._blobs.put_blob(head, buffers)

    def get_blob(self, sha256: str) -> tuple[Json, list[bytearray]]:
        """Return the head and the writable buffers of a large value."""
        return self._blobs.get_blob(sha256)

    def prune(self, before: int) -> int:
        """Remove all events below an offset for good; return how many were there."""
        with storage_errors(self._where):
            end = self._reader.find_end()
            if end == START:
                return 0
            self._root.make_ready()
            self._files.sync_tail()  # the mark must not outlive events that are below it
            removed = prune(self._files, before, end)
        self._recent.clear()
        return removed

    # ---- reading ----

    def read(self, begin: int, limit: int = 1000) -> Pairs:
        """Return up to ``limit`` durable events from an offset on. Raises EventsPruned, StorageDamaged."""
        with storage_errors(self._where):
            return self._reader.read(begin, limit)

    def bounds(self) -> tuple[int, int]:
        """Return the first offset that is there and the one that the next event will get."""
        with storage_errors(self._where):
            end = self._reader.find_end()
            self._files.sync_tail()
            return self._files.marks().first, end

    def offset_at(self, at: float) -> int:
        """Return the offset of the first event whose time is ``at`` or later, or the end."""
        with storage_errors(self._where):
            return self._reader.offset_at(at)

    def wait(self, offset: int, timeout: float) -> bool:
        """Return True once the event of an offset is there, False after ``timeout`` seconds."""
        return self._bell.wait(offset, timeout)

    def watch(self, ring: Callable[[int], None]) -> Callable[[], None]:
        """Call ``ring`` with the new end whenever the stream has grown; return what ends that."""
        return self._bell.watch(ring)

    # ---- one commit ----

    def _store_with_others(self, batch: list[_Entry]) -> int:
        """Lead, or wait until somebody has: those who wait together are one frame and one sync. Return the end."""
        with self._together:
            self._together.wait_for(lambda: _over(batch) or not self._led)
            if _over(batch):
                return self._end
            self._led = True
        try:
            with self._turn:
                while self._queue and not _over(batch):
                    self._commit(self._next())
                if not _over(batch):
                    _fail(batch, StorageError("Another thread was stopped while it stored this event; send it again."))
                return self._end
        finally:
            with self._together:
                self._led = False
                self._together.notify_all()

    def _next(self) -> list[_Entry]:
        entries: list[_Entry] = []
        size = 0
        while self._queue and (not entries or size < FRAME_LIMIT):
            batch = self._queue.popleft()
            entries.extend(batch)
            size += sum(len(entry.text) for entry in batch)
        return entries

    def _commit(self, entries: list[_Entry]) -> None:
        try:
            with storage_errors(self._where):
                self._make_ready()
                if not self._end:
                    self._locate()
                while fresh := self._without_repeats(entries):
                    self._store(fresh)
        except Exception as error:
            self._ready = False  # somebody may have removed the folder: the next commit looks
            _fail(entries, error)
        except BaseException:
            _fail(entries, StorageError("Sending was stopped; the event may be stored. Send it again with its id."))
            raise

    def _store(self, fresh: list[_Entry]) -> None:
        """Try to store entries at the end of the stream; when others were there first, know where it ends now."""
        calls, offset = self._calls, self._end
        content = encode_frame(offset, [entry.text for entry in fresh], self._files.salt, seal=self._files.seal())
        temporary, ids = self._files.temporary(), [entry.event["id"] for entry in fresh]
        try:
            write_file(calls, temporary, content, sync=True)
            if not self._take_place(temporary, offset) and not self._was_taken(offset, ids):
                if not self._catch_up():
                    self._locate()
                return
            calls.fsync_dir(f"{self._place.folder}/tail")
        finally:
            discard(calls, temporary)
        if self._files.marks().rolled > offset and not self._reader.is_rolled(offset, ids):
            discard(calls, self._files.tail(offset))
            self._locate()
            return
        frame = Frame(offset, [entry.event for entry in fresh], False, 0, len(content))
        self._take(frame)
        for entry, receipt in zip(fresh, pairs_of(frame), strict=True):
            entry.receipt = receipt

    def _take_place(self, temporary: str, offset: int) -> bool:
        path = self._files.tail(offset)
        try:
            self._calls.link(temporary, path)
        except FileExistsError:
            # On a network the answer can be lost, and asking again finds our own name there.
            try:
                return self._calls.stat(temporary).st_ino == self._calls.stat(path).st_ino
            except FileNotFoundError:
                return False
        except OSError as error:
            if error.errno in _NO_LINKS:
                raise StorageError(
                    f"The file system of {self._root.path!r} cannot number events, since it has no hard links: choose "
                    "a local folder."
                ) from error
            raise
        return True

    def _was_taken(self, offset: int, ids: list[str]) -> bool:
        """Tell whether these events took a place before, and only the answer was lost: never in a folder."""
        return False

    def _without_repeats(self, entries: list[_Entry]) -> list[_Entry]:
        """Return the entries that are to be stored, with the receipts of those whose id came before filled in."""
        fresh: dict[str, _Entry] = {}
        for entry in entries:
            event_id = entry.event["id"]
            if entry.receipt is None and "x" in entry.event:
                self._ids.learn(self._end)
                entry.receipt = self._ids.find(event_id)
            if entry.receipt is None and event_id not in fresh:
                fresh[event_id] = entry
        return [*fresh.values()]

    def _make_ready(self) -> None:
        if self._ready:
            return
        self._root.make_ready()
        calls, folder, parents = self._calls, self._place.folder, self._place.parents
        make_folder(calls, parents[0])
        for path in (folder, *(f"{folder}/{name}" for name in ("tail", "segments", "tmp"))):
            make_folder(calls, path)
        if not calls.exists(f"{folder}/name.json"):
            temporary = self._files.temporary()
            write_file(calls, temporary, self._files.introduction(), sync=True)
            put_in_place(calls, temporary, f"{folder}/name.json")
            discard(calls, temporary)
        # Also when all was there: whoever made it may not have come to this line.
        for path in (folder, *parents):
            calls.fsync_dir(path)
        # What is known may be of a folder that somebody removed.
        self._end = self._reader.durable = 0
        self._ids = Ids(self._files, self._reader.read)
        self._files.look_again()
        self._ready = True

    # ---- where the stream ends ----

    def _look(self) -> bool:
        """Take in what other processes have stored; True when there was something."""
        with self._turn:
            before = self._end
            if not self._end or (not self._catch_up() and self._files.marks().rolled > self._end):
                self._locate()
            end = self._end
        self._bell.ring(end)
        return end > before > 0

    def _catch_up(self) -> bool:
        """Take the frames that others have added at the end; False when there are none, or they cannot be followed."""
        found: list[Frame] = []
        offset = self._end
        while len(found) < _CATCH_UP and (frame := self._files.frame(offset)):
            found.append(frame)
            offset = frame_end(frame)
        if not found:
            return False
        self._files.sync_tail()
        if self._files.marks().rolled > found[0].seq:
            return False  # one of them may be that of a sleeper, in a place that was taken before
        for frame in found:
            self._take(frame)
        return True

    def _locate(self) -> None:
        self._recent.clear()
        self._end = self._reader.find_end()
        self._files.sync_tail()
        self._reader.durable = self._end

    def _take(self, frame: Frame) -> None:
        self._end = self._reader.durable = frame_end(frame)
        self._ids.take(frame)
        self._recent.add(frame)

    def _roll_if_due(self, batch: list[_Entry]) -> None:
        receipt = batch[-1].receipt
        if receipt is None or receipt[0] // ROLL == (receipt[0] - len(batch)) // ROLL:
            return
        try:
            if receipt[0] + 1 - self._files.marks().rolled >= ROLL:
                roll(self._files)
        except (OSError, StorageError):
            pass  # the event is stored; the tail stays as it is until the next one tries


def _over(batch: list[_Entry]) -> bool:
    # Any of them: those before it may have been stored long ago, and have their receipts.
    return all(entry.receipt is not None or entry.error is not None for entry in batch)


def _fail(entries: list[_Entry], error: BaseException) -> None:
    for entry in entries:
        if entry.receipt is None:
            entry.error = error
