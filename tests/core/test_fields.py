"""Forms made from what users already have: signatures, classes, models, schemas."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
from collections.abc import Callable
from typing import Annotated, Any, Literal, NewType, NotRequired, TypedDict

import cloudpickle
import pytest
from pydantic import BaseModel, Field

from nbflow.core.fields import schema_of


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


Percent = NewType("Percent", int)


def decide(
    stage: Literal["canary", "production"],
    traffic: Annotated[int, range(0, 101, 5)] = 10,
    reason: Annotated[str, "Kept with the decision", {"minLength": 5, "format": "textarea"}] = "",
    color: Color = Color.RED,
    notify: bool = True,
    when: dt.date | None = None,
    checks: list[Literal["a", "b"]] = ["a"],  # noqa: B006
    **rest: Any,
) -> None: ...


def test_a_signature_becomes_a_form() -> None:
    schema = schema_of(decide)
    assert schema["required"] == ["stage"]
    assert schema["properties"] == {
        "stage": {"title": "Stage", "enum": ["canary", "production"]},
        "traffic": {
            "title": "Traffic",
            "type": "integer",
            "minimum": 0,
            "maximum": 100,
            "multipleOf": 5,
            "default": 10,
        },
        "reason": {
            "title": "Reason",
            "type": "string",
            "description": "Kept with the decision",
            "minLength": 5,
            "format": "textarea",
            "default": "",
        },
        "color": {"title": "Color", "enum": ["red", "blue"], "default": "red"},
        "notify": {"title": "Notify", "type": "boolean", "default": True},
        "when": {"title": "When", "type": "string", "format": "date", "nullable": True},
        "checks": {"title": "Checks", "type": "array", "items": {"enum": ["a", "b"]}, "default": ["a"]},
    }


def test_parameters_that_no_person_fills_in_are_skipped() -> None:
    def handler(ctx, amount: float, note="?"): ...  # type: ignore[no-untyped-def]

    schema = schema_of(handler, skip=("ctx",))
    assert list(schema["properties"]) == ["amount", "note"]
    assert schema["required"] == ["amount"]


def test_a_parameter_without_annotation_takes_the_type_of_its_default() -> None:
    schema = schema_of(lambda share=0.5, count=3, text="x", maybe=None: None)
    kinds = {name: field["type"] for name, field in schema["properties"].items()}
    assert kinds == {"share": "number", "count": "integer", "text": "string", "maybe": "string"}


@dataclasses.dataclass
class Release:
    version: str
    share: float = 0.5
    tags: list[str] = dataclasses.field(default_factory=lambda: ["new"], metadata={"description": "Shown in the list"})
    hidden: int = dataclasses.field(default=0, init=False)


class Choice(TypedDict):
    stage: str
    note: NotRequired[str]


class Model(BaseModel):
    stage: Literal["a", "b"] = "a"
    count: int = Field(3, ge=0, le=9, description="How many")
    color: Color = Color.RED
    limit: float | None = None
    name: str = Field(min_length=2)


def test_a_dataclass_becomes_a_form() -> None:
    schema = schema_of(Release)
    assert list(schema["properties"]) == ["version", "share", "tags"]
    assert schema["properties"]["tags"] == {
        "title": "Tags",
        "type": "array",
        "items": {"type": "string"},
        "description": "Shown in the list",
        "default": ["new"],
    }
    assert schema["required"] == ["version"]


def test_a_typed_dict_becomes_a_form() -> None:
    schema = schema_of(Choice)
    assert schema["required"] == ["stage"]
    assert schema["properties"]["note"]["nullable"] is True


def test_a_pydantic_model_becomes_a_form_without_references_or_unions() -> None:
    schema = schema_of(Model)
    assert schema["properties"]["color"]["enum"] == ["red", "blue"]
    assert schema["properties"]["color"]["default"] == "red"
    assert schema["properties"]["limit"] == {"title": "Limit", "type": "number", "nullable": True, "default": None}
    assert schema["properties"]["count"]["description"] == "How many"
    assert schema["required"] == ["name"]
    assert "$ref" not in json.dumps(schema) and "anyOf" not in json.dumps(schema)


def test_pydantic_limits_are_understood_in_a_signature() -> None:
    def form(
        count: Annotated[int, Field(gt=0, le=9, title="How many?")], tags: Annotated[list[str], Field(min_length=1)]
    ) -> None: ...

    form.__annotations__ = {
        "count": Annotated[int, Field(gt=0, le=9, title="How many?")],
        "tags": Annotated[list[str], Field(min_length=1)],
    }
    fields = schema_of(form)["properties"]
    assert fields["count"] == {"title": "How many?", "type": "integer", "exclusiveMinimum": 0, "maximum": 9}
    assert fields["tags"] == {"title": "Tags", "type": "array", "items": {"type": "string"}, "minItems": 1}


def test_a_json_schema_is_taken_as_it_is() -> None:
    given = {
        "type": "object",
        "required": ["a"],
        "properties": {
            "a": {"type": ["integer", "null"], "title": "A"},
            "b": {"const": 3},
            "c": {"oneOf": [{"const": "x", "title": "X"}, {"const": "y"}]},
            "d": {"$ref": "#/$defs/D"},
            "e": {},
        },
        "$defs": {"D": {"type": "string", "maxLength": 4}},
    }
    before = json.dumps(given)
    schema = schema_of(given)
    assert schema["properties"] == {
        "a": {"title": "A", "type": "integer", "nullable": True},
        "b": {"title": "B", "enum": [3]},
        "c": {"title": "C", "enum": ["x", "y"]},
        "d": {"title": "D", "type": "string", "maxLength": 4},
        "e": {"title": "E", "type": "string"},
    }
    assert json.dumps(given) == before


def test_settling_a_schema_twice_changes_nothing() -> None:
    for source in (decide, Release, Choice, Model):
        once = schema_of(source)
        assert schema_of(once) == once


def test_a_mapping_of_names_to_types_becomes_a_form() -> None:
    schema = schema_of({"amount": int, "share": Percent, "extra": dict[str, int] | None})
    assert {name: field["type"] for name, field in schema["properties"].items()} == {
        "amount": "integer",
        "share": "integer",
        "extra": "object",
    }
    assert schema["required"] == ["amount", "share"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"a": int | str}, "'a'"),
        ({"b": object}, "'b'"),
        (object, "no form can be made"),
        (3, "no form can be made"),
        ({"properties": {"c": {"$ref": "#/$defs/gone"}}}, "'c'"),
        ({"properties": {"d": {"type": "string", "pattern": "("}}}, "'d'"),
    ],
)
def test_what_no_form_can_hold_is_refused_by_name(fields: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        schema_of(fields)


def test_an_annotation_that_is_not_there_is_named() -> None:
    def form(x: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(TypeError, match="Nowhere"):
        schema_of(form)


@pytest.mark.parametrize("source", [decide, Release, Choice, Model])
def test_every_form_is_exact_json(source: Callable[..., Any]) -> None:
    schema = schema_of(source)
    assert json.loads(json.dumps(schema, allow_nan=False)) == schema


def test_a_dataclass_of_a_notebook_keeps_its_required_fields_over_a_pickle() -> None:
    @dataclasses.dataclass
    class Alarm:
        threshold: float
        wards: list[str] = dataclasses.field(default_factory=lambda: ["oncology"])

    again = cloudpickle.loads(cloudpickle.dumps(Alarm))
    assert schema_of(again) == schema_of(Alarm)
    assert schema_of(again)["required"] == ["threshold"]
