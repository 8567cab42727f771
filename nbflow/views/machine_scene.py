"""A state machine as a scene: steps and events around the wait, the ways that were gone, and its events as tables."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from ..core import machine as m
from ..core.graph import Json
from ..core.records import EventReceived
from ..core.state import RunState
from ..core.status import WorkflowStatus
from . import words
from .machine import machine_view
from .picture import PERSON, TASK, WAIT
from .questions import in_order, question_of
from .rows import NodeRow
from .scene import Act, Link, Panel, PanelRow, Scene, Station

_ENDS = {"complete": "s", "fail": "f"}


def scene_of_machine(state: RunState) -> Scene:
    """Return the scene of a run that is a state machine and has begun."""
    view, machine = machine_view(state), m.machine_of(state) or m.Machine()
    moves = [move for move in view["moves"] if move[0] != move[1] or move[2]]
    used = {end for source, target, _ in moves for end in (source, target)}
    shown = [row for row in view["states"] if row[1] == m.START or row[0] in used]
    places = {name: place for place, (name, _, _) in enumerate(shown)}
    stations = tuple(_station(state, view, *row) for row in shown)
    links = [
        Link(places[source], places[target], _label(view, source, target), taken=times > 0)
        for source, target, times in moves
        if source in places and target in places
    ]
    then = view["waits"]["then"]
    if (
        view["now"] == m.WAIT
        and then in places
        and not any((link.source, link.target) == (places[m.WAIT], places[then]) for link in links)
    ):
        links.append(Link(places[m.WAIT], places[then], "time is up", dashed=True))
    asked = (question_of(state, index) for index in machine.questions.values())
    questions = in_order([question for question in asked if question is not None])
    return Scene(stations, tuple(links), _panels(state, machine, view), questions)


def _station(state: RunState, view: Json, name: str, kind: str, times: int) -> Station:
    now, status = view["now"] == name, state.status or WorkflowStatus.PENDING
    code = "s" if times else "p"
    if kind == "end":
        code = _ENDS[name] if now else "p"
    elif now and status is WorkflowStatus.FAILED:
        code = "f"
    elif now and not status.ended:
        code = ("w" if view["waits"]["events"] else "e") if name == m.WAIT else "r"
        code = code if status is WorkflowStatus.RUNNING else "p"
    elif name == m.WAIT:
        code = "s" if any(source == m.WAIT and count for source, _, count in view["moves"]) else "p"
    note = view["words"] if now else f"{times} times" if times > 1 else ""
    facts: Json = {"Kind": kind, **({"Handled": times} if times else {})}
    if now and name == m.WAIT:
        facts |= {"Waits for": ", ".join(view["waits"]["events"])}
        if view["waits"]["until"]:
            facts["Until"] = _moment(view["waits"]["until"]) + (f", then {view['waits']['then']}")
    if name == m.START or now:
        facts |= {f"Store: {key}": value for key, value in view["store"].items()}
    look = {m.WAIT: WAIT, m.EVENT: PERSON}.get(kind, TASK)
    return Station(words.name(name), NodeRow(code, note=words.one_line(note)), look, facts=facts)


def _label(view: Json, source: str, target: str) -> str:
    """Return what a way is taken on, where the names at its ends do not say it."""
    if source != m.WAIT:
        return ""
    return "" if any(name == target and kind == m.EVENT for name, kind, _ in view["states"]) else "time is up"


def _panels(state: RunState, machine: m.Machine, view: Json) -> tuple[Panel, ...]:
    columns = ("Event", "Payload", "By", "At (UTC)")
    left = state.status in (WorkflowStatus.SUCCESSFUL, WorkflowStatus.CANCELED)
    inbox = () if left else tuple(PanelRow(row["id"], _cells(row)) for row in view["inbox"])
    aside = tuple(
        PanelRow(
            row["id"],
            (*_cells(row), words.one_line(row["why"])),
            (
                Act("retry", "Retry"),
                Act("edit", "Edit and send again", _editable(machine, machine.aside[row["id"]].event)),
                Act("discard", "Discard"),
            ),
        )
        for row in view["aside"]
    )
    undelivered = tuple(PanelRow(row["id"], _cells(row)) for row in view["undelivered"])
    return (
        Panel("inbox", "Events that wait", columns, inbox, timed=3),
        Panel("aside", "Set aside", (*columns, "Why"), aside, timed=3),
        Panel("undelivered", "Undelivered", columns, undelivered, timed=3),
    )


def _cells(row: Json) -> tuple[str, ...]:
    return (words.one_line(row["event"]), row["payload"], words.one_line(row["by"]), _moment(row["at"]))


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"


def _editable(machine: m.Machine, event: EventReceived) -> str:
    """Return a payload as a person may edit it: as JSON, or empty when it is none; of an answer only its fields."""
    if event.payload.get("c") != "json":
        return ""
    payload = event.payload["v"]
    answer = machine.name_of(event.key) != event.key and isinstance(payload, dict)
    return json.dumps(payload.get("values") if answer else payload, ensure_ascii=False)
