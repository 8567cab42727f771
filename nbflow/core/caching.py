"""When a call was made before: a key of its code and inputs, the same in every run and every kernel."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from .changes import digest
from .graph import Json, NodeKind

if TYPE_CHECKING:
    from .state import RunState

IN_RUN = "run"
"""The wish that a result serves its own run only."""


def cache_key(state: RunState, index: int, wish: bool | str | float) -> str | None:
    """Return 64 hex digits that two calls share when they have the same code and inputs; None when that is unknown.

    It is unknown for code that has no fingerprint, and for an input that is not stored (``checkpoint=False``). With
    ``wish`` "run" the run's id is part of the key.
    """
    node = state.nodes[index]
    code = state.codes.get(node.spec.code)
    if code is None or not code.fingerprint:
        return None
    inputs = _inputs(state, index)
    if inputs is None:
        return None
    parts = [code.fingerprint, code.options.catch_exceptions, inputs, state.workflow_id if wish == IN_RUN else ""]
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def from_cache(stored: Json, run: str) -> Json:
    """Return the stored form of a value that says in which run it was made."""
    return {**stored, "from": run}


def origin(stored: Json | None) -> str:
    """Return the run in which a stored value was made, '' when it was its own."""
    return "" if stored is None else str(stored.get("from", ""))


def _inputs(state: RunState, index: int) -> list[Any] | None:
    spec = state.nodes[index].spec
    values = [_of(state, dep) for dep in spec.deps]
    return None if None in values else [_plain(spec.call), values]


def _of(state: RunState, index: int) -> Any:
    """Return what tells the value of a node from another one."""
    index = state.resolve(index)
    node = state.nodes[index]
    if node.spec.kind is NodeKind.VALUE:
        return _inputs(state, index)
    if node.spec.kind is NodeKind.ANY:
        chosen = _of(state, node.chosen)
        return None if chosen is None else [state.nodes[node.chosen].node_id, chosen]
    return None if node.value is None else [digest(node.value), node.caught]


def _plain(call: Any) -> Any:
    """Return a stored call with a digest in the place of each value."""
    if type(call) is list:
        return [_plain(part) for part in call]
    if type(call) is not dict:
        return call
    if "c" in call:
        return {"#": digest(call)}
    return {key: _plain(part) for key, part in call.items()}
