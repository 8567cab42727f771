"""Which keys a run declares: those of its waits, open or yet to open; a run that may still grow can declare any.

What is stored of a run is read here as it stands, and no code is loaded: of a wait that has not opened its arguments
tell the key, if they are plain text.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from ..core.graph import FORGOTTEN, Code, NodeKind
from ..core.machine import machine_of
from ..core.node import Node
from ..core.state import RunState
from ..core.status import NodeStatus

GROWS = "continuation"
"""The word in the source of a task that may grow the run."""
CUT = "# ... cut here"

_OVER = frozenset({NodeStatus.DONE, NodeStatus.RESTORED, NodeStatus.SKIPPED, NodeStatus.CANCELED, NodeStatus.GROWN})


class Declared(Enum):
    """What a run has to do with a key."""

    YES = "somebody waits for it, or will, or may"
    TAKEN = "all who waited for it have their event"
    NO = "nobody ever waits for it"


def declared(state: RunState, key: str) -> Declared:
    """Return what a run has to do with a key."""
    if key in state.waiting:
        return Declared.YES
    if state.driver >= 0:
        return _driven(state, key)
    found = Declared.NO
    for node in state.nodes:
        if node.spec.kind is not NodeKind.EVENT or node.owner == FORGOTTEN or not _has(node, key):
            continue
        if node.status not in _OVER and node.event is None:
            return Declared.YES
        found = Declared.TAKEN
    return Declared.YES if may_grow(state) else found


def _driven(state: RunState, key: str) -> Declared:
    """A state machine names its events; a flow takes any."""
    machine = machine_of(state)
    if machine is None or not machine.form or key in machine.asked:
        return Declared.YES
    return Declared.YES if machine.name_of(key) in machine.events else Declared.NO


def may_grow(state: RunState) -> bool:
    """Tell whether a task that has not ended may return a continuation, as far as its source is known."""
    growing = {key for key, code in state.codes.items() if _mentions(code)}
    return any(
        node.spec.kind is NodeKind.TASK and node.status not in _OVER and node.spec.code in growing
        for node in state.nodes
    )


def _mentions(code: Code) -> bool:
    return not code.source or GROWS in code.source or code.source.endswith(CUT)


def _has(node: Node, key: str) -> bool:
    """Tell whether a key may be that of a wait."""
    if node.wait is not None:
        return node.wait.key == key
    return key == node.node_id or any(found is None or found == key for found in _keys(node.spec.call))


def _keys(call: Any) -> list[str | None]:
    """Return the texts in a call that may be the key; None for one that is not known before the wait opens."""
    args = call[0] if call else []
    named = call[1] if call and len(call) > 1 else {}
    places = [*args[:1], *(named[name] for name in ("event_key", "key") if name in named)]
    return [place if isinstance(place, str) else None for place in places if isinstance(place, (str, dict))]
