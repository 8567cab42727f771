"""The figures of a test run: what was tried to break nbflow, and how much of it was lost, doubled or left behind.

A law test counts what it checks; the summary of every run prints the sums by suite. ``python3 tests --figures`` runs
only the suites of reliability and security, ``--write-readme`` puts the table into the README.

>>> from tests import figures
>>> figures.count("histories", 0)
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TRIED = {
    "histories": "histories tried",
    "crash points": "crash points",
    "faults": "faults injected",
    "bad inputs": "bad inputs",
    "mutants": "mutants caught",
    "events": "events sent",
}
NEVER = {"lost": "lost", "doubled": "doubled", "leaked": "leaked"}
"""What must be 0: something acknowledged that is gone, something done twice, something left after its owner."""
SUITES = {
    "simulation": "the engine, simulated",
    "stateful": "the API, by random calls",
    "mutants": "mutants of the engine",
    "storage": "the storage",
    "crash": "real crashes",
    "core": "the core",
    "rules": "rules and streams",
    "http": "events over HTTP",
    "fuzz": "hostile input",
    "security": "security",
    "load": "load",
    "golden": "folders of older versions",
}
"""The folders of tests that ``--figures`` runs, and what they are called in the table."""
BEGIN, END = "<!-- figures: python3 tests --figures --write-readme -->", "<!-- end of the figures -->"

_counts: Counter[tuple[str, str]] = Counter()
_not_tried: dict[str, str] = {}
_began = time.monotonic()


def count(name: str, n: int = 1) -> None:
    """Add to a figure of the test that is running. Raises KeyError for a name that is in neither TRIED nor NEVER.

    >>> count("historys")
    Traceback (most recent call last):
    KeyError: 'historys'
    """
    {**TRIED, **NEVER}[name]
    _counts[_suite(), name] += n


def not_tried(what: str, why: str) -> None:
    """Say in the table what this machine could not try; a person then knows, and nothing passes in silence."""
    _not_tried[what] = why


def total(name: str) -> int:
    """Return the sum of a figure over all suites."""
    return sum(n for (_, figure), n in _counts.items() if figure == name)


def broken() -> list[str]:
    """Return what must be 0 and is not; when only the suites of the figures run, also what must not be 0 and is."""
    found = [f"{total(name)} {word}" for name, word in NEVER.items() if total(name)]
    if os.environ.get("NBFLOW_FIGURES"):
        found += [f"no {word}" for name, word in TRIED.items() if not total(name)]
    return found


def table() -> list[str]:
    """Return the lines of the table, in Markdown; none when nothing was counted."""
    if not _counts:
        return []
    names = {**TRIED, **NEVER}
    suites = [suite for suite in SUITES if any(key[0] == suite for key in _counts)]
    suites += sorted({suite for suite, _ in _counts} - {*SUITES})
    rows = [["", *names.values()]]
    for suite in suites:
        never = NEVER if any(_counts[suite, name] for name in names) else {}
        rows.append([SUITES.get(suite, suite), *(_cell(_counts[suite, name], name in never) for name in names)])
    rows.append(["**all**", *(f"**{_cell(total(name), True)}**" for name in names)])
    widths = [max(len(row[n]) for row in rows) for n in range(len(names) + 1)]
    lines = ["| " + " | ".join(_aligned(row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (widths[n] + 1) + (":" if n else "-") for n in range(len(widths))) + "|")
    return lines + [f"\nNot tried on this machine: {what} ({why})." for what, why in sorted(_not_tried.items())]


def write_readme() -> None:
    """Put the table between the two markers of the README; everything else there stays as it is."""
    readme = ROOT / "README.md"
    before, begin, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        sys.exit(f"README.md has no {BEGIN!r} and {END!r}")
    minutes = (time.monotonic() - _began) / 60
    where = f"Python {platform.python_version()}, {platform.system()}, in {minutes:.0f} minutes:"
    content = "\n".join([where, "", *table()])
    readme.write_text(f"{before}{BEGIN}\n{content}\n{END}{after}", encoding="utf-8")


def folders() -> list[str]:
    """Return the folders of the suites that there are."""
    return [f"tests/{suite}" for suite in SUITES if (ROOT / "tests" / suite).is_dir()]


def _suite() -> str:
    """Return the folder of the test that is running."""
    parts = os.environ.get("PYTEST_CURRENT_TEST", "").partition("::")[0].split("/")
    return parts[1] if len(parts) > 2 and parts[0] == "tests" else "other"


def _cell(n: int, zero: bool) -> str:
    return f"{n:,}".replace(",", " ") if n or zero else ""


def _aligned(row: list[str], widths: list[int]) -> list[str]:
    return [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
