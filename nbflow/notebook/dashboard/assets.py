"""The front end of the dashboard as one script and one style sheet: those of the live view, and what comes on top."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from ..live import assets as live

HERE = Path(__file__).parent
MODULES = ("ago", "runs", "board")
"""In the order of their imports. They share one scope with each other and with the live view: names must differ."""

_IMPORT = re.compile(r'^import\s[^;]*?"(?:\.|\.\./\.\./live/js)/\w+\.js";.*\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)
_DEFAULT = re.compile(r"^export default ", re.MULTILINE)


@cache
def script() -> str:
    """Return the ES module that draws the dashboard. What the live view exports is called ``live`` in it."""
    pieces = [_DEFAULT.sub("const live = ", live.script())]
    for name in MODULES:
        source = (HERE / "js" / f"{name}.js").read_text(encoding="utf-8")
        pieces.append(_EXPORT.sub("", _IMPORT.sub("", source)))
    return "\n".join(pieces)


@cache
def style() -> str:
    """Return the style sheet of the dashboard."""
    return "\n".join([live.style(), (HERE / "css" / "board.css").read_text(encoding="utf-8")])
