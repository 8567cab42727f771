"""The newest events of a stream in memory: whoever follows it here need not read a file."""

from __future__ import annotations

import threading
from collections import deque

from .frames import Frame
from .stream_files import Pairs, frame_end

LIMIT = 8 << 20
"""Bytes of frames that are kept."""


class Recent:
    """Frames that follow each other, all of them durable. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frames: deque[Frame] = deque()
        self._bytes = 0

    def add(self, frame: Frame) -> None:
        """Take the next frame in, and let the oldest go when it is too much."""
        with self._lock:
            if self._frames and frame_end(self._frames[-1]) != frame.seq:
                self._forget()
            self._frames.append(frame)
            self._bytes += frame.end - frame.start
            while self._bytes > LIMIT and len(self._frames) > 1:
                oldest = self._frames.popleft()
                self._bytes -= oldest.end - oldest.start

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._forget()

    def since(self, begin: int, limit: int) -> Pairs:
        """Return events from an offset on; none when it is not among those that are kept."""
        with self._lock:
            if not self._frames or begin < self._frames[0].seq or begin >= frame_end(self._frames[-1]):
                return []
            newer = []
            for frame in reversed(self._frames):
                newer.append(frame)
                if frame.seq <= begin:
                    break
        found: Pairs = []
        for frame in reversed(newer):
            skip = max(begin - frame.seq, 0)
            found.extend(enumerate(frame.records[skip : skip + limit - len(found)], frame.seq + skip))
            if len(found) >= limit:
                break
        return found

    def _forget(self) -> None:
        self._frames.clear()
        self._bytes = 0
