"""How much of what a task prints is kept: its last lines."""

from __future__ import annotations

LINES = 200
"""So many lines of one task are kept."""
SIZE = 64 * 1024
"""So many characters of one task are kept."""


def tail_of(text: str, lines: int = LINES, size: int = SIZE) -> str:
    """Return the end of a text: at most so many lines and characters; a line that was cut is left out.

    >>> tail_of("one\\ntwo\\nthree\\n", lines=2)
    'two\\nthree\\n'
    """
    if len(text) > size:
        cut = text[-size:]
        _, newline, rest = cut.partition("\n")
        whole = text[-size - 1] == "\n" or not (newline and rest)
        text = cut if whole else rest
    start = len(text) - text.endswith("\n")
    for _ in range(lines):
        start = text.rfind("\n", 0, start)
        if start < 0:
            return text
    return text[start + 1 :]
