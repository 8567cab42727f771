"""Breed all mutants and print what noticed them: ``python3 -m tests.mutants [WORD IN A NAME]``."""

from __future__ import annotations

import sys

from .breeding import Outcome, breed, nest
from .catalog import MUTANTS


def main(words: list[str]) -> int:
    """Return how many mutants survived."""
    survived = 0
    print("| mutant | breaks | noticed by | after |\n|---|---|---|---|")
    with nest() as copy:
        for mutant in MUTANTS:
            if any(word not in mutant.name for word in words):
                continue
            try:
                found = breed(mutant, copy)
            except ValueError as error:
                found = Outcome(False, 0.0, str(error))
            survived += not found.killed
            by = " ".join(mutant.killer) if found.killed else "**nobody**"
            print(f"| {mutant.name} | {mutant.law} | {by}: {found.said} | {found.seconds:.0f} s |", flush=True)
    return survived


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
