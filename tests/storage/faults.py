"""When a history meets a full disk, a failing one, a killed process or a power cut."""

from __future__ import annotations

import errno
from random import Random

from .disk_model import FULL, WRITING, Killed, ModelOS, PowerCut

WRITE_ERRORS = (errno.ENOSPC, errno.EIO)


class Faults:
    """A gate of a disk: raises at most one kill and one power cut, and errors now and then."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.calls = 0
        self.kill_at = 0
        self.cut_at = 0
        self.only = ""
        """The kind of calls that count; empty: all."""
        self.error_rate = 0.0
        self.injected = 0
        self.crashes = 0

    def arm(self) -> None:
        """Draw the faults of the next life of a process."""
        luck = self._random.random()
        self.calls = self.kill_at = self.cut_at = 0
        self.only = self._random.choice(("", "", "fdatasync"))
        moment = 1 + int(self._random.expovariate(1 / 6 if self.only else 1 / 60))
        if luck < 0.4:
            self.kill_at = moment
        elif luck < 0.8:
            self.cut_at = moment
        self.error_rate = self._random.choice((0.0, 0.0, 0.01, 0.05))

    def __call__(self, process: ModelOS, call: str) -> None:
        """Raise what this call meets."""
        if not self.only or self.only == call:
            self.calls += 1
            if self.calls == self.cut_at:
                self.crashes += 1
                raise PowerCut
            if self.calls == self.kill_at:
                self.crashes += 1
                process.dead = True
                raise Killed
        if self.error_rate and self._random.random() < self.error_rate:
            if call in FULL and self._random.random() < 0.6:
                self.injected += 1
                raise OSError(errno.ENOSPC, "No space left on device")
            if call in WRITING or self._random.random() < 0.3:
                self.injected += 1
                raise OSError(errno.EIO, "Input/output error")
