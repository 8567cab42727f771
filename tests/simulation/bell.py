"""What the system tells of new names in a folder, on the simulated disk."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from tests.storage.disk_nodes import Folder

from . import threads

if TYPE_CHECKING:
    from .loop import Loop
    from .world import World


class Bells:
    """All bells of a world: the disk tells them of every new name."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rings: list[Bell] = []
        self.change = world.disk.change
        world.disk.change = self._change  # type: ignore[method-assign]

    def _change(self, *changes: Any) -> None:
        self.change(*changes)
        for bell in self.rings:
            for folder, _, node in changes:
                if node is not None:
                    bell.hear(folder)

    def make(self) -> Bell:
        """Return a bell of the process whose turn it is; now and then the system knows no bells."""
        assert threads.current is not None
        if self.world.random.random() < 0.3:
            raise OSError(24, "Too many open files")
        bell = Bell(self, threads.current.owner.engine.loop)
        self.rings = [each for each in self.rings if not each.loop.process.dead] + [bell]
        return bell


class Bell:
    """One process's bell, with the face of ``nbflow.storage.bell.Bell``."""

    numbers = itertools.count(1)

    def __init__(self, bells: Bells, loop: Loop) -> None:
        self.fd = next(self.numbers)
        self.bells = bells
        self.loop = loop
        self._folders: dict[int, Folder] = {}
        self._rung: set[int] = set()

    def add(self, folder: str) -> int:
        """Listen to a folder too."""
        found = self.bells.world.disk.find(folder)
        assert type(found) is Folder
        self._folders[number := next(self.numbers)] = found
        return number

    def remove(self, number: int) -> None:
        """Listen to a folder no more."""
        self._folders.pop(number, None)

    def rung(self) -> set[int]:
        """Return the folders that got a new name since the last call."""
        rung, self._rung = self._rung, set()
        return rung

    def close(self) -> None:
        """Give it up."""
        self._folders.clear()

    def hear(self, folder: Folder) -> None:
        """Ring for a folder."""
        self._rung.update(number for number, each in self._folders.items() if each is folder)
        reader = self.loop.readers.get(self.fd)
        if self._rung and reader is not None:
            self.loop.call_soon(reader)
