"""The table of the benchmark: printed, and put into README.md between two markers."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


@dataclass(slots=True)
class Row:
    """One kind of work: steps a second of the floor and of nbflow's kinds of task in each turn, and of the peers."""

    name: str
    floor: list[float]
    turns: dict[str, list[float]]
    targets: dict[str, float]
    peers: dict[str, str] = field(default_factory=dict)

    def rate(self, kind: str) -> float:
        """Return the steps a second of a turn in the middle."""
        return median(self.turns[kind])

    def share(self, kind: str) -> float:
        """Return the share of the floor, as in a turn in the middle: what else the machine does hits both in a turn."""
        return median(mine / floor for mine, floor in zip(self.turns[kind], self.floor, strict=True))

    def verdict(self) -> str:
        """Return whether the targets are met."""
        told = [
            f"{self.targets[kind]:.0%} {'ok' if self.share(kind) >= self.targets[kind] else 'MISSED'}"
            if kind in self.targets
            else "-"
            for kind in self.turns
        ]
        return " / ".join(told)


def plain(row: Row) -> str:
    """Return a row for the terminal."""
    cells = "".join(f"{_number(row.rate(kind)):>9} {row.share(kind):6.0%}" for kind in row.turns)
    peers = "".join(f"  {name} {rate}" for name, rate in row.peers.items())
    return f"{row.name:26} {_number(median(row.floor)):>9}{cells}   {row.verdict():24}{peers}"


def header() -> str:
    """Return the names of the columns for the terminal."""
    return f"\n{'work':26} {'floor/s':>9}{'async/s':>9} {'share':>6}{'sync/s':>9} {'share':>6}   target"


def markdown(rows: list[Row], versions: dict[str, str]) -> str:
    """Return the table for the README, with date and machine."""
    names = [*versions]
    titles = ["work", "floor", "nbflow, async tasks", "nbflow, tasks in threads"]
    lines = [
        f"| {' | '.join([*titles, *(f'{name} {versions[name]}' for name in names)])} |",
        f"|{'---|' * (len(titles) + len(names))}",
    ]
    for row in rows:
        mine = [f"{_number(row.rate(kind))} ({row.share(kind):.0%})" for kind in row.turns]
        cells = [row.name, _number(median(row.floor)), *mine, *(row.peers.get(name, "-") for name in names)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + f"\n\n{machine()}\n"


def machine() -> str:
    """Say when and where this was measured."""
    return (
        f"Steps a second, measured {time.strftime('%Y-%m-%d')}: Python {platform.python_version()}, "
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}."
    )


def write(readme: Path, text: str) -> None:
    """Put a text between the markers of a README. Raises ValueError when they are not there."""
    before, begin, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{readme} has no {BEGIN} and {END}")
    readme.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")


def _number(rate: float) -> str:
    return f"{rate:,.0f}".replace(",", " ")
