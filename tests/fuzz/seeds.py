"""Seeds for the fuzzers: fixed ones, which CI repeats, and one that is new each time and named when it finds something.

``NBFLOW_SEED=<number>`` repeats a seed alone; ``NBFLOW_SOAK=1`` lets every fuzzer go on a hundred times as long.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence

import pytest

FIXED = (1, 2)
SOAK = bool(os.environ.get("NBFLOW_SOAK"))


def rounds(usual: int) -> int:
    """Return how often to try something."""
    return usual * (100 if SOAK else 1)


def _seeds() -> list[int]:
    given = os.environ.get("NBFLOW_SEED")
    return [int(given)] if given else [*FIXED, random.SystemRandom().randrange(10**9)]


SEEDS = _seeds()
seeded = pytest.mark.parametrize("seed", SEEDS, ids=[*map(str, SEEDS[:-1]), f"new-{SEEDS[-1]}"])
"""Runs a test with each seed; the id of the test names it."""


def damaged(raw: bytes, chance: random.Random, others: Sequence[bytes] = ()) -> bytes:
    """Return bytes that were cut, flipped, zeroed, deleted, doubled, or spliced with those of another file."""
    if not raw:
        return bytes(chance.randbytes(chance.randrange(1, 40)))
    begin = chance.randrange(len(raw))
    end = min(len(raw), begin + chance.choice((1, 1, 2, 8, 64, 512, 4096)))
    match chance.randrange(8):
        case 0:
            return raw[:begin]
        case 1:
            return raw[:begin] + bytes([raw[begin] ^ (1 << chance.randrange(8))]) + raw[begin + 1 :]
        case 2:
            return raw[:begin] + bytes(end - begin) + raw[end:]
        case 3:
            return raw[:begin] + raw[end:]
        case 4:
            return raw[:end] + raw[begin:]
        case 5:
            return raw[:begin] + chance.randbytes(end - begin) + raw[end:]
        case 6:
            other = chance.choice(others) if others else raw
            cut = chance.randrange(len(other) + 1)
            return raw[:begin] + other[cut:]
        case _:
            lines = raw.splitlines(keepends=True)
            chance.shuffle(lines)
            return b"".join(lines)
