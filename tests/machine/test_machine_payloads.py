"""Payloads and annotations: each rule by itself, and that the form in the journal never refuses what the code takes."""

from __future__ import annotations

import datetime as dt
import enum
import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NewType, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.machine.convert import Misfit, convert
from nbflow.machine.definition import Handler
from nbflow.machine.payloads import refusal


class Colour(enum.Enum):
    RED = "r"


@dataclass
class Point:
    x: float
    tags: list[str] = field(default_factory=list)


class Box(TypedDict):
    size: int


Id = NewType("Id", str)


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (int, 3, 3), (float, 3, 3.0), (bool, True, True), (str, "", ""), (Any, object, object), (None, None, None),
        (int | None, None, None), (int | str, "7", "7"), (Literal["a", 1], 1, 1), (Colour, "r", Colour.RED),
        (Colour, "RED", Colour.RED), (dt.date, "2026-01-02", dt.date(2026, 1, 2)), (Id, "x", "x"),
        (list[float], [1, 2], [1.0, 2.0]), (dict[str, int], {"a": 1}, {"a": 1}), (tuple[int, str], [1, "a"], (1, "a")),
        (tuple[int, ...], [1, 2], (1, 2)), (set[int], [1, 1], {1}), (Annotated[int, range(5)], 3, 3),
        (Point, {"x": 1}, Point(1.0)), (Point, Point(2), Point(2)), (Box, {"size": 1}, {"size": 1}),
        (list[Point], [{"x": 1}], [Point(1.0)]), (dict, {"any": 1}, {"any": 1}), ("unknown", 3, 3),
        (dt.datetime, "2026-01-02T03:04:05+00:00", dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)),
    ],
)  # fmt: skip
def test_a_value_is_taken_as_its_annotation_says(annotation: Any, value: Any, expected: Any) -> None:
    found = convert(annotation, value)
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize(
    ("annotation", "value", "why"),
    [
        (int, "7", "whole number"), (int, True, "whole number"), (int, 1.5, "whole number"), (float, "1", "a number"),
        (str, 1, "a str"), (None, 1, "nothing"), (int | None, "x", "whole number (int) or nothing"),
        (Literal["a", "b"], "c", "one of 'a', 'b'"), (Literal[1], True, "one of 1"), (Colour, "blue", "one of RED"),
        (dt.date, "soon", "ISO text"), (list[int], ["a"], "whole number"), (tuple[int, int], [1], "2 values"),
        (Point, {"y": 1}, "knows no 'y'"), (Point, {}, "needs 'x'"), (Point, {"x": "a"}, "a number"),
        (Box, {"size": "a"}, "whole number"), (Box, {}, "needs 'size'"), (dict[str, int], {"a": "b"}, "whole number"),
        (Point, 3, "a Point"), (list[int], {"a": 1}, "a list"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_refused_with_what_is_needed(annotation: Any, value: Any, why: str) -> None:
    with pytest.raises(Misfit, match=why.replace("(", r"\(").replace(")", r"\)")):
        convert(annotation, value)


def test_a_value_with_a_repr_that_raises_is_refused_all_the_same() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError

    with pytest.raises(Misfit, match=r"not Odd \.\.\."):
        convert(int, Odd())


def handlers() -> list[Handler]:
    def none(ctx: Any) -> None: ...
    def one(ctx: Any, n: int) -> None: ...
    def bare(ctx: Any, anything) -> None: ...  # type: ignore[no-untyped-def]
    def optional(ctx: Any, n: int | None = None) -> None: ...
    def whole(ctx: Any, item: dict[str, Any]) -> None: ...
    def thing(ctx: Any, item: Point) -> None: ...
    def two(ctx: Any, a: str, b: float = 1.0) -> None: ...
    def many(ctx: Any, a: str, **rest: Any) -> None: ...
    def listed(ctx: Any, items: list[int], flag: bool = False) -> None: ...
    def any_of_them(ctx: Any, x: Any, a: object = None) -> None: ...
    def unions(ctx: Any, n: int | str, b: bool | None = None) -> None: ...
    def others(ctx: Any, item: Literal["a"] | None = None, b: Colour | None = None) -> None: ...
    def sets(ctx: Any, items: set[str], other: tuple[int, ...] = ()) -> None: ...

    functions = (none, one, bare, optional, whole, thing, two, many, listed, any_of_them, unions, others, sets)
    return [Handler("w", "event", f.__name__, f) for f in functions]


HANDLERS = handlers()
SCALARS = (
    st.sets(st.text(max_size=1), max_size=1)
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=3)
)
KEYS = st.sampled_from(["n", "a", "b", "item", "items", "x", "other", "anything", "flag"])
PAYLOADS = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(KEYS, SCALARS | st.lists(SCALARS, max_size=2))


@given(st.sampled_from(HANDLERS), PAYLOADS)
def test_what_the_form_refuses_the_code_refuses_too_and_what_the_code_takes_can_be_called(
    handler: Handler, payload: Any
) -> None:
    form = json.loads(json.dumps(handler.parameters.form()))
    reason, warning = refusal(form, payload)
    try:
        arguments, warned = handler.parameters.take(payload)
    except Misfit as wrong:
        assert str(wrong)
        return
    assert reason == "", f"{handler.signature} takes {payload!r}"
    assert warning == warned
    handler.check((), arguments)


def test_text_is_read_only_where_that_was_asked_for() -> None:
    def pay(ctx: Any, amount: float, day: dt.date | None = None) -> None: ...

    strict, lenient = Handler("w", "event", "pay", pay), Handler("w", "event", "pay", pay, coerce=True)
    with pytest.raises(Misfit, match="'amount' needs a number"):
        strict.parameters.take({"amount": "1.5"})
    assert lenient.parameters.take({"amount": "1.5", "day": "2026-01-02"})[0] == {
        "amount": 1.5, "day": dt.date(2026, 1, 2)
    }  # fmt: skip
    with pytest.raises(Misfit):
        lenient.parameters.take({"amount": "much"})


def test_a_handler_becomes_a_form_when_a_form_can_hold_it() -> None:
    def approve(ctx: Any, by: str = "?", amount: int = 1) -> None:
        """Approve the order.

        More of it.
        """

    def frame(ctx: Any, data: complex) -> None: ...
    def bare(ctx: Any) -> None: ...

    prompt = Handler("w", "event", "approve_order", approve).prompt
    assert prompt is not None
    assert (prompt["title"], prompt["message"], prompt["options"]) == (
        "Approve order", "Approve the order.", ["approve_order"]
    )  # fmt: skip
    assert [*prompt["fields"]["properties"]] == ["by", "amount"]
    assert Handler("w", "event", "frame", frame).prompt is None
    plain = Handler("w", "event", "bare", bare).prompt
    assert plain is not None and (plain["kind"], plain["fields"]) == ("button", None)
