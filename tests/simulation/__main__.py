"""Play histories by hand: ``python -m tests.simulation [PLAY] FIRST [LAST]`` plays these seeds and tells of a failure.

One seed alone tells its whole story.
"""

from __future__ import annotations

import sys

from .kinds import KINDS
from .plays import play


def main(arguments: list[str]) -> None:
    """Play what is asked for."""
    names = [word for word in arguments if word in KINDS] or [*KINDS]
    numbers = [int(word) for word in arguments if word.isdecimal()] or [0, 100]
    for name in names:
        for seed in range(numbers[0], numbers[-1] + 1):
            history = play(KINDS[name], seed)
            if len(numbers) == 1:
                print(history.told())
        print(f"{name}: seeds {numbers[0]} to {numbers[-1]} keep every promise")


if __name__ == "__main__":
    main(sys.argv[1:])
