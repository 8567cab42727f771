"""The front end of the live view as one script and one style sheet, put together from readable pieces.

anywidget takes one ES module, and there is no build step. So each file in ``js`` is a module of its own, with imports
and exports, that an editor or a browser understands; ``script`` puts them one after another, each after those that it
imports, and leaves the imports and the word ``export`` out. They share one scope then: names at the top must differ.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

from ...views.header import STATES, WAITING
from ...views.palette import BAR_ORDER, LOOKS, WORST_FIRST, Colours

HERE = Path(__file__).parent
SHEETS = ("base", "header", "questions", "graph", "table", "details", "panels")

_IMPORT = re.compile(r'^import\s[^;]*?"\./(\w+)\.js";.*\n', re.MULTILINE)
_RE_EXPORT = re.compile(r"^export \{[^}]*\};\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)
_MADE = "looks"  # the one module that is no file


@cache
def script(*parts: str) -> str:
    """Return the ES module that draws the view, or only the modules of some of its parts and what they need."""
    pieces = [f"const LOOKS = {json.dumps(_looks(), ensure_ascii=True)};\n"]
    for name in _in_order(*(parts or ("view",))):
        source = (HERE / "js" / f"{name}.js").read_text(encoding="utf-8")
        pieces.append(_EXPORT.sub("", _RE_EXPORT.sub("", _IMPORT.sub("", source))))
    return "\n".join(pieces)


@cache
def style(*parts: str) -> str:
    """Return the style sheet of the view, or of some of its parts: the colours of the palette, then the sheets."""
    sheets = [(HERE / "css" / f"{name}.css").read_text(encoding="utf-8") for name in parts or SHEETS]
    cells = "\n".join(f".nbf .cells .c-{c} {{ background: var(--{c}-f); border-color: var(--{c}-s); }}" for c in LOOKS)
    return "\n".join([_colours(), *sheets, cells])


def _in_order(*wanted: str) -> list[str]:
    """Return some modules and those that they need, each after those that it imports."""
    order: list[str] = []

    def visit(name: str) -> None:
        if name in order or name == _MADE:
            return
        for needed in _IMPORT.findall((HERE / "js" / f"{name}.js").read_text(encoding="utf-8")):
            visit(needed)
        order.append(name)

    for name in wanted:
        visit(name)
    return order


def _looks() -> dict[str, object]:
    runs = {word: [code, text] for word, code, text in (*STATES.values(), WAITING)}
    states = {code: {"word": look.word, "icon": look.icon} for code, look in LOOKS.items()}
    return {"states": states, "runs": runs, "bar": BAR_ORDER, "worst": WORST_FIRST}


def _colours() -> str:
    def theme(colours: dict[str, Colours]) -> str:
        return " ".join(f"--{c}-f: {x.fill}; --{c}-s: {x.line}; --{c}-i: {x.ink};" for c, x in colours.items())

    light = theme({code: look.light for code, look in LOOKS.items()})
    dark = theme({code: look.dark for code, look in LOOKS.items()})
    return f'.nbf {{ {light} }}\n.nbf[data-theme="dark"] {{ {dark} }}'
