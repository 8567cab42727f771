"""A journal without the values that only the run needed: all that happened is still there, and so is the result.

Each record stays in its place, so the story, the times and the marks are the same. A value that goes leaves what a
person may read of it; an argument also leaves a digest, by which a later graph can tell that it is given the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .changes import digest
from .graph import GONE, Json, NodeKind

if TYPE_CHECKING:
    from .state import RunState

_LEFT = ("pv", "ty", "fp")


def cleaned(wires: Sequence[Json], state: RunState) -> list[Json]:
    """Return the records of a run that succeeded without their values; ``state`` is what they lead to.

    The result stays, and so do the answers to questions and all that is no value: metadata, errors as text, source.
    """
    kept, calls = _kept(state)
    waits = [wire for wire in wires if wire.get("t") == "wait"]
    asked = {wire.get("key") for wire in waits if wire.get("p") or wire["n"] in kept}
    found: list[Json] = []
    place = 0
    for wire in wires:
        kind, is_kept = wire.get("t"), wire.get("n") in kept
        if kind == "condensed":
            what, content = wire["what"], wire["content"]
            if what == "nodes":
                wire, place = _nodes(wire, place, kept, calls)
            elif what == "staged":
                wire = {**wire, "content": [content[0], [_spec(spec, calls) for spec in content[1]]]}
            elif what in ("machine", "flow"):
                wire = _emptied(wire)
            found.append(wire)
        elif is_kept and (kind == "fired" or (kind == "done" and wire.get("v") == state.nodes[wire["n"]].value)):
            found.append(wire)
        elif kind == "nodes":
            found.append({**wire, "specs": [_spec(spec, calls) for spec in wire["specs"]]})
        elif kind == "event" and (state.driver >= 0 or wire.get("key") in asked or not _is_large(wire.get("v"))):
            found.append(wire)
        elif kind == "code":
            found.append({**wire, "code": {**wire["code"], "v": None}})
        elif kind == "wait":
            shorter = {**wire, "p": {**wire["p"], "show": None}} if wire.get("p") else wire
            found.append(shorter if is_kept else _emptied(shorter))
        else:
            found.append(_emptied(wire))
    return found


def blobs_of(part: Any) -> set[str]:
    """Return the names of the large values that JSON speaks of."""
    found: set[str] = set()
    work = [part]
    while work:
        one = work.pop()
        if type(one) is dict:
            if one.get("c") == "p5" and type(one.get("blob")) is str:
                found.add(one["blob"])
            work.extend(one.values())
        elif type(one) in (list, tuple):
            work.extend(one)
    return found


def _kept(state: RunState) -> tuple[set[int], list[Any]]:
    """Return the nodes whose values make the result, and the calls of those that only hold others."""
    kept: set[int] = set()
    calls = []
    work = [state.output]
    while work:
        index = state.resolve(work.pop())
        node = state.nodes[index]
        if index in kept:
            continue
        kept.add(index)
        if node.spec.kind is NodeKind.VALUE:
            calls.append(node.spec.call)
            work.extend(node.spec.deps)
    return kept, calls


def _nodes(wire: Json, place: int, kept: set[int], calls: list[Any]) -> tuple[Json, int]:
    """Return condensed nodes without their values, and the index of the first node behind them."""
    found: list[Any] = []
    for node in wire["content"]:
        if type(node) is int:
            place += node
            found.append(node)
            continue
        own = {key: node[key] if place in kept else _emptied(node[key]) for key in ("v", "ev", "x") if key in node}
        if "wait" in node:
            prompt = node["wait"].get("prompt")
            shorter = {**node["wait"], "prompt": {**prompt, "show": None}} if prompt else node["wait"]
            own["wait"] = shorter if place in kept else _emptied(shorter)
        if "made" in node:
            spec, values = node["made"]
            own["made"] = [_spec(spec, calls), [[i, _spec(value, calls)] for i, value in values]]
        found.append({**node, **own, "spec": _spec(node["spec"], calls)})
        place += 1
    return {**wire, "content": found}, place


def _spec(spec: list[Any], calls: list[Any]) -> list[Any]:
    node_id, kind, deps, code, call, *rest = spec
    if kind == NodeKind.VALUE and call in calls:
        return spec
    return [node_id, kind, deps, code, _emptied(call, told_apart=True), *rest]


def _emptied(part: Any, told_apart: bool = False) -> Any:
    """Return JSON with every stored value in it removed; an argument must still be told from another one."""
    if type(part) is list:
        return [_emptied(one, told_apart) for one in part]
    if type(part) is not dict:
        return part
    if part.get("c") in ("json", "p5") and not part.keys().isdisjoint(("v", "b64", "blob")):
        mark = {"sum": digest(part)} if told_apart else {}
        return {"c": GONE, **mark, **{name: part[name] for name in _LEFT if name in part}}
    return {key: value if key == "m" else _emptied(value, told_apart) for key, value in part.items()}


def _is_large(payload: Any) -> bool:
    return type(payload) is not dict or payload.get("c") != "json" or len(str(payload.get("v"))) > 1000
