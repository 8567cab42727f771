"""Runs for the tests of the journal, and how to look at them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nbflow.storage.folder import FolderRun, FolderStorage


def record(n: int) -> str:
    return json.dumps({"t": "n", "n": n})


def numbers(storage: FolderStorage) -> list[int]:
    return [found["n"] for found in storage.read_run("run")]


def filled(storage: FolderStorage, *sizes: int) -> FolderRun:
    """Make a run with one segment for each size, of so many commits; return its last owner."""
    n = 0
    run: Any = None
    for size in sizes:
        run = storage.open_run("run", takeover=True) if run else storage.create_run("run")
        for _ in range(size):
            run.append([record(n)])
            n += 1
    return run  # type: ignore[no-any-return]


def segment(storage: FolderStorage, number: int) -> Path:
    return Path(storage.url, "runs", "run", f"j-{number:08d}.jsonl")
