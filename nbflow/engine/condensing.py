"""A journal that has grown far beyond what its run is now is written down in short, while the run goes on.

A thread reads the journal and folds it, as whoever opens the run would; the loop is not held up by that. Then, between
two commits, the short form takes the place of the old records, in one piece: after a crash there is one or the other.
The newest records stay as they are, so that who has just sent an event still finds what became of it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from ..core.cleaning import blobs_of
from ..core.codec import encode
from ..core.condensing import condensed, size_of
from ..core.records import Record
from ..errors import StorageError
from ..storage.base import Storage
from .folding import fold

if TYPE_CHECKING:
    from .runner import Runner

AFTER = 20_000
"""Records below which a journal is never condensed: they are read in a fraction of a second."""
TIMES = 4
"""A journal is condensed when it has so many times the records that say what there is now: the others are history."""
KEPT = 1000
"""The newest records, which stay as they are."""
YOUNG = 3600.0
"""Seconds for which a large value stays that no record names: its task may be about to write the one that does."""
SPELL, BREATH = 0.001, 0.0005
"""Seconds of work at one go in the background, and the seconds in between that are left to the loop."""
ROUNDS, FEW = 5, 200
"""Records that came meanwhile are taken in before the exchange, in so many rounds at most, until there are few."""

T = TypeVar("T")


class Condensing:
    """Condenses the journals of live runs, one at a time. Everything here happens on the engine's loop."""

    def __init__(self) -> None:
        self._next: dict[str, int] = {}
        self._runner: Runner | None = None
        self._working: asyncio.Task[None] | None = None

    def consider(self, runner: Runner) -> None:
        """Condense the journal of a run when it is time for that. Cheap when it is not."""
        count = runner.committer.acknowledged
        if count < self._next.get(runner.workflow_id, AFTER):
            return
        due = max(AFTER, TIMES * size_of(runner.state) + KEPT)
        if count < due:
            self._next[runner.workflow_id] = due
        elif self._runner is None:
            self._runner = runner
            self._working = runner.loop.create_task(self._condense(runner))

    async def leave(self, runner: Runner) -> None:
        """Return when nothing more is done to the journal of a run, which ends."""
        self._next.pop(runner.workflow_id, None)
        if self._runner is runner and self._working is not None:
            self._working.cancel()
            await asyncio.wait([self._working])

    async def _condense(self, runner: Runner) -> None:
        try:
            await condense(runner)
        except (StorageError, OSError):
            pass  # the next commit meets the same trouble, and that is where it is dealt with
        except Exception as error:
            runner.notice(f"The journal could not be condensed, and goes on growing: {type(error).__name__}: {error}")
        finally:
            self._runner = None
        self._next[runner.workflow_id] = max(AFTER, 2 * runner.committer.acknowledged)


async def condense(runner: Runner) -> None:
    """Write the journal of a live run down in short; it goes on meanwhile. Raises StorageError, and is as before then.

    What was given up is the history: see ``nbflow.core.condensing``.
    """
    committer, pace = runner.committer, Pace()
    newer = committer.follow()
    try:
        short = await asyncio.to_thread(
            _in_short, runner.host.storage, runner.workflow_id, committer.acknowledged, pace
        )
        for _ in range(ROUNDS):  # what came meanwhile is less each time: commits must not wait for much
            if len(newer) > FEW:
                some, newer[:] = newer[:], []
                await asyncio.to_thread(short.add, some, pace)

        def exchange() -> int:
            short.add(newer)
            runner.journal.compact(short.lines, short.blobs, young=YOUNG)
            return len(short.lines)

        await committer.exchange(exchange)
    finally:
        committer.follow_no_more()


class Pace:
    """Work in a thread that holds the interpreter for a moment at a time: called often, it sleeps now and then.

    Else the loop would wait 5 ms for each of its turns, and for each system call that it makes in one.
    """

    def __init__(self) -> None:
        self._end = 0.0

    def __call__(self) -> None:
        """Let others go on when it is time for that."""
        if time.perf_counter() >= self._end:
            time.sleep(BREATH)
            self._end = time.perf_counter() + SPELL

    def over(self, some: Iterable[T]) -> Iterator[T]:
        """Yield what there is, at this pace."""
        for each in some:
            self()
            yield each


@dataclass(slots=True)
class Short:
    """A journal in short: its encoded records, and the names of the large values that they speak of."""

    lines: list[str] = field(default_factory=list)
    blobs: set[str] = field(default_factory=set)

    def add(self, records: Iterable[Record], pace: Pace | None = None) -> None:
        """Add records at the end."""
        for record in pace.over(records) if pace is not None else records:
            line = encode(record)
            self.lines.append(line)
            if '"blob"' in line:
                self.blobs |= blobs_of(json.loads(line))


def _in_short(storage: Storage, workflow_id: str, count: int, pace: Pace) -> Short:
    """Return the first ``count`` records of a journal in short, the newest of them as they are."""
    wires = iter(pace.over(storage.read_run(workflow_id, pace)))
    state = fold(islice(wires, max(0, count - KEPT)))
    short = Short()
    short.add(condensed(state), pace)
    newest = [*islice(wires, min(count, KEPT))]
    if len(newest) != min(count, KEPT):
        raise StorageError(f"The journal of run {workflow_id!r} has fewer records than were acknowledged.")
    for wire in pace.over(newest):
        short.lines.append(json.dumps(wire, separators=(",", ":")))
        short.blobs |= blobs_of(wire)
    return short
