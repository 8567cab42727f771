"""Which inboxes rang: so that a run which waits for word from another process hears it at once, and costs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import StorageError
from ..storage.bell import Bell, is_local

if TYPE_CHECKING:
    from .runner import Runner

PATROL, LOCAL_PATROL = 1.0, 300.0
"""Seconds between looks into all inboxes behind the bell: where other computers may write to them, and where not."""


class Ears:
    """Listens to the inboxes of live runs; those that cannot ring are ``deaf``. On the engine's loop.

    ``patrol`` is how often one should look into those that can all the same: a network file system tells only of the
    changes that this computer makes.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self.deaf: set[Runner] = set()
        self.patrol = LOCAL_PATROL
        self._loop = loop
        self._ring = ring
        self._bell: Bell | None = None
        self._local: bool | None = None
        self._runners: dict[int, Runner] = {}
        self._numbers: dict[Runner, int] = {}
        self._rung: set[Runner] = set()

    @property
    def alone(self) -> bool:
        """True while no other computer can write where these runs are kept."""
        return self.patrol > PATROL

    @property
    def rang(self) -> bool:
        """True when an inbox rang that was not taken."""
        return bool(self._rung)

    def take(self) -> set[Runner]:
        """Return the runs whose inboxes rang since the last call."""
        rung, self._rung = self._rung, set()
        return rung

    async def listen(self, runners: list[Runner]) -> None:
        """Listen to the inboxes of runs; what is in them already rings too. Idempotent."""
        new = [runner for runner in runners if runner not in self._numbers and runner not in self.deaf]
        if not new:
            return
        folders = await asyncio.to_thread(lambda: [_folder_of(runner) for runner in new])
        if self._local is None and any(folders):
            self._local = await asyncio.to_thread(is_local, next(filter(None, folders)))
            self.patrol = LOCAL_PATROL if self._local else PATROL
        for runner, folder in zip(new, folders, strict=True):
            if not runner.closing:
                self._listen(runner, folder)

    def _listen(self, runner: Runner, folder: str) -> None:
        try:
            number = self._open().add(folder) if folder else -1
        except (OSError, NotImplementedError):
            number = -1  # not this system, or it listens to too many already
        if number < 0:
            self.deaf.add(runner)
            return
        self._numbers[runner], self._runners[number] = number, runner
        self._rung.add(runner)

    def leave(self, runner: Runner) -> None:
        """Listen to a run no more. Idempotent."""
        self.deaf.discard(runner)
        self._rung.discard(runner)
        number = self._numbers.pop(runner, -1)
        if self._runners.get(number) is runner:
            del self._runners[number]
            if self._bell is not None:
                self._bell.remove(number)

    def close(self) -> None:
        """Listen no more. Idempotent."""
        if self._bell is not None:
            self._loop.remove_reader(self._bell.fd)
            self._bell.close()
            self._bell = None

    def _open(self) -> Bell:
        if self._bell is None:
            bell = Bell()
            try:
                self._loop.add_reader(bell.fd, self._hear)
            except BaseException:
                bell.close()
                raise
            self._bell = bell
        return self._bell

    def _hear(self) -> None:
        if self._bell is not None:
            for number in self._bell.rung():
                if (runner := self._runners.get(number)) is not None:
                    self._rung.add(runner)
            if self._rung:
                self._ring()


def _folder_of(runner: Runner) -> str:
    """Return the folder into which the events of a run come, '' when there is none or it cannot be had."""
    try:
        return runner.journal.inbox_folder()
    except (StorageError, OSError):
        return ""
