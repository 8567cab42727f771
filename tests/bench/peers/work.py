"""What every peer does, and how it is timed: ``python <peer>.py FOLDER WORK COUNT SIZE`` prints steps a second."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Work = Callable[[int, int], Any]


def payload(size: int, i: int) -> Any:
    """Return a value of a size; each one is different, so that none is stored only once."""
    return i if size == 0 else i.to_bytes(8, "big") * (size // 8)


def main(prepare: Callable[[Path], dict[str, Work]]) -> None:
    """Time one work. ``prepare`` gets the folder and returns the works; each is done once before, small."""
    folder, name, count, size = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    work = prepare(folder)[name]
    work(10, 0)
    gc.collect()
    began = time.perf_counter()
    work(count, size)
    print(f"\nsteps a second: {count / (time.perf_counter() - began):.1f}", flush=True)
