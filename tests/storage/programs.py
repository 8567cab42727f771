"""Programs for real processes that are killed, starved of space, or set against each other.

Each says on its output what was acknowledged, one line a commit, so that its parent knows the truth.
"""

from __future__ import annotations

import itertools
import json
import resource
import sys

from nbflow.errors import Fenced, RunIsLive, StorageError, StorageFull, WorkflowNotFoundError
from nbflow.storage.base import RunJournal
from nbflow.storage.folder import FolderStorage


def say(*words: object) -> None:
    """Tell the parent something at once."""
    print(*words, flush=True)


def commit(run: RunJournal, who: str, n: int) -> None:
    """Commit one record of some size and say so."""
    run.append([json.dumps({"t": "n", "who": who, "n": n, "p": "x" * (n * 37 % 700)})])
    say(n)


def write(root: str, who: str, count: str = "1000000000") -> None:
    """Own the run and commit as fast as the disk allows."""
    storage = FolderStorage(root)
    run = storage.open_run("run") if storage.exists("run") else storage.create_run("run")
    start = len(run.records)
    say("open", start)
    for n in range(start, start + int(count)):
        commit(run, who, n)


def write_until_full(root: str, limit: str) -> None:
    """Commit until no file may grow any more, then go on with more space."""
    soft = int(limit)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))
    storage = FolderStorage(root)
    run = storage.create_run("run")
    try:
        for n in itertools.count():
            commit(run, "full", n)
    except StorageFull as error:
        say("full", error)
    run.close()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    run = storage.open_run("run")
    say("open", len(run.records))
    commit(run, "full", len(run.records))


def compete(root: str, who: str, count: str) -> None:
    """Take the run over again and again from whoever has it, until ``count`` commits were acknowledged."""
    storage = FolderStorage(root)
    number, acknowledged = itertools.count(), 0
    while acknowledged < int(count):
        try:
            run = storage.open_run("run", takeover=True)
            for _ in range(20):
                n = next(number)
                run.append([json.dumps({"t": "n", "who": who, "n": n})])
                acknowledged += 1
                say(n)
        except (Fenced, RunIsLive, WorkflowNotFoundError):
            continue


def keep_writing(root: str, who: str) -> None:
    """Commit until the disk fails."""
    try:
        write(root, who)
    except (StorageError, OSError) as error:
        say("failed", type(error).__name__)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
