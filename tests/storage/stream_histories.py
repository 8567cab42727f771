"""Random histories of one event stream on a model disk: writers, readers, rollers and pruners, and what is left.

The oracle is a dict from offset to event id: what was acknowledged to a writer or told to a reader is true for ever.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any
from unittest.mock import patch

from nbflow.errors import EventsPruned, StorageDamaged
from nbflow.storage import stream_roll, streams
from nbflow.storage.base import EventStream
from nbflow.storage.folder import FolderStorage
from nbflow.storage.streams import FolderStream

from .actors import FAILURES, interleave, taking_turns
from .disk_model import Disk, Killed, ModelOS, PowerCut
from .faults import Faults
from .histories import MARK, ROOT
from .oracle import Violation

PAYLOAD = "the quick brown fox jumps over the lazy dog"


class StreamHistory:
    """One disk, one stream, one oracle. All that happens follows from the seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.disk = Disk(self.random)
        self.faults = Faults(self.random)
        if self.random.random() < 0.7:
            self.disk.lay_out(f"{ROOT}/runs", f"{ROOT}/trash", f"{ROOT}/cache", ROOT, nbflow_json=MARK)
        else:
            self.disk.lay_out("/home")
        self.disk.gate = self.faults
        self.truth: dict[int, str] = {}
        self.batches: dict[str, tuple[str, ...]] = {}
        """The batch that each id was sent in; an id that is sent again is in its first one."""
        self.named: dict[str, int] = {}
        """The offset that was acknowledged for an id of the sender's."""
        self.pruning = self.pruned = 1
        self._ids = itertools.count()

    def boot(self) -> ModelOS:
        """Start a process."""
        return self.disk.boot()

    def stream(self, process: ModelOS) -> FolderStream:
        """Return the stream as a process sees it."""
        found = FolderStorage(ROOT, os=process).stream("default")
        assert isinstance(found, FolderStream)
        return found

    # ---- what actors do ----

    def send(self, stream: EventStream, process: ModelOS) -> None:
        """Send one to three events; some have an id of the sender's, which may have been sent before."""
        if self.random.random() < 0.3:
            event_id = self.random.choice([*self.named, f"n{next(self._ids)}"])
            self.batches.setdefault(event_id, (event_id,))
            self._acknowledge(stream.append([self._event(event_id, process) | {"x": 1}]), named=True)
            return
        ids = tuple(f"e{next(self._ids)}" for _ in range(self.random.choice((1, 1, 2, 3))))
        self.batches |= dict.fromkeys(ids, ids)
        self._acknowledge(stream.append([self._event(event_id, process) for event_id in ids]))

    def follow(self, stream: EventStream, begin: int) -> int:
        """Read from an offset on and check it; return the next offset."""
        try:
            found = stream.read(begin, self.random.choice((1, 3, 100)))
        except EventsPruned as error:
            if not begin < error.first <= self.pruning:
                raise Violation(f"told at {begin} that {error.first} is first; pruned was {self.pruning}") from error
            return error.first
        for place, (offset, event) in enumerate(found, max(begin, 1)):
            if offset != place:
                raise Violation(f"offset {offset} stands in the place of {place}")
            self.tell(offset, event)
        return found[-1][0] + 1 if found else begin

    def prune(self, stream: EventStream) -> None:
        """Prune some of what is there."""
        first, end = stream.bounds()
        before = self.random.randint(first, end)
        self.pruning = max(self.pruning, before)
        stream.prune(before)
        self.pruned = max(self.pruned, before)

    def tell(self, offset: int, event: dict[str, Any]) -> None:
        """Take what somebody was told for the truth, which it must agree with."""
        if event.get("id") not in self.batches or event.get("v") != PAYLOAD:
            raise Violation(f"nobody sent {event}, at offset {offset}")
        if self.truth.setdefault(offset, event["id"]) != event["id"]:
            raise Violation(f"offset {offset} was {self.truth[offset]} and is now {event['id']}")

    def _acknowledge(self, receipts: list[tuple[int, dict[str, Any]]], *, named: bool = False) -> None:
        for offset, event in receipts:
            self.tell(offset, event)
            known = self.named.setdefault(event["id"], offset) if named else offset
            if known != offset and min(known, offset) >= self.pruning:
                raise Violation(f"{event['id']} has offset {offset} and had {known}")
            if named:
                self.named[event["id"]] = max(known, offset)

    def _event(self, event_id: str, process: ModelOS) -> dict[str, Any]:
        return {"id": event_id, "v": PAYLOAD, "at": process.now()}

    # ---- the end ----

    def power_cut(self) -> None:
        """Cut the power."""
        self.disk.power_cut()

    def stop_processes(self) -> None:
        """Kill every process; the machine goes on."""
        for process in self.disk.processes.values():
            process.dead = True

    def judge(self) -> None:
        """Let everything go well, before and after a power cut, and check all that is promised."""
        self.disk.separate_caches = False
        self.disk.gate = lambda process, call: None
        for _ in range(2):
            self.stop_processes()
            stream = self.stream(self.disk.boot())
            self._check(stream)
            self.send(stream, self.disk.boot())
            self._check(stream)
            self.power_cut()

    def _check(self, stream: EventStream) -> None:
        first, end = stream.bounds()
        if not self.pruned <= first <= max(self.pruning, 1) or end < max(self.truth, default=0) + 1:
            raise Violation(f"the stream is {first} to {end}; pruned {self.pruned}, known {max(self.truth, default=0)}")
        found: list[str] = []
        while first + len(found) < end:
            before = len(found)
            for offset, event in stream.read(first + len(found), 7):
                self.tell(offset, event)
                found.append(event["id"])
            if len(found) == before:
                raise Violation(f"nothing is found at {first + before} of {first} to {end}")
        if len(set(found)) < len(found):
            raise Violation(f"an event is there twice: {found}")
        for place, event_id in enumerate(found):
            batch = self.batches[event_id]
            start = place - batch.index(event_id)
            whole = tuple(found[max(start, 0) : start + len(batch)])
            if whole != batch[max(-start, 0) :]:
                raise Violation(f"of {batch} only a part is there: {found}")


