"""A flow as a scene: its tasks, the keys that come from outside, rules as dashed links, and what each event did."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ..core.graph import Json
from ..core.rules import FlowState, flow_of
from ..core.state import RunState
from ..core.status import WorkflowStatus
from . import words
from .flow import UPSTREAM_FAILED, flow_view, why
from .picture import TASK, WAIT
from .rows import NodeRow
from .scene import Act, Link, Panel, PanelRow, Scene, Station

_CODES = {
    "INIT": "p", "QUEUED": "q", "RUNNING": "r", "RETRYING": "y", "SUCCESS": "s", "FAILED": "f", "STOPPED": "x",
    UPSTREAM_FAILED: "k",
}  # fmt: skip
_UNDER_WAY = frozenset({"QUEUED", "RUNNING", "RETRYING"})


def scene_of_flow(state: RunState) -> Scene:
    """Return the scene of a run that is a flow and has begun."""
    view, flow = flow_view(state), flow_of(state)
    assert view is not None and flow is not None, "asked for only when the driver keeps a flow"
    places = {task["name"]: place for place, task in enumerate(view["tasks"])}
    stations = [_task(state, task) for task in view["tasks"]]
    came: dict[str, int] = {}
    for event in view["events"]:
        came[event["key"]] = came.get(event["key"], 0) + 1
    links = []
    for edge in view["edges"]:
        source = edge["from"] or _plain(edge["key"])
        if source not in places:
            places[source] = len(stations)
            acted = any(flow.fired.get(each["rule"], 0) for each in view["edges"] if _plain(each["key"]) == source)
            stations.append(_key(source, came.get(source, int(acted)), state.status))
        links.append(_link(flow, edge, places))
    panels = (_tasks(view["tasks"], state.status is WorkflowStatus.RUNNING), _events(view["events"]))
    return Scene(tuple(stations), tuple(links), panels)


def _task(state: RunState, task: Json) -> Station:
    latest = task["executions"][-1] if task["executions"] else {}
    code = _CODES.get(task["status"], "p")
    if state.status is WorkflowStatus.CANCELED and code in "pqry":
        code = "x"
    row = NodeRow(
        code,
        latest.get("started") or None,
        (latest.get("ended") or None) if task["status"] not in _UNDER_WAY else None,
        latest.get("attempt", 0),
        note=f"execution {task['seq']}" if task["seq"] > 1 else "",
    )
    facts: dict[str, Any] = {"Kind": task["kind"], "Executions": task["seq"]}
    if task["schedule"]:
        facts["Schedule"] = task["schedule"]
    for rule in task["rules"]:
        facts[f"Rule {rule['id']}"] = rule["says"]
    story = tuple(why(state, task["name"]))
    return Station(words.name(task["name"]), row, TASK, latest.get("index", -1), facts, story)


def _plain(key: str) -> str:
    """Return a key without the quotes that tell it from a pattern, and without its scope."""
    return key[1:].partition("'")[0] if key[:1] == "'" else key


def _key(key: str, count: int, status: WorkflowStatus | None) -> Station:
    # nothing waits for a key in a run that nobody runs
    open_code = "e" if status in (None, WorkflowStatus.RUNNING) else "x" if status is WorkflowStatus.CANCELED else "p"
    note = f"came {count} times" if count > 1 else "" if count else "has not come"
    row = NodeRow("s" if count else open_code, note=note)
    return Station(words.name(key), row, WAIT, facts={"Event": key, "Came": count})


def _link(flow: FlowState, edge: Json, places: dict[str, int]) -> Link:
    rule = bool(edge["key"])
    label = (
        _plain(edge["key"])
        if rule and edge["from"]
        else edge["status"]
        if edge["status"] not in ("", "SUCCESS")
        else ""
    )
    if edge["action"] != "START":
        label = f"{label} {edge['action'].lower()}".strip()
    taken = flow.fired.get(edge["rule"], 0) > 0
    return Link(places[edge["from"] or _plain(edge["key"])], places[edge["to"]], label, rule, taken)


def _tasks(tasks: list[Json], live: bool) -> Panel:
    rows = []
    for task in tasks:
        latest = task["executions"][-1] if task["executions"] else {}
        running = task["status"] in _UNDER_WAY
        choices = (Act("stop", "Stop"), Act("restart", "Restart")) if running else (Act("start", "Start"),)
        cells = (
            task["name"],
            task["status"].lower().replace("_", " "),
            str(task["seq"] or ""),
            latest.get("cause", ""),
        )
        rows.append(PanelRow(task["name"], tuple(words.one_line(cell) for cell in cells), choices if live else ()))
    return Panel("tasks", "Tasks", ("Task", "State", "Executions", "Started by"), tuple(rows))


def _events(events: list[Json]) -> Panel:
    rows = tuple(
        PanelRow(
            str(place),
            (
                words.one_line(event["key"]),
                event["value"],
                words.one_line(event["by"]),
                f"{datetime.fromtimestamp(event['at'], UTC):%H:%M:%S}",
                event["did"] or "no rule acted",
            ),
        )
        for place, event in enumerate(events)
    )
    return Panel(
        "events", "Events", ("Key", "Value", "By", "At (UTC)", "What it did"), rows, "No event has come yet.", 3
    )
