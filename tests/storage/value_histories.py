"""Random histories of large values: several processes store few different ones at once, and again after each crash."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from unittest.mock import patch

from nbflow.errors import StorageDamaged
from nbflow.storage import packs
from nbflow.storage.blobs import FolderBlobs

from .actors import FAILURES, interleave, judge_error, taking_turns
from .disk_model import ModelOS
from .histories import History
from .oracle import Violation

RUNS = ("run", "other")
DIFFERENT = 4
PACK = 32_000
"""Bytes of a full pack here: two values to five."""
YOUNG = 0.3
"""Seconds in which all that a process does with one value is done, many times over."""
OLD = 1_000_000_000
"""Nanoseconds between two lives: more than what is young."""
Kept = dict[tuple[str, int], str]


def equal_values(seed: int) -> History:
    """Store, share and remove values, and look all the time, and after each crash, for those that must be there."""
    history = History(seed)
    kept: Kept = {}
    with patch.object(packs, "PACK_BYTES", PACK):
        for life in range(history.random.randint(1, 4)):
            history.disk.gate = lambda process, call: None
            if not life:
                _make_runs(history)
            history.disk.clock += OLD
            history.faults.arm()
            history.disk.gate = taking_turns(history.faults)
            together = history.random.randint(1, 3)
            interleave(history, *[_live(kept, alone=together == 1)] * together)
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


def _live(kept: Kept, *, alone: bool) -> Callable[[History, ModelOS], None]:
    def live(history: History, process: ModelOS) -> None:
        random = history.random
        here = {run: FolderBlobs(history.storage(process)._place(run), packed=random.random() < 0.7) for run in RUNS}
        for _ in range(random.randint(1, 6)):
            try:
                random.choice((_put, _put, _put, _share, _read, _remove))(random, here, kept, alone)
            except FAILURES as error:
                judge_error(error)
        if random.random() < 0.5:
            for each in here.values():
                each.pack_no_more()

    return live


Here = dict[str, FolderBlobs]


def _put(random: Random, here: Here, kept: Kept, alone: bool) -> None:
    run, value = random.choice(RUNS), random.randrange(DIFFERENT)
    kept[run, value] = here[run].put_blob({"n": value}, [_content(value)])[0]


def _share(random: Random, here: Here, kept: Kept, alone: bool) -> None:
    names = {value: name for (run, value), name in kept.items() if run == RUNS[0]}
    here[RUNS[1]].share(here[RUNS[0]]._place, [*names.values()])
    kept.update({(RUNS[1], value): name for value, name in names.items()})


def _read(random: Random, here: Here, kept: Kept, alone: bool) -> None:
    for run, value in random.sample([*kept], min(len(kept), 2)):
        _must_be_there(here[run], run, value, kept)


def _remove(random: Random, here: Here, kept: Kept, alone: bool) -> None:
    """Remove all that is not kept; what others may be storing right now is young."""
    run = random.choice(RUNS)
    if alone:
        for other, value in [key for key in kept if key[0] == run and random.random() < 0.5]:
            del kept[other, value]
    here[run].keep_only({name for (of, _), name in kept.items() if of == run}, lambda: None, 0.0 if alone else YOUNG)


def _look(history: History, kept: Kept) -> None:
    process = history.disk.boot()
    there = {run: FolderBlobs(history.storage(process)._place(run)) for run in RUNS}
    for blobs_of_run in there.values():
        blobs_of_run.sweep()
    for run, value in kept:
        _must_be_there(there[run], run, value, kept)
    process.dead = True


def _must_be_there(there: FolderBlobs, run: str, value: int, kept: Kept) -> None:
    try:
        found = there.get_blob(kept[run, value])
    except StorageDamaged as error:
        raise Violation(f"value {value} of {run} was acknowledged and is gone") from error
    if found != ({"n": value}, [_content(value)]):
        raise Violation(f"value {value} of {run} is another one: {found}")


def _content(value: int) -> bytes:
    return b"value %d" % value * (300 + 400 * value)
