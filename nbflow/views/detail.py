"""What the details of one drawn node show: for a stack its members, for a node its attempts, error, value and story."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..core import records as r
from ..core.graph import Json
from ..core.state import RunState
from . import words
from .diff import change_of, diff_of
from .picture import Drawn, function_of
from .rows import blamed, preview, row_of

FAILURES = 5
"""So many failed members of a stack are told."""


def detail_of(state: RunState, drawn: Drawn) -> Json:
    """Return the details that are in memory. Call it where the state is changed."""
    if drawn.stacked:
        return _stack(state, drawn)
    index = drawn.members[0]
    node = state.nodes[index]
    found: Json = {"function": words.name(function_of(state, index)), "facts": _facts(state, index)}
    if node.error is not None:
        found["error"] = _error(node.error)
    if node.changed:
        found["change"] = _change(state, index)
    value = preview(state.nodes[state.resolve(index)].value) if node.status.finished else ""
    if value:
        found["value"] = words.clean(value)
    return found


def attempts_of(records: Iterable[r.Record], index: int) -> list[Json]:
    """Return the attempts of a node, oldest first, from the run's records."""
    found: list[Json] = []
    for record in records:
        if (
            isinstance(record, (r.TaskAttemptFailed, r.TaskFailed, r.TaskSucceeded, r.TaskGrew))
            and record.node == index
        ):
            attempt: Json = {"attempt": record.attempt, "started": record.started, "ended": record.ended}
            if isinstance(record, (r.TaskAttemptFailed, r.TaskFailed)):
                attempt["error"] = _error(record.error)
            found.append(attempt)
    return found


def _stack(state: RunState, drawn: Drawn) -> Json:
    blame = blamed(state)
    changed = next((i for i in drawn.members if state.nodes[i].changed), -1)
    failed = [i for i in drawn.members if state.nodes[i].error is not None and not state.nodes[i].status.finished]
    return {
        "function": words.name(function_of(state, drawn.members[0])),
        "cells": "".join(row_of(state, i, blame).code for i in drawn.members),
        "failures": [
            {"label": words.name(state.nodes[i].node_id), "message": words.error_line(state.nodes[i].error)}
            for i in failed[:FAILURES]
        ],
        **({"change": _change(state, changed)} if changed >= 0 else {}),
    }


def _change(state: RunState, index: int) -> Json:
    return {"what": change_of(state, index), "diff": words.clean(diff_of(state, index))}


def _facts(state: RunState, index: int) -> dict[str, Any]:
    node = state.nodes[index]
    facts: dict[str, Any] = {"Node": words.name(node.node_id)}
    if node.spec.deps:
        needs = [words.name(state.nodes[dep].node_id) for dep in node.spec.deps[:6]]
        facts["Needs"] = ", ".join(needs) + (" ..." if len(node.spec.deps) > 6 else "")
    for name, value in (node.spec.metadata or {}).items():
        facts[words.name(str(name))] = words.clean(value) if isinstance(value, str) else value
    return facts


def _error(error: Json) -> Json:
    return {name: words.clean(str(error.get(name, ""))) for name in ("type", "message", "traceback")}
