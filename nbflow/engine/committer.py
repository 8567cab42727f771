"""Group commit: all records of a moment, and all that come while the disk syncs, become one write and one sync.

The disk decides how: where a sync takes a fraction of a millisecond it is made right here, since a hop to another
thread and back would cost as much; where it takes longer, a writer thread makes it and the loop goes on.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..core.codec import encode
from ..core.records import Record
from ..storage.base import RunJournal

QUICK_SECONDS = 0.0006
"""A commit that usually takes less than this is made on the loop's thread."""
SLOW_SECONDS = 2 * QUICK_SECONDS
"""A commit that takes longer counts for as much in what they usually take: one hiccup of the disk is no habit."""
QUICK_RECORDS = 64
"""A larger batch goes to the writer thread, so that bodies go on meanwhile."""

Durable = Callable[[Sequence[Record]], None]
Trouble = Callable[[list[Record], list[str], BaseException], None]


class Committer:
    """Writes records in order: ``durable`` gets each batch after its sync, ``trouble`` one that could not be written.

    After trouble nothing is written until ``resume`` gives a new journal.
    """

    def __init__(
        self, journal: RunJournal, loop: asyncio.AbstractEventLoop, writer: concurrent.futures.Executor,
        durable: Durable, trouble: Trouble,
    ) -> None:  # fmt: skip
        self._journal = journal
        self._window = getattr(journal, "window", 0.0)
        """Seconds between two commits at least: a storage that is far away, and asks money for each, says so."""
        self._began = -self._window
        self._loop = loop
        self._writer = writer
        self._durable = durable
        self._trouble = trouble
        self._batch: list[Record] = []
        self._lines: list[str] = []
        self._scheduled = False
        self._busy = False
        self._stopped = False
        self._over = False
        self._seconds = 0.0
        self._idle: list[asyncio.Future[None]] = []
        self._turns: list[asyncio.Future[None]] = []
        self._newer: list[Record] | None = None
        self.acknowledged = 0
        """Records that are in the journal, and in the state."""

    def write(self, record: Record) -> None:
        """Commit a record soon, together with the others of this moment. Raises ValueError for one that is no JSON."""
        line = encode(record)
        if self._over:
            return  # else who waits for what is written would wait for ever
        self._lines.append(line)
        self._batch.append(record)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    @property
    def pending(self) -> bool:
        """True while something that was written is not durable yet."""
        return bool(self._batch) or self._busy

    @property
    def quick(self) -> bool:
        """True while the storage takes less time than the way to another thread and back."""
        return not self._window and self._seconds < QUICK_SECONDS

    async def drained(self) -> None:
        """Return when everything written so far is durable, or trouble stopped it."""
        if self._batch or self._busy:
            waiter = self._loop.create_future()
            self._idle.append(waiter)
            await waiter

    def follow(self) -> list[Record]:
        """Return a list that every record joins that is acknowledged from now on, until ``follow_no_more``."""
        self._newer = []
        return self._newer

    def follow_no_more(self) -> None:
        """Let the list be."""
        self._newer = None

    async def exchange(self, work: Callable[[], int]) -> None:
        """Replace the journal between two commits: ``work`` does it, in the writer's thread, and counts its records.

        When it fails the journal is taken for unusable, and opened anew. Raises what it raises, CancelledError when
        nothing is written any more.
        """
        while self._busy and not self._stopped:
            turn = self._loop.create_future()
            self._turns.append(turn)
            await turn
        if self._stopped:
            raise asyncio.CancelledError("nothing is written any more")
        self._busy = True
        working = self._loop.run_in_executor(self._writer, work)
        try:
            while not working.done():
                try:
                    await asyncio.wait([working])
                except asyncio.CancelledError:
                    pass  # whoever gives it up must wait too: nobody may write before it is done
            self.acknowledged = working.result()
        except Exception as error:
            self._stopped = True
            self._trouble([], [], error)
            raise
        finally:
            self._busy = False
            self._flush()
            if not self.pending:
                self._wake()

    def resume(self, journal: RunJournal, written: list[Record]) -> None:
        """Go on with a new journal; ``written`` is the batch that met trouble and is in it now."""
        self._journal, self._stopped = journal, False
        self._acknowledge(written)
        self._flush()

    def stop(self) -> None:
        """Write nothing any more; what is not durable is dropped."""
        self._stopped = self._over = True
        self._batch.clear()
        self._lines.clear()
        for turn in self._turns:
            turn.cancel()
        self._wake()

    def _flush(self) -> None:
        self._scheduled = False
        if self._busy or self._stopped or not self._batch or (self._window and self._waits_for_window()):
            return
        records, self._batch = self._batch, []
        lines, self._lines = self._lines, []
        if self.quick and len(lines) <= QUICK_RECORDS:
            try:
                self._append(lines)
            except Exception as error:
                self._stopped = True
                self._trouble(records, lines, error)
            else:
                self._acknowledge(records)
            return
        self._busy = True
        future = self._writer.submit(self._append, lines)
        future.add_done_callback(lambda done: self._loop.call_soon_threadsafe(self._written, records, lines, done))

    def _waits_for_window(self) -> bool:
        """Come back later when the last commit began just now; what is written until then goes along."""
        early = self._began + self._window - self._loop.time()
        if early > 0:
            self._scheduled = True
            self._loop.call_later(early, self._flush)
            return True
        self._began = self._loop.time()
        return False

    def _append(self, lines: list[str]) -> None:
        began = time.perf_counter()
        self._journal.append(lines)
        took = time.perf_counter() - began
        self._seconds += (min(took, SLOW_SECONDS) - self._seconds) * 0.2

    def _written(self, records: list[Record], lines: list[str], done: concurrent.futures.Future[Any]) -> None:
        self._busy = False
        error = done.exception()
        if error is not None:
            self._stopped = True
            self._trouble(records, lines, error)
            return
        self._acknowledge(records)
        waiting = [turn for turn in self._turns if not turn.done()]
        self._turns = waiting[1:]
        if waiting:
            waiting[0].set_result(None)
            self._loop.call_soon(self._flush)  # behind whom the turn is given to
        else:
            self._flush()

    def _acknowledge(self, records: list[Record]) -> None:
        self.acknowledged += len(records)
        if self._newer is not None:
            self._newer += records
        self._durable(records)
        if not self._batch and not self._busy:
            self._wake()

    def _wake(self) -> None:
        waiters, self._idle = self._idle, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
