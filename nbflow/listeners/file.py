"""A listener for files: one that appears, one that changes, the first that matches a pattern."""

from __future__ import annotations

import glob
import os
import time
from pathlib import Path
from typing import Any

from ..dag.event import EventListener, this_wait
from .rounds import until_seen


class FileListener(EventListener):
    """Wait until a file is there, or has changed; the value is ``{"path": ..., "size": ..., "mtime": ...}``.

    ``path`` is a file or folder (a relative one is that of the process), or a pattern such as ``"in/*.csv"`` (``**``
    for any depth): the first match by name counts. With ``changes=True`` only what was modified after the wait opened
    counts, also while no kernel ran; that compares the time of the file server with that of this machine. The file
    must have kept its size and its time for ``settled`` seconds (1), so that one that is being written is not taken; 0
    takes it at once. It is looked at every ``polling`` seconds (1), all waits together in one thread, which works on
    network folders too. A folder that cannot be reached for a while is waited for; one that may not be read fails the
    wait.

    >>> import nbflow as nf
    >>> import pathlib, tempfile
    >>> from nbflow.listeners import FileListener
    >>> path = pathlib.Path(tempfile.mkdtemp(), "orders.csv")
    >>> path.write_text("id,amount")
    9
    >>> nf.run(nf.wait_for_event(FileListener, path, settled=0))["size"]
    9
    """

    async def poll_for_event(
        self,
        path: str | os.PathLike[str],
        *,
        changes: bool = False,
        settled: float = 1.0,
        polling: float = 1.0,
    ) -> dict[str, Any]:
        """Return what was found."""
        if not polling > 0 or settled < 0:
            raise ValueError(
                f"FileListener looks every polling={polling!r} seconds: a number above 0, settled=0 or more."
            )
        since = this_wait().opened if changes else None
        found: dict[str, Any] = await until_seen(_Watch(os.fspath(path), since, settled).look, polling)
        return found


class _Watch:
    """Looks for one path or pattern, and remembers since when what it saw is as it is."""

    def __init__(self, path: str, since: float | None, settled: float) -> None:
        self._path = path
        self._since = since
        self._settled = settled
        self._seen: dict[str, tuple[tuple[int, int], float]] = {}

    def look(self) -> dict[str, Any] | None:
        """Return the first file that is as it should be, None while there is none. Raises PermissionError."""
        paths = sorted(glob.iglob(self._path, recursive=True)) if glob.has_magic(self._path) else [self._path]
        for path in paths:
            found = self._look_at(path)
            if found is not None:
                return found
        return None

    def _look_at(self, path: str) -> dict[str, Any] | None:
        try:
            is_now = Path(path).stat()
        except PermissionError:
            raise
        except OSError:
            self._seen.pop(path, None)  # gone, or a network that is away for a moment
            return None
        if self._since is not None and is_now.st_mtime <= self._since:
            return None
        shape, now = (is_now.st_size, is_now.st_mtime_ns), time.monotonic()
        before, since = self._seen.get(path, (None, now))
        if before != shape:
            since = now
            self._seen[path] = (shape, now)
        # a file whose last change is long ago was settled before anybody looked
        if now - since < self._settled and not self._settled < time.time() - is_now.st_mtime < 1e9:
            return None
        return {"path": path, "size": is_now.st_size, "mtime": is_now.st_mtime}