def at_once(seed: int) -> StreamHistory:
    """Run writers, a reader and a pruner, interleaved at every call, with faults."""
    return _together(seed, _write, _write, _read, _prune)


def crowded(seed: int) -> StreamHistory:
    """Run several writers and readers that meet at the end of the stream."""
    return _together(seed, _write, _write, _write, _read, _read)


def lives(seed: int) -> StreamHistory:
    """Run one process after another, each ended by a fault or by itself."""
    with _small():
        history = StreamHistory(seed)
        for _ in range(history.random.randint(1, 4)):
            process = history.disk.boot()
            history.faults.arm()
            try:
                for task in history.random.choices((_write, _write, _read, _prune), k=3):
                    task(history, process)
            except PowerCut:
                history.power_cut()
            except Killed:
                pass
            process.dead = True
        history.judge()
    return history


def asleep(seed: int) -> StreamHistory:
    """Let two processes sleep while a third fills, rolls and prunes the stream; one wakes in the midst of a send."""
    with _small():
        history = StreamHistory(seed)
        history.disk.gate = lambda process, call: None
        random = history.random
        sleeper, rival, other = processes = [history.disk.boot() for _ in range(3)]
        mine, theirs, others = (history.stream(process) for process in processes)
        for _ in range(random.randint(1, 6)):
            history.send(random.choice((mine, theirs, others)), rival)
        wait = random.randrange(40)
        calls = itertools.count()
        moments = {wait, wait + random.randint(1, 12)}

        def gate(process: ModelOS, call: str) -> None:
            if process is not sleeper or (now := next(calls)) not in moments:
                return
            if now != wait:
                history.send(others, other)
                return
            others._look()  # so that it knows the same end as the sleeper
            for _ in range(random.randint(0, 12)):
                history.send(theirs, rival)
            if random.random() < 0.4:
                history.prune(theirs)

        history.disk.gate = gate
        place = 1
        for _ in range(6):
            history.send(mine, sleeper)
            if random.random() < 0.3:
                place = history.follow(mine, place)
        history.judge()
    return history


Task = Callable[[StreamHistory, ModelOS], None]
PLAYS = (asleep, crowded, at_once, lives)


@contextmanager
def _small() -> Iterator[None]:
    """Make the stream roll after a few events."""
    with patch.object(stream_roll, "PIECE_EVENTS", 3), patch.object(streams, "ROLL", 4):
        yield


def _write(history: StreamHistory, process: ModelOS) -> None:
    stream = history.stream(process)
    for _ in range(history.random.randint(1, 8)):
        _try(lambda: history.send(stream, process))


def _read(history: StreamHistory, process: ModelOS) -> None:
    stream, place = history.stream(process), 1
    for _ in range(history.random.randint(1, 8)):
        if history.random.random() < 0.2:
            place = history.random.randint(1, max(history.truth, default=1))

        def step() -> None:
            nonlocal place
            place = history.follow(stream, place)

        _try(step)


def _prune(history: StreamHistory, process: ModelOS) -> None:
    stream = history.stream(process)
    for _ in range(history.random.randint(0, 2)):
        _try(lambda: history.prune(stream))


def _try(act: Callable[[], None]) -> None:
    try:
        act()
    except StorageDamaged as error:
        raise Violation(f"damage where there is none: {error}") from error
    except FAILURES as error:
        if isinstance(error, OSError):
            raise Violation(f"a bare {error!r} reached the caller") from error


def _together(seed: int, *tasks: Task) -> StreamHistory:
    with _small():
        history = StreamHistory(seed)
        history.faults.arm()
        history.disk.separate_caches = history.random.random() < 0.3
        history.disk.gate = taking_turns(history.faults)
        interleave(history, *tasks)
        history.judge()
    return history
