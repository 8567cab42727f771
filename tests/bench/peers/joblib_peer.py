"""joblib.Memory: the result of each call is a file, found again by its arguments. No order, no waits, no sync."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from joblib import Memory, Parallel, delayed
from work import Work, main, payload


def prepare(folder: Path) -> dict[str, Work]:
    """Return the works; each round has a number of its own among the arguments, so that nothing is found."""
    cache = Memory(folder, verbose=0).cache
    rounds = itertools.count()

    @cache
    def start(turn: int, i: int, size: int) -> Any:
        return payload(size, i)

    @cache
    def follow(turn: int, before: Any, i: int, size: int) -> Any:
        return payload(size, i)

    def chain(n: int, size: int) -> None:
        turn = next(rounds)
        value = start(turn, 0, size)
        for i in range(1, n):
            value = follow(turn, value, i, size)

    def fan_out(n: int, size: int) -> None:
        turn = next(rounds)
        Parallel(n_jobs=4, prefer="threads")(delayed(start)(turn, i, size) for i in range(n))

    def map_reduce(n: int, size: int) -> None:
        turn = next(rounds)
        in_threads = Parallel(n_jobs=4, prefer="threads")
        made = in_threads(delayed(start)(turn, i, size) for i in range(n // 2))
        in_threads(delayed(follow)(turn, value, i, size) for i, value in enumerate(made))

    return {"chain": chain, "fan-out": fan_out, "map-reduce": map_reduce}


main(prepare)
