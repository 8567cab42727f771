"""An answer is checked by one law, whichever door it came through."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbflow.core.form import check_answer, defaults, option_kind, validate

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["stage", "reason"],
    "properties": {
        "stage": {"enum": ["canary", "production"]},
        "traffic": {"type": "integer", "minimum": 0, "maximum": 100, "multipleOf": 5, "default": 10},
        "reason": {"type": "string", "minLength": 5},
        "share": {"type": "number", "exclusiveMinimum": 0, "nullable": True},
        "notify": {"type": "boolean", "default": True},
        "when": {"type": "string", "format": "date", "nullable": True},
        "checks": {"type": "array", "items": {"enum": ["bias", "drift"]}, "uniqueItems": True, "default": ["bias"]},
        "extra": {"type": "object", "nullable": True},
    },
}
GOOD = {"stage": "canary", "reason": "good numbers"}


def test_clean_values_name_every_field() -> None:
    clean, errors = validate(SCHEMA, GOOD)
    assert errors == {}
    assert clean == {
        "stage": "canary",
        "traffic": 10,
        "reason": "good numbers",
        "share": None,
        "notify": True,
        "when": None,
        "checks": ["bias"],
        "extra": None,
    }


def test_an_untouched_form_holds_its_defaults() -> None:
    assert defaults(SCHEMA)["traffic"] == 10
    assert defaults(SCHEMA)["stage"] is None
    assert list(defaults(SCHEMA)) == list(SCHEMA["properties"])


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("stage", "moon", "Choose one of canary, production"),
        ("stage", None, "Needed"),
        ("traffic", 7, "Must be a multiple of 5"),
        ("traffic", 105, "Must be from 0 to 100"),
        ("traffic", 7.5, "Must be a whole number"),
        ("traffic", True, "Must be a whole number"),
        ("traffic", "many", "Must be a whole number"),
        ("reason", "no", "At least 5 characters"),
        ("reason", "", "Needed"),
        ("reason", 12345, "Must be text"),
        ("share", 0, "Must be more than 0"),
        ("share", float("nan"), "Must be a number"),
        ("share", "1e999", "Must be a number"),
        ("notify", "perhaps", "Must be yes or no"),
        ("when", "30.11.2026", "Must be a date, such as 2026-11-30"),
        ("checks", ["bias", "luck"], "Choose one of bias, drift"),
        ("checks", ["bias", "bias"], "Must not name anything twice"),
        ("checks", 3, "Must be a list"),
        ("extra", "[1]", 'Must be a JSON object, such as {"key": 1}'),
        ("extra", {"a": object()}, 'Must be a JSON object, such as {"key": 1}'),
    ],
)
def test_a_wrong_value_gets_its_message_and_spares_the_others(field: str, value: Any, message: str) -> None:
    clean, errors = validate(SCHEMA, {**GOOD, field: value})
    assert errors == {field: message}
    assert field not in clean
    assert set(clean) == set(SCHEMA["properties"]) - {field}


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("traffic", "15", 15),
        ("traffic", " 15 ", 15),
        ("traffic", 15.0, 15),
        ("share", "0.25", 0.25),
        ("notify", "no", False),
        ("checks", "bias, drift", ["bias", "drift"]),
        ("extra", '{"a": 1}', {"a": 1}),
        ("when", "2026-11-30", "2026-11-30"),
    ],
)
def test_text_is_taken_where_it_can_only_mean_one_thing(field: str, text: Any, value: Any) -> None:
    clean, errors = validate(SCHEMA, {**GOOD, field: text})
    assert errors == {}
    assert clean[field] == value and type(clean[field]) is type(value)


def test_true_is_not_taken_for_one() -> None:
    schema = {"properties": {"level": {"enum": [0, 1, 2]}}}
    assert validate(schema, {"level": True})[1] == {"level": "Choose one of 0, 1, 2"}
    assert validate(schema, {"level": "1"})[0] == {"level": 1}


def test_a_cleared_list_or_text_stays_cleared_and_a_cleared_number_has_its_default() -> None:
    schema = {
        "properties": {
            "tags": {"type": "array", "items": {"type": "string"}, "default": ["x"]},
            "note": {"type": "string", "default": "hello"},
            "count": {"type": "integer", "default": 3},
            "limit": {"type": "integer", "default": 3, "nullable": True},
        }
    }
    clean, _ = validate(schema, {"tags": [], "note": "", "count": None, "limit": None})
    assert clean == {"tags": [], "note": "", "count": 3, "limit": None}


def test_a_field_that_is_not_there_is_an_error_unless_the_schema_allows_more() -> None:
    assert "typo" in validate(SCHEMA, {**GOOD, "typo": 1})[1]
    assert validate({"properties": {}, "additionalProperties": True}, {"more": 1}) == ({"more": 1}, {})


PROMPT = {"options": ["approve", "reject"], "fields": SCHEMA, "require_comment": True}


def test_nobody_has_to_fill_in_a_form_to_say_no() -> None:
    assert set(check_answer(PROMPT, "approve", {}, "fine")[1]) == {"stage", "reason"}
    assert check_answer(PROMPT, "reject", {}, "too risky")[1] == {}


def test_what_was_filled_in_is_checked_even_in_a_refusal() -> None:
    assert set(check_answer(PROMPT, "reject", {"traffic": 7}, "no")[1]) == {"traffic"}


def test_a_required_comment_and_an_unknown_option_are_errors() -> None:
    errors = check_answer(PROMPT, "publish", GOOD, "  ")[1]
    assert errors == {"option": "Choose one of approve, reject", "comment": "Needed"}


def test_a_question_without_fields_takes_no_values() -> None:
    assert check_answer({"options": ["yes"], "fields": None}, "yes", {}) == ({}, {})


@pytest.mark.parametrize(
    ("option", "kind"),
    [
        ("approve", "approve"),
        ("Yes, publish", "approve"),
        ("reject", "reject"),
        ("no_thanks", "reject"),
        ("ask", ""),
        ("", ""),
        ("nobody", ""),
    ],
)
def test_the_kind_of_an_option_follows_its_first_word(option: str, kind: str) -> None:
    assert option_kind(option) == kind


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
filled_in = st.fixed_dictionaries({}, optional=dict.fromkeys(SCHEMA["properties"], anything))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(filled_in)
def test_whatever_comes_in_either_is_exact_json_or_has_a_message(values: dict[str, Any]) -> None:
    clean, errors = validate(SCHEMA, values)
    assert set(clean) | set(errors) == set(SCHEMA["properties"])
    assert not set(clean) & set(errors)
    assert json.loads(json.dumps(clean, allow_nan=False)) == clean


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(filled_in)
def test_clean_values_are_clean_the_second_time(values: dict[str, Any]) -> None:
    clean, _ = validate(SCHEMA, values)
    again, errors = validate(SCHEMA, clean, complete=False)
    assert {name: again[name] for name in clean} == clean
    assert not set(errors) & set(clean)
