"""How the payload of an event becomes the arguments of its handler, and why one is refused.

None is no arguments. A dict is unpacked into named arguments, where defaults count and a name that the handler does not
have is refused; for a handler with one parameter a dict that does not name it is itself the value. Anything else is the
value of the one parameter. ``refusal`` says the same from the form in the journal, for doors that have no code.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin

from ..core.fields import schema_of
from ..core.form import validate
from ..core.graph import Json
from .convert import ANY, Misfit, accepts_none, convert

_PLAIN: dict[Any, str] = {
    str: "string", int: "integer", float: "number", bool: "boolean", list: "array", tuple: "array", set: "array",
}  # fmt: skip
_SCALARS: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,),
    "array": (list, tuple, set, frozenset),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a handler after ``ctx``."""

    name: str
    annotation: Any = ANY
    required: bool = True


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a handler after ``ctx``; ``more`` when it has ``**kwargs``, ``coerce`` when text is read."""

    named: tuple[Parameter, ...] = ()
    more: bool = False
    coerce: bool = False

    def take(self, payload: Any) -> tuple[dict[str, Any], str]:
        """Return the arguments that a payload gives, and a warning ('' for none). Raises Misfit with the reason."""
        given, warning = arrange(payload, self.form(), self._dict_fits)
        arguments = {}
        known = {each.name: each for each in self.named}
        for name, value in given.items():
            arguments[name] = self._argument(known[name], value) if name in known else value
        return arguments, warning

    def _argument(self, parameter: Parameter, value: Any) -> Any:
        try:
            return convert(parameter.annotation, value)
        except Misfit as wrong:
            if self.coerce and isinstance(value, str):
                read = self._read(parameter, value)
                if read is not None:
                    return convert(parameter.annotation, read)
            raise Misfit(f"{parameter.name!r} {wrong}") from None

    def _read(self, parameter: Parameter, text: str) -> Any:
        try:
            schema = schema_of({parameter.name: parameter.annotation})
        except TypeError:
            return None
        clean, errors = validate(schema, {parameter.name: text})
        return None if errors else clean[parameter.name]

    def _dict_fits(self, payload: Any) -> bool:
        """Tell whether the only parameter wants a whole dict."""
        try:
            convert(self.named[0].annotation, payload)
        except Misfit:
            return False
        return self.named[0].annotation is not ANY

    def form(self) -> Json:
        """Return the parameters as JSON: name, required, what it takes if that is plain, takes None, takes any dict."""
        return {
            "params": [
                [p.name, p.required, self._plain(p), accepts_none(p.annotation), self._dict_fits({"?": 0})]
                for p in self.named
            ],
            "more": self.more,
        }

    def _plain(self, parameter: Parameter) -> Json | None:
        return None if self.coerce else plain(parameter.annotation)


def plain(annotation: Any) -> Json | None:
    """Return what an annotation takes if any door can tell that without code: a scalar or a list, or None of it."""
    members = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    rest = [member for member in members if member is not type(None)]
    kind = _PLAIN.get(get_origin(rest[0]) or rest[0]) if len(rest) == 1 and isinstance(rest[0], Hashable) else None
    return None if kind is None else {"type": kind, "nullable": len(rest) < len(members)}


def arrange(payload: Any, form: Json, dict_fits: Callable[[Any], bool]) -> tuple[dict[str, Any], str]:
    """Return the arguments that a payload gives by their names, not checked yet, and a warning. Raises Misfit."""
    params, more = form["params"], form["more"]
    needed = [name for name, required, *_ in params if required]
    if not params and not more:
        return {}, "" if payload is None else "the handler takes no payload: it is left out"
    if payload is None:
        if len(params) == 1 and needed and params[0][3]:
            return {params[0][0]: None}, ""
        if needed:
            raise Misfit(f"it needs a payload: {_names(needed)}")
        return {}, ""
    if isinstance(payload, Mapping) and all(isinstance(key, str) for key in payload):
        if len(params) != 1 or more or (params[0][0] in payload and not _whole(payload, params[0][0], dict_fits)):
            return _unpacked(payload, params, needed, more), ""
        return {params[0][0]: payload}, ""
    if len(params) == 1:
        return {params[0][0]: payload}, ""
    wanted = _names([name for name, *_ in params]) or "names and values"
    raise Misfit(f"it needs a dict with {wanted}, not {_article(type(payload).__name__)}")


def _whole(payload: Mapping[str, Any], name: str, dict_fits: Callable[[Any], bool]) -> bool:
    """Tell whether a dict that has the parameter's name among others is meant as its value."""
    return len(payload) > 1 and bool(dict_fits(payload)) and not dict_fits(payload[name])


def _unpacked(payload: Mapping[str, Any], params: list[Any], needed: list[str], more: bool) -> dict[str, Any]:
    names = [name for name, *_ in params]
    unknown = [] if more else [key for key in payload if key not in names]
    missing = [name for name in needed if name not in payload]
    if unknown:
        raise Misfit(f"it has no parameter {_names(unknown)}; it has {_names(names)}")
    if missing:
        raise Misfit(f"{_names(missing)} missing in the payload")
    return dict(payload)


def refusal(form: Json, payload: Any) -> tuple[str, str]:
    """Return why a payload is refused, and a warning, as far as the form in the journal can tell ('' and '' for fine).

    >>> form = {"params": [["qty", True, {"type": "integer", "nullable": False}, False, False]], "more": False}
    >>> refusal(form, "two")
    ("'qty' needs an integer, not str 'two'", '')
    >>> refusal(form, {"qty": 2})
    ('', '')
    """
    try:
        given, warning = arrange(payload, form, lambda value: isinstance(value, Mapping) and form["params"][0][4])
    except Misfit as wrong:
        return str(wrong), ""
    for name, _, field, *_ in form["params"]:
        if field is None or name not in given:
            continue
        value, kind = given[name], field["type"]
        fits = isinstance(value, _SCALARS[kind]) and (kind == "boolean" or not isinstance(value, bool))
        if not fits and not (value is None and field["nullable"]):
            return f"{name!r} needs {_article(kind)}, not {type(value).__name__} {value!r:.60}", ""
    return "", warning


def _names(names: list[str]) -> str:
    return ", ".join(map(repr, names))


def _article(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
