"""The fields of a form: a JSON schema made from a signature, a class or another JSON schema.

A form is a flat JSON schema object. Every front end draws from the same few words: ``type`` (string, integer, number,
boolean, array, object), ``enum``, ``format``, ``title``, ``description``, ``default``, ``nullable`` and the limits.
References, ``anyOf`` with null and one-element ``allOf`` are resolved here, so that no front end has to.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import inspect
import re
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from .graph import Json

_MISSING = inspect.Parameter.empty
_SCALARS: tuple[tuple[type, Json], ...] = (  # bool before int, datetime before date: they are subclasses
    (bool, {"type": "boolean"}),
    (int, {"type": "integer"}),
    (float, {"type": "number"}),
    (str, {"type": "string"}),
    (dt.datetime, {"type": "string", "format": "date-time"}),
    (dt.date, {"type": "string", "format": "date"}),
    (dt.time, {"type": "string", "format": "time"}),
)
_LIMITS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum",
           "multiple_of": "multipleOf", "min_length": "minLength", "max_length": "maxLength", "pattern": "pattern",
           "title": "title", "description": "description"}  # fmt: skip
_ITEMS = {"minLength": "minItems", "maxLength": "maxItems"}


def schema_of(fields: Any, skip: Collection[str] = ()) -> Json:
    """Return the form of a function's signature, a dataclass, a TypedDict, a pydantic model or a JSON schema.

    A mapping of names to types will do too. A field without a default is required unless it may be None. ``Annotated``
    adds to a type: a string is the description, a ``range`` the limits, a dict any words of JSON schema, and the
    constraints of annotated_types and pydantic are understood. ``skip`` names parameters that no person fills in.
    Raises TypeError, naming the field, for a type that no form can hold.
    """
    if hasattr(fields, "model_json_schema"):
        return _normal(fields.model_json_schema(), skip)
    if isinstance(fields, Mapping) and ("properties" in fields or fields.get("type") == "object"):
        return _normal(fields, skip)
    properties: Json = {}
    required = []
    for name, annotation, default, extra in _members(fields):
        if name in skip:
            continue
        field = {"title": _title(name), **_field(annotation, default, name), **extra}
        value = _plain(default)
        if value is not None:
            field["default"] = value
        elif default is None:
            field["nullable"] = True
        if default is _MISSING and not field.get("nullable"):
            required.append(name)
        properties[name] = _settled(field, {}, name)
    return {"type": "object", "properties": properties, "required": required}


# ---- where fields come from ----

Member = tuple[str, Any, Any, Json]


def _members(fields: Any) -> Iterator[Member]:
    """Yield name, annotation, default and further schema words of each field."""
    if isinstance(fields, Mapping):
        yield from ((name, annotation, _MISSING, {}) for name, annotation in fields.items())
    elif dataclasses.is_dataclass(fields):
        yield from _dataclass_members(fields)
    elif typing.is_typeddict(fields):
        yield from (
            (name, hint, _MISSING if _asked(fields, name, hint) else None, {}) for name, hint in _hints(fields).items()
        )
    elif callable(fields) and not isinstance(fields, type):
        yield from _parameters(fields)
    else:
        raise TypeError(
            f"no form can be made from {fields!r}: give a function, a dataclass, a TypedDict, a pydantic model, "
            "a JSON schema or a mapping of names to types"
        )


def _asked(fields: Any, name: str, hint: Any) -> bool:
    """Tell whether a key of a TypedDict is required: string annotations hide ``NotRequired`` from the class itself."""
    origin = get_origin(hint)
    return origin is typing.Required or (origin is not typing.NotRequired and name in fields.__required_keys__)


def _factory(field: dataclasses.Field[Any]) -> Any:
    return field.default_factory


def _dataclass_members(fields: Any) -> Iterator[Member]:
    hints = _hints(fields if isinstance(fields, type) else type(fields))
    for field in dataclasses.fields(fields):
        if not field.init:
            continue
        default: Any = _MISSING
        # By type: a class that comes out of a pickle, as that of a notebook does, has a MISSING of its own.
        if not isinstance(field.default, type(dataclasses.MISSING)):
            default = field.default
        elif not isinstance(make := _factory(field), type(dataclasses.MISSING)):
            default = make()
        words = {str(key): value for key, value in field.metadata.items() if key in ("title", "description", "format")}
        yield field.name, hints[field.name], default, words


def _parameters(function: Callable[..., Any]) -> Iterator[Member]:
    hints = _hints(function)
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        default = parameter.default
        guess = str if default is _MISSING or default is None else type(default)
        yield parameter.name, hints.get(parameter.name, guess), default, {}


def _hints(owner: Any) -> dict[str, Any]:
    try:
        return get_type_hints(owner, include_extras=True)
    except NameError as unknown:
        raise TypeError(
            f"no form can be made from {owner!r}: its annotations use a name that is not there: {unknown}"
        ) from None


# ---- one field ----


def _field(annotation: Any, default: Any, name: str) -> Json:
    """Return the schema of one annotation."""
    annotation, notes = _unwrapped(annotation)
    field = _of_type(annotation, default, name)
    for note in notes:
        field |= _words(note, field.get("type"))
    return field


def _unwrapped(annotation: Any) -> tuple[Any, list[Any]]:
    notes: list[Any] = []
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation, *more = get_args(annotation)
            notes = [*more, *notes]
        elif origin in (typing.Required, typing.NotRequired):
            annotation = get_args(annotation)[0]
        elif hasattr(annotation, "__supertype__"):  # a NewType
            annotation = annotation.__supertype__
        elif hasattr(annotation, "__value__"):  # a ``type`` statement
            annotation = annotation.__value__
        else:
            return annotation, notes


def _of_type(annotation: Any, default: Any, name: str) -> Json:
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return _of_union(get_args(annotation), default, name)
    if origin is Literal:
        return _choices(get_args(annotation))
    if inspect.isclass(annotation) and issubclass(annotation, enum.Enum):
        return _choices([_plain(member) for member in annotation])
    if annotation in (Any, _MISSING):
        return {"type": "string"} if default in (_MISSING, None) else _of_type(type(default), default, name)
    concrete = origin or annotation
    if inspect.isclass(concrete):
        for scalar, schema in _SCALARS:
            if issubclass(concrete, scalar):
                return dict(schema)
        if (
            issubclass(concrete, Mapping)
            or dataclasses.is_dataclass(concrete)
            or hasattr(concrete, "model_json_schema")
        ):
            return {"type": "object"}
        if issubclass(concrete, Collection):
            items = [item for item in get_args(annotation) if item is not Ellipsis]
            return {"type": "array", "items": _field(items[0], _MISSING, name) if items else {"type": "string"}}
    raise TypeError(
        f"field {name!r}: no form can hold a {annotation!r}; use str, int, float, bool, date, datetime, Literal, Enum "
        "or a list of these"
    )


def _of_union(members: Iterable[Any], default: Any, name: str) -> Json:
    rest = [member for member in members if member is not type(None)]
    nullable = {"nullable": True} if len(rest) < len(tuple(members)) else {}
    if set(rest) == {int, float}:
        return {"type": "number", **nullable}
    if len(rest) != 1:
        raise TypeError(f"field {name!r}: a form needs one type, not {' or '.join(map(repr, rest))}")
    return _field(rest[0], default, name) | nullable


def _choices(values: Iterable[Any]) -> Json:
    found = list(values)
    return {"enum": [v for v in found if v is not None], **({"nullable": True} if None in found else {})}


def _words(note: Any, kind: str | None) -> Json:
    """Return the schema words that one piece of ``Annotated`` stands for."""
    if isinstance(note, str):
        return {"description": note}
    if isinstance(note, dict):
        return dict(note)
    if isinstance(note, range):
        step = {"multipleOf": note.step} if note.step > 1 and note.start % note.step == 0 else {}
        return {"minimum": note.start, "maximum": note[-1], **step}
    words: Json = {}
    for part in (note, *(getattr(note, "metadata", None) or ())):  # pydantic's Field keeps its limits in ``metadata``
        for attribute, word in _LIMITS.items():
            value = getattr(part, attribute, None)
            if value is not None and not callable(value):
                words[_ITEMS.get(word, word) if kind == "array" else word] = value
    return words


def _plain(value: Any) -> Any:
    """Return a default as JSON; None when there is none or it cannot be shown in a form."""
    if isinstance(value, enum.Enum):
        return value.value if isinstance(value.value, str | int | float | bool) else value.name
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | dict) else None


def _title(name: str) -> str:
    return name.replace("_", " ").strip().capitalize()


# ---- a JSON schema as given ----


def _normal(schema: Mapping[str, Any], skip: Collection[str]) -> Json:
    """Return a given schema with every field in the plain words."""
    shared = {**schema.get("definitions", {}), **schema.get("$defs", {})}
    properties = {
        name: _settled({"title": _title(name), **field}, shared, name)
        for name, field in schema.get("properties", {}).items()
        if name not in skip
    }
    required = [
        name
        for name in schema.get("required", ())
        if name in properties and not (properties[name].get("nullable") and "default" in properties[name])
    ]
    more = {key: schema[key] for key in ("title", "description", "additionalProperties") if key in schema}
    return {"type": "object", "properties": properties, "required": required, **more}


def _settled(field: Json, shared: Mapping[str, Any], name: str) -> Json:
    """Resolve references and unions with null in one field, and check what would fail later."""
    for _ in range(20):  # a reference may lead to another; twenty are a circle
        branches = field.get("anyOf") or field.get("oneOf") or field.get("allOf") or ()
        if "$ref" in field:
            target = shared.get(field.pop("$ref").rsplit("/", 1)[-1])
            if target is None:
                raise TypeError(f"field {name!r}: its reference leads nowhere")
            field = {**target, **field}
        elif branches:
            field = _one_branch(field, branches)
        elif isinstance(field.get("type"), list):
            real = [kind for kind in field["type"] if kind != "null"]
            field = {**field, "nullable": len(real) < len(field["type"]), "type": real[0] if real else "string"}
        elif "const" in field:
            only = field.pop("const")
            field = {**field, "enum": [only]}
        else:
            break
    if "pattern" in field:
        try:
            re.compile(field["pattern"])
        except re.error as wrong:
            raise TypeError(f"field {name!r}: its pattern is no regular expression: {wrong}") from None
    if "enum" not in field:
        field.setdefault("type", "string")
    if field.get("type") == "array":
        field["items"] = _settled(dict(field.get("items") or {"type": "string"}), shared, name)
    return {key: value for key, value in field.items() if key not in ("properties", "required", "$defs")}


def _one_branch(field: Json, branches: Collection[Json]) -> Json:
    rest = [branch for branch in branches if branch.get("type") != "null"]
    own = {key: value for key, value in field.items() if key not in ("anyOf", "oneOf", "allOf")}
    if len(rest) < len(branches):
        own["nullable"] = True
    if rest and all("const" in branch for branch in rest):
        return {**own, "enum": [branch["const"] for branch in rest]}
    kinds = {branch.get("type") for branch in rest}
    return {**(rest[0] if len(rest) == 1 else {"type": "number"} if kinds == {"integer", "number"} else {}), **own}
