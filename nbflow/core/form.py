"""The form that a person fills in, and whether an answer fits the question: one law for every door.

Widgets, HTTP, the command line and ``send`` all ask here, so that an answer that one takes no other refuses.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from .fields import schema_of
from .graph import Json

__all__ = ["check_answer", "defaults", "option_kind", "schema_of", "validate"]

NEEDED = "Needed"
_REFUSALS = frozenset({"reject", "rejected", "deny", "decline", "refuse", "no", "abort", "stop", "cancel", "discard"})
_CONSENTS = frozenset({"approve", "approved", "accept", "yes", "ok", "confirm", "publish", "release", "submit", "go"})
_TRUE, _FALSE = frozenset({"true", "yes", "on", "1"}), frozenset({"false", "no", "off", "0"})
_MISSING = object()
_Check = Callable[[Json, Any], Any]


def defaults(schema: Json) -> Json:
    """Return what an untouched form holds: every field, None where there is no default."""
    return {name: field.get("default") for name, field in schema.get("properties", {}).items()}


def option_kind(option: str) -> str:
    """Return "approve", "reject" or "" from the first word of an option: its colour, and whether it refuses."""
    first = next(iter(re.findall(r"[^\W_]+", option.casefold())), "")
    return "reject" if first in _REFUSALS else "approve" if first in _CONSENTS else ""


def check_answer(
    prompt: Mapping[str, Any], option: str, values: Mapping[str, Any], comment: str = ""
) -> tuple[Json, dict[str, str]]:
    """Check an answer against the prompt of its question; return the clean values and {field: message}.

    The names "option" and "comment" stand for what is no field. An option that refuses may leave required fields
    empty: nobody should have to fill in a form in order to say no.
    """
    errors: dict[str, str] = {}
    options = prompt.get("options") or []
    if options and option not in options:
        errors["option"] = f"Choose one of {', '.join(options)}"
    if prompt.get("require_comment") and not comment.strip():
        errors["comment"] = NEEDED
    clean, wrong = validate(prompt.get("fields") or {}, values, complete=option_kind(option) != "reject")
    return clean, {**wrong, **errors}


def validate(schema: Json, values: Mapping[str, Any], *, complete: bool = True) -> tuple[Json, dict[str, str]]:
    """Return the clean values of a form and {field: message}, which is empty when all is well.

    The clean values are exact JSON and name every field that is right. A field that was left out or emptied has its
    default, else "" or [] or None. Text is taken where it can only mean one thing ("10", "yes"), so that a command line
    or a URL can answer. ``complete=False`` lets required fields be empty.
    """
    fields = schema.get("properties", {})
    clean: Json = {}
    errors: dict[str, str] = {}
    for name in values:
        if name not in fields:
            if schema.get("additionalProperties") is True:
                clean[name] = values[name]
            else:
                errors[name] = f"There is no such field; there are {', '.join(fields) or 'none'}"
    for name, field in fields.items():
        try:
            clean[name] = _checked(field, values.get(name, _MISSING), complete and name in schema.get("required", ()))
        except ValueError as wrong:
            errors[name] = str(wrong)
    return clean, errors


def _checked(field: Json, value: Any, required: bool) -> Any:
    kind: str = field.get("type", "enum")
    if isinstance(value, str) and (kind != "string" or "format" in field):
        value = value.strip()
    if value is _MISSING or value is None or value == "" or value == []:
        return _empty(field, kind, value, required)
    if "enum" in field:
        return _choice(field["enum"], value)
    check: _Check = _BY_TYPE.get(kind, _text)
    return check(field, value)


def _empty(field: Json, kind: str, value: Any, required: bool) -> Any:
    """Return what stands for nothing: the default, unless a person can have meant to clear the field."""
    cleared = value is not _MISSING and (kind in ("string", "array") or field.get("nullable"))
    if "default" in field and not (cleared and not required):
        return field["default"]
    if required:
        raise ValueError(NEEDED)
    return None if field.get("nullable") else {"string": "", "array": []}.get(kind)


def _choice(choices: list[Any], value: Any) -> Any:
    for choice in choices:
        if choice == value and isinstance(choice, bool) == isinstance(value, bool):
            return choice
    for choice in choices:
        if isinstance(value, str) and str(choice) == value:
            return choice
    raise ValueError(f"Choose one of {', '.join(map(str, choices))}")


def _boolean(_: Json, value: Any) -> bool:
    if isinstance(value, str) and value.casefold() in _TRUE | _FALSE:
        return value.casefold() in _TRUE
    if not isinstance(value, bool):
        raise ValueError("Must be yes or no")
    return value


def _integer(field: Json, value: Any) -> int:
    number = _number_of(value, "Must be a whole number")
    if number != int(number):
        raise ValueError("Must be a whole number")
    _within(field, int(number))
    return int(number)


def _number(field: Json, value: Any) -> float:
    number = _number_of(value, "Must be a number")
    _within(field, number)
    return number


def _number_of(value: Any, message: str) -> float:
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:
            try:
                value = float(value)
            except ValueError:
                raise ValueError(message) from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(message)
    return value


def _within(field: Json, number: float) -> None:
    low, high = field.get("minimum"), field.get("maximum")
    if low is not None and high is not None and not low <= number <= high:
        raise ValueError(f"Must be from {_short(low)} to {_short(high)}")
    if low is not None and number < low:
        raise ValueError(f"Must be at least {_short(low)}")
    if high is not None and number > high:
        raise ValueError(f"Must be at most {_short(high)}")
    if "exclusiveMinimum" in field and number <= field["exclusiveMinimum"]:
        raise ValueError(f"Must be more than {_short(field['exclusiveMinimum'])}")
    if "exclusiveMaximum" in field and number >= field["exclusiveMaximum"]:
        raise ValueError(f"Must be less than {_short(field['exclusiveMaximum'])}")
    step = field.get("multipleOf")
    if step and abs(number / step - round(number / step)) > 1e-9:
        raise ValueError(f"Must be a multiple of {_short(step)}")


def _short(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


_FORMATS: dict[str, tuple[Callable[[str], Any], str]] = {
    "date": (dt.date.fromisoformat, "Must be a date, such as 2026-11-30"),
    "date-time": (dt.datetime.fromisoformat, "Must be a date and time, such as 2026-11-30T12:00"),
    "time": (dt.time.fromisoformat, "Must be a time, such as 12:00"),
}


def _text(field: Json, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("Must be text")
    _length(field, len(value), "Length", "characters")
    if "pattern" in field and not re.search(field["pattern"], value):
        raise ValueError(f"Must match {field['pattern']}")
    if field.get("format") in _FORMATS:
        parse, message = _FORMATS[field["format"]]
        try:
            parse(value)
        except ValueError:
            raise ValueError(message) from None
    return value


def _array(field: Json, value: Any) -> list[Any]:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple):
        raise ValueError("Must be a list")
    items = field.get("items") or {}
    found = [_checked(items, item, required=True) for item in value]
    _length(field, len(found), "Items", "items")
    if field.get("uniqueItems") and any(item in found[:i] for i, item in enumerate(found)):
        raise ValueError("Must not name anything twice")
    return found


def _mapping(_: Json, value: Any) -> Any:
    if isinstance(value, str):
        value = json.loads(value) if _is_json(value) else None
    if not isinstance(value, Mapping) or not _is_exact(value):
        raise ValueError('Must be a JSON object, such as {"key": 1}')
    return dict(value)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _is_exact(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def _length(field: Json, length: int, suffix: str, unit: str) -> None:
    low, high = field.get(f"min{suffix}"), field.get(f"max{suffix}")
    if low is not None and length < low:
        raise ValueError(f"At least {low} {unit}")
    if high is not None and length > high:
        raise ValueError(f"At most {high} {unit}")


_BY_TYPE: dict[str, _Check] = {
    "boolean": _boolean, "integer": _integer, "number": _number, "string": _text, "array": _array, "object": _mapping,
}  # fmt: skip
