"""How views put things into words: durations, short names, counts, and text without addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from unicodedata import east_asian_width

from .palette import BAR_ORDER, LOOKS

ELLIPSIS = "…"

_ADDRESS = re.compile(r"(?: at)? 0x[0-9a-fA-F]{4,}|(?:at )?\b0x[0-9a-fA-F]{6,}\b")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_THIN_LETTERS = frozenset("ijltfr.,:;'|!()[] ")
_WIDE_LETTERS = frozenset("mwMW@%")


def clean(text: str) -> str:
    """Return text without the control characters and lone surrogates that XML and terminals cannot bear.

    Nor with those that turn the direction of writing: what stands there must be what is read.
    """
    return _CONTROL.sub("\ufffd", text.replace("\r\n", "\n"))


def cleaned(value: Any) -> Any:
    """Return a JSON value with all its texts clean."""
    if isinstance(value, dict):
        return {clean(str(name)): cleaned(part) for name, part in value.items()}
    if isinstance(value, list):
        return [cleaned(part) for part in value]
    return clean(value) if isinstance(value, str) else value


def without_addresses(text: str) -> str:
    """Return text without memory addresses, which differ each time."""
    return _ADDRESS.sub("", text)


def one_line(text: str, longest: int = 160) -> str:
    """Return the first line with something on it, clean, at most ``longest`` characters long."""
    line = next((stripped for line in text[:10_000].splitlines() if (stripped := line.strip())), "")
    return clean(line if len(line) <= longest else line[: longest - 1].rstrip() + ELLIPSIS)


def name(text: str) -> str:
    """Return a name as one line, clean."""
    return clean(" ".join(text.split()))


def letter_width(letter: str) -> float:
    """Return about how wide a letter is, as a share of the font size, in a bold sans-serif face."""
    if letter in _THIN_LETTERS:
        return 0.42
    if letter in _WIDE_LETTERS:
        return 0.98
    if letter > "\u1100" and east_asian_width(letter) in "WF":
        return 1.08
    return 0.76 if letter.isupper() else 0.66


def text_width(text: str, size: float) -> float:
    """Return about how many pixels a text takes at a font size."""
    return sum(map(letter_width, text)) * size


def shorten(text: str, room: float, size: float) -> str:
    """Return a text that fits in ``room`` pixels: what is left out comes from before the last eight letters."""
    if text_width(text, size) <= room:
        return text
    tail = text[-8:]
    room -= text_width(ELLIPSIS + tail, size)
    head = ""
    for letter in text[:-8]:
        room -= letter_width(letter) * size
        if room < 0:
            break
        head += letter
    return head + ELLIPSIS + tail


def duration(seconds: float) -> str:
    """Return a duration as people say it: ``340 ms``, ``1.4 s``, ``2 m 05 s``, ``3 h 20 m``, ``2 d 04 h``."""
    seconds = max(0.0, seconds)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes = round(seconds) // 60
    if minutes < 60:
        return f"{minutes} m {round(seconds) % 60:02d} s"
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} m"
    return f"{minutes // 1440} d {minutes // 60 % 24:02d} h"


def number(count: int) -> str:
    """Return a count with thin spaces between thousands."""
    return f"{count:,}".replace(",", "\u2009")


def counted(counts: Mapping[str, int]) -> str:
    """Return counts by letter in words: ``3 done, 1 failed``."""
    return ", ".join(f"{number(counts[code])} {LOOKS[code].word.lower()}" for code in BAR_ORDER if counts.get(code))


def error_line(error: Mapping[str, Any] | None) -> str:
    """Return an error in one line: its class and the first line of its message."""
    if not error:
        return ""
    message = one_line(str(error.get("message", "")))
    kind = name(str(error.get("type", ""))) or "Error"
    return f"{kind}: {message}" if message else kind
