"""The floor: the least that can make the results of async steps durable, with no other feature.

One append-only file; the records of all steps that end in one turn of the loop become one write and one fdatasync,
and no step that depends on them starts before. Values larger than 16 KiB go to files of their own, synced first.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any


class Floor:
    """A log with group commit."""

    def __init__(self, folder: Path, sync: bool = True) -> None:
        self.folder = folder
        self.sync = sync
        folder.mkdir(parents=True, exist_ok=True)
        self.file = os.open(folder / "log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        self.directory = os.open(folder, os.O_RDONLY)
        self.batch: list[str] = []
        self.waiters: list[asyncio.Future[None]] = []
        self.syncs = 0

    async def step(self, name: int, body: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> Any:
        """Run one step and return its value when it is durable."""
        value = await body(*args)
        if isinstance(value, bytes) and len(value) > 16384:
            record = {"n": name, "blob": self._blob(name, value)}
        else:
            record = {"n": name, "v": value}
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        if not self.batch:
            loop.call_soon(self._flush)
        self.batch.append(json.dumps(record))
        self.waiters.append(done)
        await done
        return value

    def _blob(self, name: int, value: bytes) -> str:
        path = self.folder / f"{name}.blob"
        file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.write(file, pickle.dumps(value, protocol=5))
        self._sync(file)
        os.close(file)
        self._sync(self.directory)
        return path.name

    def _flush(self) -> None:
        batch, self.batch = self.batch, []
        waiters, self.waiters = self.waiters, []
        os.write(self.file, ("\n".join(batch) + "\n").encode())
        self._sync(self.file)
        for waiter in waiters:
            waiter.set_result(None)

    def _sync(self, file: int) -> None:
        if self.sync:
            self.syncs += 1
            os.fdatasync(file)

    def read(self) -> dict[int, Any]:
        """Return what the log holds, as a resumed run would."""
        return {r["n"]: r.get("v") for r in map(json.loads, (self.folder / "log").read_text().splitlines())}

    def close(self) -> None:
        """Close the log."""
        os.close(self.file)
        os.close(self.directory)
