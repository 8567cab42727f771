"""Programs for real processes that send events at once; each says what was acknowledged, one line an event."""

from __future__ import annotations

import itertools
import sys
import time

from nbflow.storage import stream_roll, streams
from nbflow.storage.folder import FolderStorage


def send(root: str, who: str, count: str = "1000000000") -> None:
    """Send as fast as the disk allows; the stream rolls often."""
    streams.ROLL, stream_roll.PIECE_EVENTS = 16, 8  # type: ignore[misc]
    stream = FolderStorage(root).stream("default")
    for n in itertools.islice(itertools.count(), int(count)):
        ((offset, _),) = stream.append([{"id": f"{who}-{n}", "at": time.time(), "p": "x" * (n * 37 % 700)}])
        print(offset, f"{who}-{n}", flush=True)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
