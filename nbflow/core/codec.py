"""Records to JSON and back: short keys, defaults left out, unknown records ignored unless they say they matter."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import MISSING, Field, asdict, fields
from functools import lru_cache
from typing import Any

from . import condensing, machine, rules
from .graph import Code, Json, NodeSpec
from .records import RECORDS, Record, TaskSucceeded
from .retry import DEFAULT_OPTIONS, Options, RetryPolicy

_KEYS = {
    "node": "n", "value": "v", "attempt": "a", "started": "s", "ended": "e", "output": "o", "error": "x",
    "token": "k", "owner": "w", "workflow_id": "id", "metadata": "m", "environment": "env", "retry_at": "ra",
    "event_id": "id", "payload": "v", "deadline": "dl", "fallback": "fb", "prompt": "p", "undelivered": "u",
    "must": "!",
}  # fmt: skip

KNOWN: dict[str, type[Record]] = {**RECORDS, **machine.RECORDS, **rules.RECORDS, **condensing.RECORDS}
"""Every kind of record, by its tag."""

_REQUIRED = object()


def _make_encoder() -> Callable[[Any], str]:
    """Return what makes JSON: ``JSONEncoder.encode`` makes its C part anew each time, 1.2 us of 4.4 for a result."""
    encoder = json.JSONEncoder(separators=(",", ":"), allow_nan=False, ensure_ascii=True, check_circular=False)
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return encoder.encode
    made = make(None, encoder.default, json.encoder.encode_basestring_ascii, None, ":", ",", False, False, False)
    return lambda wire: "".join(made(wire, 0))


_encode_json = _make_encoder()


class UnknownRecord(ValueError):
    """A record that a newer nbflow wrote and that must not be ignored."""


def _default(field: Field[Any]) -> Any:
    if field.default is not MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not MISSING else _REQUIRED


def encode(record: Record) -> str:
    """Return one record as a line of ASCII JSON without a newline. Raises ValueError on NaN."""
    if type(record) is TaskSucceeded:
        return _encode_result(record)
    wire: Json = {"t": record.tag}
    for name, key, default, to_wire, _ in _SHAPES[type(record)]:
        value = getattr(record, name)
        if default is _REQUIRED or value != default:
            wire[key] = value if to_wire is None else to_wire(value)
    return _encode_json(wire)


def _encode_result(record: TaskSucceeded) -> str:
    """Return the same line as for any record, in half of its time: most of a journal is results."""
    line = f'{{"t":"done","n":{record.node},"v":{_encode_json(record.value)}'
    if record.started != 0.0:
        line += f',"s":{_moment(record.started)}'
    if record.ended != 0.0:
        line += f',"e":{_moment(record.ended)}'
    if record.attempt != 1:
        line += f',"a":{record.attempt}'
    return line + (',"caught":true}' if record.caught else "}")


@lru_cache(maxsize=64, typed=True)
def _moment(at: float) -> str:
    """Return a time as JSON: tiny tasks end many in a millisecond, and to print a float takes half a microsecond."""
    return _encode_json(at)


def decode(wire: Json) -> Record | None:
    """Return the record of a JSON object; None for an unknown one that may be ignored.

    Raises UnknownRecord for an unknown one with ``"!": 1``: only a newer nbflow can read this run.
    """
    cls = KNOWN.get(wire["t"])
    if cls is None:
        if wire.get("!"):
            raise UnknownRecord(f"a record of type {wire['t']!r} needs a newer nbflow: pip install -U nbflow")
        return None
    found: dict[str, Any] = {}
    for name, key, default, _, from_wire in _SHAPES[cls]:
        if key in wire:
            found[name] = wire[key] if from_wire is None else from_wire(wire[key])
        elif default is _REQUIRED:
            raise ValueError(f"record {wire['t']!r} has no {key!r}")
    return cls(**found)


def _code_to_wire(code: Code) -> Json:
    wire: Json = {"key": code.key, "name": code.name, "v": code.value, "fp": code.fingerprint}
    if code.options != DEFAULT_OPTIONS:
        wire["opt"] = options_to_wire(code.options)
    if code.source:
        wire["src"] = code.source
    return wire


def _code_from_wire(wire: Json) -> Code:
    options = options_from_wire(wire.get("opt", {}))
    return Code(wire["key"], wire["name"], wire["v"], options, wire.get("fp", ""), wire.get("src", ""))


def options_to_wire(options: Options) -> Json:
    """Return options as JSON, defaults left out."""
    full, usual = asdict(options), asdict(DEFAULT_OPTIONS)
    wire = {name: value for name, value in full.items() if value != usual[name]}
    if "retry" in wire:
        wire["retry"] = {name: value for name, value in full["retry"].items() if value != usual["retry"][name]}
    return wire


def options_from_wire(wire: Json) -> Options:
    """Return the options that ``options_to_wire`` gave; names of a newer nbflow are ignored."""
    known = {name: wire[name] for name in asdict(DEFAULT_OPTIONS) if name in wire}
    if "retry" in known:
        policy = {name: v for name, v in known["retry"].items() if name in RetryPolicy.__dataclass_fields__}
        if isinstance(policy.get("retry_exceptions"), list):
            policy["retry_exceptions"] = tuple(policy["retry_exceptions"])
        known["retry"] = RetryPolicy(**policy)
    if "resources" in known:
        known["resources"] = tuple((name, amount) for name, amount in known["resources"])
    return Options(**known)


def _specs_to_wire(specs: tuple[NodeSpec, ...]) -> list[list[Any]]:
    return [spec.to_wire() for spec in specs]


def _specs_from_wire(wire: list[list[Any]]) -> tuple[NodeSpec, ...]:
    return tuple(map(NodeSpec.from_wire, wire))


_TO_WIRE: dict[str, Any] = {"code": _code_to_wire, "specs": _specs_to_wire}
_FROM_WIRE: dict[str, Any] = {
    "code": _code_from_wire,
    "specs": _specs_from_wire,
    "undelivered": tuple,
    "nodes": tuple,
    "calls": tuple,
}

_SHAPES: dict[type[Record], tuple[tuple[str, str, Any, Any, Any], ...]] = {
    cls: tuple(
        (f.name, _KEYS.get(f.name, f.name), _default(f), _TO_WIRE.get(f.name), _FROM_WIRE.get(f.name))
        for f in fields(cls)  # type: ignore[arg-type]
    )
    for cls in KNOWN.values()
}
"""For each record its fields: name, key in JSON, default, and how the value goes there and back."""
