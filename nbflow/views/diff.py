"""What changed in the code of a node since its result was made, as a small unified diff."""

from __future__ import annotations

import difflib

from ..core.changes import what_changed
from ..core.state import RunState
from . import words

LINES = 60
"""Lines of a diff that are shown."""
GAP = "..."
"""Stands between two parts of a diff."""
AROUND = 2
"""Lines that are shown around a change."""


def diff_of(state: RunState, index: int, lines: int = LINES) -> str:
    """Return the lines that a change took away (-) and brought (+), with a few around them; empty without a change.

    The text is that of the code and of what it names in the notebook, as it was stored; nothing is loaded.
    """
    node = state.nodes[index]
    if node.made is None:
        return ""
    before, now = state.codes.get(node.made.spec.code), state.codes.get(node.spec.code)
    old, new = (before.source if before else "").splitlines(), (now.source if now else "").splitlines()
    found = list(difflib.unified_diff(old, new, n=AROUND, lineterm=""))[3:]  # two names and the place of the first part
    shown = [GAP if line.startswith("@@") else line for line in found[:lines]]
    return "\n".join([*shown, *([f"{GAP} and {len(found) - lines} more lines"] if len(found) > lines else [])])


def change_of(state: RunState, index: int) -> str:
    """Return in words what differs from what made the result of a node; empty when nothing does."""
    what = what_changed(state, index)
    if not what:
        return ""
    return f"This result was made by other {' and '.join(what)}."


def told(state: RunState, index: int) -> str:
    """Return what changed in words and, when the code did, its diff below."""
    change, diff = change_of(state, index), diff_of(state, index)
    return "\n".join(part for part in (change, words.clean(diff)) if part)
