"""What is printed: tables as wide as a terminal and in colour, columns with tabs into a pipe, or one JSON document."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TextIO
from unicodedata import combining, east_asian_width

from ..views import words

COLOURS = {"s": "32", "c": "36", "r": "34", "w": "1;33", "e": "35", "y": "35", "f": "1;31", "q": "34"}
"""The colour of a state by its letter; others are dim. A glyph stands beside each: nobody needs the colours."""
BOLD, DIM = "1", "2"
_STEERING = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""What JSON does not escape, and a terminal may obey."""
NARROW = 10
"""Columns that a cell keeps at least."""
WIDE = 10_000
"""Columns of what is no terminal: nothing is cut."""


class Printer:
    """Prints to a stream. ``fancy`` tells that a person reads there, ``as_json`` that a program wants one document."""

    def __init__(self, as_json: bool = False, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self.as_json = as_json
        self.fancy = self._stream.isatty()
        self._colour = self.fancy and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self.width = shutil.get_terminal_size().columns if self.fancy else WIDE

    def line(self, text: str = "") -> None:
        """Print one line."""
        print(text, file=self._stream)

    def json(self, document: Any) -> None:
        """Print one JSON document."""
        text = json.dumps(document, indent=2 if self.fancy else None, ensure_ascii=not self.fancy)
        self.line(_STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text))

    def style(self, text: str, how: str) -> str:
        """Return text in a colour, where there are colours."""
        return f"\033[{how}m{text}\033[0m" if self._colour and how and text else text

    def state(self, code: str, text: str) -> str:
        """Return text in the colour of a state."""
        return self.style(text, COLOURS.get(code, DIM))

    def table(
        self, heads: Sequence[str], rows: Sequence[Sequence[str]], *, codes: str = "", state: int = -1,
        give: Sequence[int] = (),
    ) -> None:  # fmt: skip
        """Print rows in columns under their heads; into a pipe tab-separated, whole and without the heads.

        ``codes`` are the letters of the rows' states, which colour the column ``state``. Where the terminal is too
        narrow the columns ``give`` are cut, in their order; the others stay whole.
        """
        if not self.fancy:
            for row in rows:
                self.line("\t".join(map(words.name, row)))
            return
        cells = [list(map(words.name, row)) for row in rows]
        widths = self._widths([list(heads), *cells], give)
        self.line(self.style(_joined(heads, widths), DIM))
        for i, row in enumerate(cells):
            parts = [_fitted(cell, width) for cell, width in zip(row, widths, strict=True)]
            if 0 <= state < len(parts) and i < len(codes):
                parts[state] = self.state(codes[i], parts[state])
            self.line("  ".join(parts).rstrip())

    def _widths(self, rows: list[list[str]], give: Sequence[int]) -> list[int]:
        widths = [max(map(columns, column)) for column in zip(*rows, strict=True)]
        excess = sum(widths) + 2 * (len(widths) - 1) - self.width
        for i in give:
            cut = min(max(excess, 0), max(widths[i] - NARROW, 0))
            widths[i] -= cut
            excess -= cut
        return widths


def columns(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(0 if combining(letter) else 2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _joined(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(_fitted(cell, width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _fitted(text: str, width: int) -> str:
    """Return a text of exactly this width: cut, or filled with spaces."""
    if columns(text) > width:
        kept = ""
        for letter in text:
            if columns(kept + letter) > width - 1:
                break
            kept += letter
        text = kept + words.ELLIPSIS
    return text + " " * (width - columns(text))


def stamp(at: float | None) -> str | None:
    """Return a moment as ISO 8601 in UTC, for programs; None when there is none."""
    if not at:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local(at: float | None, seconds: bool = False) -> str:
    """Return a moment as a clock here shows it, for people; '' when there is none."""
    if not at:
        return ""
    return f"{datetime.fromtimestamp(at):%Y-%m-%d %H:%M{':%S' if seconds else ''}}"


def lately(at: float | None, now: float) -> str:
    """Return a moment as short as it can be told: the time of today, else the day; '' when there is none."""
    if not at:
        return ""
    then, today = datetime.fromtimestamp(at), datetime.fromtimestamp(now)
    return f"{then:%H:%M}" if then.date() == today.date() else f"{then:%Y-%m-%d}"


def complain(text: str) -> None:
    """Say something beside the output."""
    print(f"nbflow: {words.clean(text)}", file=sys.stderr, flush=True)
