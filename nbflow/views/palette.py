"""How each state looks: one letter, a word, a glyph, an icon and colours that a colour-blind person can do without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Colours:
    """Three colours of one state in one theme; ``ink`` on ``fill`` has a contrast of 4.5 : 1 or better."""

    fill: str
    line: str
    ink: str


@dataclass(frozen=True, slots=True)
class Look:
    """One state as views show it.

    ``glyph`` stands for the icon in plain text. ``icon`` is SVG in a box of 16 by 16, where ``currentColor`` is the
    ink and ``PAPER`` what shines through.
    """

    code: str
    word: str
    glyph: str
    icon: str
    light: Colours
    dark: Colours


PAPER = "var(--s0)"
"""Stands in the icons for the colour of the background."""

_THIN = 'fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round"'
_CUT = f'fill="none" stroke="{PAPER}" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round"'

_DISC = '<circle cx="8" cy="8" r="6.6" fill="currentColor"/>'
_RING = f'<circle cx="8" cy="8" r="5.2" {_THIN} stroke-dasharray="2.2 2.8"/>'
_CLOCK = f'<circle cx="8" cy="8" r="5.6" {_THIN}/><path d="M8 5v3.2l2 1.4" {_THIN}/>'
_SPINNER = (
    '<circle cx="8" cy="8" r="5.6" fill="none" stroke="currentColor" stroke-opacity=".25" stroke-width="2.2"/>'
    '<path d="M8 2.4a5.6 5.6 0 0 1 5.6 5.6" fill="none" stroke="currentColor" stroke-width="2.2" '
    'stroke-linecap="round"/>'
)
_PERSON = (
    '<circle cx="8" cy="4.7" r="3.1" fill="currentColor"/>'
    '<path d="M1.9 14.4c0-3.5 2.7-5.5 6.1-5.5s6.1 2 6.1 5.5Z" fill="currentColor"/>'
)
_HOURGLASS = (
    f'<path d="M4 2.2h8M4 13.8h8M5 2.2v2.3L8 8l3-3.500V2.2M5 13.8v-2.3L8 8l3 3.5v2.3" {_THIN}/>'
    '<path d="M6 12.9 8 10.6l2 2.3Z" fill="currentColor"/>'
)
_LOOP = f'<path d="M13 8a5 5 0 1 1-1.7-3.7M13.2 1.8v3.1h-3.1" {_THIN}/>'
_TICK = f'{_DISC}<path d="m5 8.2 2.1 2.1L11.1 6" {_CUT}/>'
_BOLT = f'{_DISC}<path d="M8.8 3.6 5 8.8h2.7l-.6 3.6L11 7.2H8.2Z" fill="{PAPER}"/>'
_CROSS = (
    '<path d="M5.2 1.4h5.6l3.8 3.8v5.6l-3.8 3.8H5.2l-3.8-3.8V5.2Z" fill="currentColor"/>'
    f'<path d="m5.6 5.6 4.8 4.8m0-4.8-4.8 4.8" {_CUT}/>'
)
_CHEVRONS = f'<path d="M3 4.5 7 8l-4 3.5M8 4.5 12 8l-4 3.5" {_THIN}/>'
_SQUARE = f'<rect x="2.5" y="2.5" width="11" height="11" rx="2.5" fill="currentColor"/><path d="M5.5 8h5" {_CUT}/>'


def _look(code: str, word: str, glyph: str, icon: str, light: str, dark: str) -> Look:
    return Look(code, word, glyph, icon, Colours(*light.split()), Colours(*dark.split()))


LOOKS: Final = {
    look.code: look
    for look in (
        _look("p", "Pending", "○", _RING, "#f4f5f7 #c3cad3 #637082", "#20262e #454f5d #98a3b3"),
        _look("q", "Queued", "◷", _CLOCK, "#eef3fa #9db7d6 #4a6c94", "#1d2836 #4a668a #9dbbe0"),
        _look("r", "Running", "▸", _SPINNER, "#e3f0fc #2b7fd0 #0b5cad", "#12304f #4c9be8 #9ccbff"),
        _look("w", "Needs you", "◆", _PERSON, "#fff3d6 #d99a00 #8a5a00", "#3d2f0c #e0a526 #ffd37a"),
        _look("e", "Waiting", "⧗", _HOURGLASS, "#efedfb #8d84d8 #4d4599", "#262347 #8f86e0 #c5bfff"),
        _look("y", "Retrying", "↻", _LOOP, "#f7e8f2 #b5609a #8c3a73", "#3a2234 #c678ad #f0b4de"),
        _look("s", "Done", "✓", _TICK, "#dff3ea #1d9a74 #0a6b4e", "#0f3529 #33b088 #8fe0c3"),
        _look("c", "Restored", "↯", _BOLT, "#e0f3f6 #3a9fb0 #136a79", "#0f333a #4ab4c6 #9fe3ef"),
        _look("f", "Failed", "✕", _CROSS, "#fde6dc #d0551b #a53a06", "#45200f #ec7a43 #ffb795"),
        _look("k", "Skipped", "»", _CHEVRONS, "#ffffff #c3cad3 #667284", "#15191f #454f5d #8a95a5"),
        _look("x", "Canceled", "■", _SQUARE, "#ececef #8e95a1 #555d69", "#262c34 #6d7684 #a7b1bf"),
    )
}
"""All looks by their letter."""

ACTIVE: Final = "wyreq"
"""The letters of the states in which something is under way, what matters most first."""

WORST_FIRST: Final = ACTIVE + "fxpksc"
"""All letters: a stack of nodes shows the first that one of its nodes has, and tables put it on top."""

BAR_ORDER: Final = "scryweqfkxp"
"""All letters in the order of a progress bar and of counts: what is finished first."""
