"""Random histories of large values: several processes store few different ones at once, and again after each crash."""

from __future__ import annotations

from collections.abc import Callable

from nbflow.errors import StorageDamaged
from nbflow.storage.blobs import FolderBlobs

from .actors import FAILURES, interleave, judge_error, taking_turns
from .disk_model import ModelOS
from .histories import History
from .oracle import Violation

RUNS = ("run", "other")
DIFFERENT = 2
Kept = dict[tuple[str, int], str]


def equal_values(seed: int) -> History:
    """Store equal values, share them with another run, and look after each crash for those that were acknowledged."""
    history = History(seed)
    kept: Kept = {}
    for life in range(history.random.randint(1, 4)):
        history.disk.gate = lambda process, call: None
        if not life:
            _make_runs(history)
        history.faults.arm()
        history.disk.gate = taking_turns(history.faults)
        interleave(history, *(_keep(kept) for _ in range(history.random.randint(1, 3))))
        if history.random.random() < 0.5:
            history.disk.power_cut()
        history.disk.gate = lambda process, call: None
        _look(history, kept)
    return history


def _make_runs(history: History) -> None:
    process = history.disk.boot()
    for run in RUNS:
        journal = history.storage(process).create_run(run)
        journal.append(['{"u":0}'])
        journal.close()
    process.dead = True


def _keep(kept: Kept) -> Callable[[History, ModelOS], None]:
    def keep(history: History, process: ModelOS) -> None:
        random, storage = history.random, history.storage(process)
        blobs = {run: FolderBlobs(storage._place(run)) for run in RUNS}
        for _ in range(random.randint(1, 4)):
            run, value = random.choice(RUNS), random.randrange(DIFFERENT)
            shared = kept.get((RUNS[0], value))
            try:
                if run == RUNS[1] and shared and random.random() < 0.5:
                    blobs[run].share(f"{storage.url}/runs/{RUNS[0]}", [shared])
                    kept[run, value] = shared
                else:
                    kept[run, value] = blobs[run].put_blob({"n": value}, [_content(value)])[0]
            except FAILURES as error:
                judge_error(error)

    return keep


def _look(history: History, kept: Kept) -> None:
    process = history.disk.boot()
    for (run, value), name in kept.items():
        try:
            found = history.storage(process).blobs(run).get_blob(name)
        except StorageDamaged as error:
            raise Violation(f"value {value} of {run} was acknowledged and is gone") from error
        if found != ({"n": value}, [_content(value)]):
            raise Violation(f"value {value} of {run} is another one: {found}")
    process.dead = True


def _content(value: int) -> bytes:
    return b"value %d" % value * 700
