"""From the records of a journal to the state that they lead to."""

from __future__ import annotations

from collections.abc import Iterable

from ..core.codec import decode
from ..core.graph import Json
from ..core.state import RunState


def fold(wires: Iterable[Json]) -> RunState:
    """Return the state that JSON records lead to; one by one, so that they need not all be in memory at once."""
    state = RunState()
    for wire in wires:
        record = decode(wire)
        if record is not None:
            state.handle(record)
    return state
