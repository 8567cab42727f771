"""What a door without the code of a state machine knows of its events: the form that stands in the journal."""

from __future__ import annotations

from typing import Any

from ...core.graph import Json
from ...core.machine import machine_of
from ...core.state import RunState


def door(state: RunState, key: str, payload: Any) -> tuple[str, str]:
    """Return "rejected" or "closed" and why an event is not taken, or '' and a warning.

    What a form cannot tell is left to the owner of the run, who puts an event aside that does not fit.
    """
    machine = machine_of(state)
    if machine is None or not machine.form or key in machine.asked:
        return "", ""
    name = machine.name_of(key)
    if name != key:
        return "closed", f"that wait for {name!r} is over"
    return door_of(machine.form, name, payload)


def door_of(form: Json, name: str, payload: Any) -> tuple[str, str]:
    """Return what ``door`` returns, from the form of a machine that may not have begun yet."""
    if name not in form["events"]:
        return "rejected", unknown(form["type"], name, [*form["events"]])
    from ...machine.payloads import refusal  # lazily: few runs are state machines

    reason, warning = refusal(form["events"][name], payload)
    return ("rejected", f"{name!r}: {reason}") if reason else ("", warning)


def unknown(workflow_type: str, name: Any, known: list[str]) -> str:
    """Return what is said of an event that no handler is there for."""
    return f"UnknownEvent: {workflow_type!r} has no event {name!r}; it has {', '.join(map(repr, known)) or 'none'}"


def key_of(state: RunState, question: str) -> str:
    """Return the key of the open question that a state machine asks about an event, else the question as it is."""
    machine = machine_of(state)
    if machine is None:
        return question
    for key, index in machine.asked.items():
        wait = state.nodes[index].wait
        if question in (machine.name_of(key), (wait.prompt or {}).get("title") if wait is not None else ""):
            return key
    return question
