"""From the records of a journal to the state that they lead to."""

from __future__ import annotations

from ..core.codec import decode
from ..core.graph import Json
from ..core.state import RunState


def fold(wires: list[Json]) -> RunState:
    """Return the state that a list of JSON records leads to."""
    state = RunState()
    for wire in wires:
        record = decode(wire)
        if record is not None:
            state.handle(record)
    return state
