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
        self._loop = loop
        self._writer = writer
        self._durable = durable
        self._trouble = trouble
        self._batch: list[Record] = []
        self._lines: list[str] = []
        self._scheduled = False
        self._busy = False
        self._stopped = False
        self._seconds = 0.0
        self._idle: list[asyncio.Future[None]] = []
        self.acknowledged = 0

    def write(self, record: Record) -> None:
        """Commit a record soon, together with the others of this moment. Raises ValueError for one that is no JSON."""
        self._lines.append(encode(record))
        self._batch.append(record)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    @property
    def pending(self) -> bool:
        """True while something that was written is not durable yet."""
        return bool(self._batch) or self._busy

    async def drained(self) -> None:
        """Return when everything written so far is durable, or trouble stopped it."""
        if self._batch or self._busy:
            waiter = self._loop.create_future()
            self._idle.append(waiter)
            await waiter

    def resume(self, journal: RunJournal, written: list[Record]) -> None:
        """Go on with a new journal; ``written`` is the batch that met trouble and is in it now."""
        self._journal, self._stopped = journal, False
        self._acknowledge(written)
        self._flush()

    def stop(self) -> None:
        """Write nothing any more; what is not durable is dropped."""
        self._stopped = True
        self._batch.clear()
        self._lines.clear()
        self._wake()

    def _flush(self) -> None:
        self._scheduled = False
        if self._busy or self._stopped or not self._batch:
            return
        records, self._batch = self._batch, []
        lines, self._lines = self._lines, []
        if self._seconds < QUICK_SECONDS and len(lines) <= QUICK_RECORDS:
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

    def _append(self, lines: list[str]) -> None:
        began = time.perf_counter()
        self._journal.append(lines)
        took = time.perf_counter() - began
        self._seconds += (min(took, 0.1) - self._seconds) * 0.2

    def _written(self, records: list[Record], lines: list[str], done: concurrent.futures.Future[Any]) -> None:
        self._busy = False
        error = done.exception()
        if error is not None:
            self._stopped = True
            self._trouble(records, lines, error)
            return
        self._acknowledge(records)
        self._flush()

    def _acknowledge(self, records: list[Record]) -> None:
        self.acknowledged += len(records)
        self._durable(records)
        if not self._batch and not self._busy:
            self._wake()

    def _wake(self) -> None:
        waiters, self._idle = self._idle, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
