"""Programs for real processes on an object store that are killed or set against each other; they say what they know."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable
from datetime import timedelta

from nbflow.errors import NbflowError
from nbflow.storage.base import RunJournal
from nbflow.storage.objects import obstore_bucket
from nbflow.storage.objects.storage import open_objects


def hurry(set_attribute: Callable[..., None]) -> None:
    """Let a client ask again soon and often: with a quarter of the answers lost, a few times are not enough."""
    soon = timedelta(milliseconds=10)
    set_attribute(obstore_bucket, "BACKOFF", {"init_backoff": soon, "max_backoff": 5 * soon, "base": 2.0})
    set_attribute(obstore_bucket, "RETRIES", 20)


def say(*words: object) -> None:
    """Tell the parent something at once."""
    print(*words, flush=True)


def write(url: str) -> None:
    """Own the run and commit for ever."""
    run = open_objects(url).create_run("run")
    for n in itertools.count():
        run.append([json.dumps({"t": "n", "n": n})])
        say(n)


def compete(url: str, who: str, count: str) -> None:
    """Take the run from whoever has it, until ``count`` commits were acknowledged."""
    storage = open_objects(url)
    run: RunJournal | None = None
    acknowledged, number = 0, itertools.count()
    while acknowledged < int(count):
        try:
            if run is None:
                try:
                    run = storage.create_run("run")
                except (FileExistsError, NbflowError):
                    run = storage.open_run("run", takeover=True)
            for _ in range(3):
                n = next(number)
                run.append([json.dumps({"t": "n", "who": who, "n": n})])
                say(f"{who}{n}")
                acknowledged += 1
                if acknowledged == int(count):
                    return
            run = None
        except NbflowError:
            run = None


if __name__ == "__main__":
    hurry(setattr)
    globals()[sys.argv[1]](*sys.argv[2:])
