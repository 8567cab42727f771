"""What happens when the storage cannot take a record: the run pauses, nothing is acknowledged, and it goes on later.

A write that failed leaves its journal unusable for good, since nobody knows what of it reached the disk. So the run is
opened anew, which shows what did, and only what did not is written again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ..core.records import Record
from ..errors import Fenced, RunIsLive, StorageError, StorageFull, StorageUnreachable, WorkflowNotFoundError
from ..storage import values
from ..storage.base import RunJournal

if TYPE_CHECKING:
    from .runner import Runner

T = TypeVar("T")

_log = logging.getLogger("nbflow")
PAUSE = 1.0
"""Seconds between attempts to go on."""
TRIES = 5
"""Attempts to go on after an error that is none of those below."""
PASSING: dict[type[BaseException], str] = {StorageFull: "STORAGE_FULL", StorageUnreachable: "STORAGE_UNREACHABLE"}
"""Errors that pass when somebody frees space or the network is back, however long that takes."""


class Trouble:
    """Pauses one run while its storage fails. ``reason`` says why, and is empty when all is well."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.reason = ""
        self._told = False

    async def store(self, value: Any) -> dict[str, Any]:
        """Return the stored form of a value; while there is no room for it, wait: its body shall not run again.

        Raises CheckpointError, and StorageError when the storage fails again and again.
        """
        return await self._patiently(lambda: values.encode(value, self.runner.blobs))

    async def store_parts(self, stored: dict[str, Any], head: dict[str, Any], buffers: list[Any]) -> dict[str, Any]:
        """Return the stored form of a value that another process has encoded, with its blob written. As ``store``."""
        sha256, size = await self._patiently(lambda: self.runner.blobs.put_blob(head, buffers))
        return {**stored, "blob": sha256, "size": size}

    async def _patiently(self, store: Callable[[], T]) -> T:
        tries = 0
        while True:
            try:
                stored = await asyncio.to_thread(store)
            except StorageError as error:
                tries += type(error) not in PASSING
                if tries > TRIES or isinstance(error, Fenced):
                    raise
                if not self._told:
                    self.runner.notice(f"A result waits to be stored: {error}")
                self._told = True
                await asyncio.sleep(PAUSE)
            else:
                self._told = False
                return stored

    def met(self, records: list[Record], lines: list[str], error: BaseException) -> None:
        """Take a batch that could not be written."""
        if isinstance(error, Fenced):
            self.runner.lost(error)
            return
        if self.runner.leaving or self.runner.closing:
            self.runner.committer.stop()
            return
        self.reason = PASSING.get(type(error), f"{type(error).__name__}: {error}")
        self.runner.notice(f"The run pauses, nothing is lost: {error}")
        self.runner.notify()
        self.runner.loop.create_task(self._again(records, lines, error))

    async def _again(self, records: list[Record], lines: list[str], error: BaseException) -> None:
        tries = 0
        while True:
            tries += type(error) not in PASSING
            if tries > TRIES:
                self.runner.lost(StorageError(f"its storage failed {TRIES} times in a row: {error}"))
                return
            await asyncio.sleep(PAUSE)
            if self.runner.leaving or self.runner.closing:
                self.runner.committer.stop()  # who ends the run waits for what is written
                return
            try:
                journal = await asyncio.to_thread(self._reopen, lines)
                break
            except (Fenced, RunIsLive, WorkflowNotFoundError) as taken:
                self.runner.lost(taken)
                return
            except (StorageError, OSError) as again:
                error = again
        self._go_on(journal, records)

    def _reopen(self, lines: list[str]) -> RunJournal:
        runner = self.runner
        runner.journal.close()
        storage, workflow_id = runner.host.storage, runner.workflow_id
        fresh = not runner.committer.acknowledged and not storage.exists(workflow_id)
        journal = storage.create_run(workflow_id) if fresh else storage.open_run(workflow_id)
        committer, newer = runner.committer, journal.records[runner.committer.acknowledged :]
        try:
            if not lines:  # a journal was to be condensed, and may be or not: all that is in it was acknowledged
                committer.acknowledged = min(committer.acknowledged, len(journal.records))
            if len(journal.records) < committer.acknowledged or newer != [*map(json.loads, lines[: len(newer)])]:
                # what this process holds of the run is no longer all that has happened to it
                raise Fenced(f"another process has gone on with run {workflow_id!r} meanwhile")
            journal.records = []
            if len(newer) < len(lines):
                journal.append(lines[len(newer) :])
        except BaseException:
            journal.close()  # else its claim, that the run is live here, would turn the next attempt away
            raise
        return journal

    def _go_on(self, journal: RunJournal, records: list[Record]) -> None:
        runner = self.runner
        if runner.leaving or runner.closing:
            journal.close()
            return
        self.reason = ""
        runner.journal = runner.blobs = runner.memory.blobs = journal
        runner.notice("The storage works again; the run goes on.")
        runner.committer.resume(journal, records)
