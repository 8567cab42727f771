"""Whether a value is what an annotation says: as it is, or as JSON has it (a text for a date, a dict for a dataclass).

Nothing is guessed: the text "7" is no int. What an annotation says and nobody can check is taken as it is.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import inspect
import types
import typing
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

ANY = inspect.Parameter.empty

_FROM_TEXT: dict[type, Callable[[str], Any]] = {
    dt.datetime: dt.datetime.fromisoformat,
    dt.date: dt.date.fromisoformat,
    dt.time: dt.time.fromisoformat,
}


class Misfit(ValueError):
    """A value that an annotation does not take."""


def convert(annotation: Any, value: Any) -> Any:
    """Return a value as its annotation wants it. Raises Misfit, which says why it cannot be."""
    if annotation in (ANY, Any, object) or isinstance(annotation, str | typing.TypeVar):
        return value
    if annotation is None or annotation is type(None):
        return _only(value is None, value, "nothing (None)")
    origin = get_origin(annotation)
    if origin is Annotated:
        return convert(get_args(annotation)[0], value)
    if origin in (Union, types.UnionType):
        return _any_of(get_args(annotation), value)
    if origin is Literal:
        options = get_args(annotation)
        fits = any(value == option and type(value) is type(option) for option in options)
        return _only(fits, value, f"one of {', '.join(map(repr, options))}")
    if isinstance(annotation, typing.NewType):
        return convert(annotation.__supertype__, value)
    if typing.is_typeddict(annotation):
        return _typed_dict(annotation, value)
    concrete = origin or annotation
    return _of_class(concrete, get_args(annotation), value) if isinstance(concrete, type) else value


def accepts_none(annotation: Any) -> bool:
    """Tell whether an annotation was written that takes None."""
    if annotation is ANY:
        return False
    try:
        convert(annotation, None)
    except Misfit:
        return False
    return True


def _only(fits: bool, value: Any, wanted: str) -> Any:
    if not fits:
        raise Misfit(f"needs {wanted}, not {_shown(value)}")
    return value


def _any_of(members: tuple[Any, ...], value: Any) -> Any:
    reasons = []
    exact = sorted(members, key=lambda member: type(value) is not member)
    for member in exact:
        try:
            return convert(member, value)
        except Misfit as wrong:
            reasons.append(str(wrong).removeprefix("needs ").partition(", not ")[0])
    raise Misfit(f"needs {' or '.join(dict.fromkeys(reasons))}, not {_shown(value)}")


def _of_class(concrete: type, parts: tuple[Any, ...], value: Any) -> Any:
    name = concrete.__name__
    if concrete is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return float(_only(number, value, "a number")) if type(value) is int else _only(number, value, "a number")
    if concrete is int:
        return _only(isinstance(value, int) and not isinstance(value, bool), value, "a whole number (int)")
    if isinstance(value, concrete):
        return _inside(concrete, parts, value) if parts else value
    if isinstance(value, str) and concrete in _FROM_TEXT:
        return _made(_FROM_TEXT[concrete], value, f"a {name} such as an ISO text")
    if issubclass(concrete, enum.Enum):
        return _member(concrete, value)
    if isinstance(value, Mapping) and dataclasses.is_dataclass(concrete):
        return _dataclass(concrete, value)
    if isinstance(value, Mapping) and hasattr(concrete, "model_validate"):
        return _made(concrete.model_validate, value, f"what {name} takes")
    if isinstance(value, list) and issubclass(concrete, tuple | set | frozenset):
        return _inside(concrete, parts, concrete(value))  # JSON has only lists
    protocol = getattr(concrete, "_is_protocol", False)
    return value if protocol else _only(False, value, f"{_article(name)} {name}")


def _inside(concrete: type, parts: tuple[Any, ...], value: Any) -> Any:
    """Return a container with its parts as they are annotated."""
    if isinstance(value, Mapping) and len(parts) == 2:
        pairs = [(convert(parts[0], key), convert(parts[1], item)) for key, item in value.items()]
        return dict(pairs) if type(value) is dict else value
    if isinstance(value, tuple) and parts[1:] != (Ellipsis,):
        if len(parts) != len(value):
            raise Misfit(f"needs {len(parts)} values, not {len(value)}")
        return tuple(convert(part, item) for part, item in zip(parts, value, strict=True))
    if isinstance(value, list | tuple | set | frozenset) and type(value) in (list, tuple, set, frozenset):
        return type(value)(convert(parts[0], item) for item in value)
    return value


def _member(concrete: type[enum.Enum], value: Any) -> Any:
    for member in concrete:
        if member.value == value or member.name == value:
            return member
    raise Misfit(f"needs one of {', '.join(member.name for member in concrete)}, not {_shown(value)}")


def _dataclass(concrete: Any, value: Mapping[str, Any]) -> Any:
    hints = hints_of(concrete)
    fields = {each.name: each for each in dataclasses.fields(concrete) if each.init}
    _check_keys(value, fields, [name for name, each in fields.items() if _needed(each)])
    return _made(
        lambda given: concrete(**{key: convert(hints.get(key, ANY), item) for key, item in given.items()}),
        value,
        f"what {concrete.__name__} takes",
    )


def _needed(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _typed_dict(annotation: Any, value: Any) -> Any:
    _only(isinstance(value, Mapping), value, "a dict")
    hints = hints_of(annotation)
    _check_keys(value, hints, annotation.__required_keys__)
    return {key: convert(hints[key], item) for key, item in value.items()}


def _check_keys(value: Mapping[str, Any], known: Collection[str], needed: Collection[str]) -> None:
    unknown, missing = [k for k in value if k not in known], sorted(k for k in needed if k not in value)
    if unknown:
        raise Misfit(f"knows no {', '.join(map(repr, unknown))}; it has {', '.join(known) or 'nothing'}")
    if missing:
        raise Misfit(f"needs {', '.join(map(repr, missing))}")


def _made(make: Callable[[Any], Any], value: Any, wanted: str) -> Any:
    try:
        return make(value)
    except Misfit:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise Misfit(f"needs {wanted}, not {_shown(value)}: {reason}") from None


def hints_of(thing: Any) -> dict[str, Any]:
    """Return the annotations of a function or class as types, without those that cannot be resolved."""
    try:
        return get_type_hints(thing, include_extras=True)
    except Exception:
        pass
    found: dict[str, Any] = {}
    for name, annotation in getattr(inspect.unwrap(thing), "__annotations__", {}).items():
        holder = type("Holder", (), {"__annotations__": {name: annotation}})
        try:
            found |= get_type_hints(holder, getattr(thing, "__globals__", None), include_extras=True)
        except Exception:
            continue
    return found


def _article(name: str) -> str:
    return "an" if name[:1].lower() in "aeiou" else "a"


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:
        text = "..."
    kind = type(value).__name__
    return f"{kind} {text}" if len(text) <= 60 else f"{_article(kind)} {kind}"
