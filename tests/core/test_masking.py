"""The laws of masking: a known value is in no text that was masked, and nothing that holds it is let through."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.core import masking
from nbflow.errors import CheckpointError


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    before, masking.known = masking.known, None
    yield
    masking.known = before


@given(st.text(min_size=masking.SHORTEST, max_size=40), st.text(max_size=30), st.text(max_size=30))
def test_a_value_is_masked_wherever_it_stands_and_however_it_is_written(value: str, before: str, after: str) -> None:
    masking.known = None
    masking.learn("NAME", value)
    for form in (value, repr(value)[1:-1], json.dumps(value)[1:-1]):
        text = masking.mask(f"{before}{form}{after}")
        assert form not in text.replace(masking.MASK, "\0")
        with pytest.raises(CheckpointError, match=r"Secret\('NAME'\)"):
            masking.refuse("It", f"{before}{form}{after}")
        raw = f"{before}{form}{after}".encode("utf-8", "surrogatepass")
        with pytest.raises(CheckpointError):
            masking.refuse("It", "fine", memoryview(raw))


def test_each_line_of_a_value_with_several_is_looked_for() -> None:
    masking.learn("PEM", "-----BEGIN-----\nMIIEvQIBADANBg\nabc\n")
    assert masking.mask("key: MIIEvQIBADANBg abc") == "key: ******** abc"


def test_a_short_value_is_not_looked_for() -> None:
    masking.learn("NAME", "1234567")
    assert masking.known is None and masking.mask("1234567") == "1234567"


def test_an_exception_is_masked_with_all_behind_it_and_in_it() -> None:
    masking.learn("NAME", "canary-value")
    inner = ValueError("canary-value", 3)
    inner.add_note("with canary-value")
    outer = ExceptionGroup("group", [inner, KeyError("canary-value")])
    cause = OSError(2, "canary-value", "canary-value.txt")
    outer.__cause__ = cause
    cause.__context__ = outer  # a circle
    masking.mask_error(outer)
    assert inner.args == ("********", 3) and inner.__notes__ == ["with ********"]
    assert outer.exceptions[1].args == ("********",) and cause.args[1] == "********"


def test_an_exception_that_cannot_be_changed_is_left() -> None:
    class Stubborn(Exception):
        def __setattr__(self, name: str, value: object) -> None:
            raise AttributeError(name)

    masking.learn("NAME", "canary-value")
    masking.mask_error(Stubborn("canary-value"))


def test_a_document_is_masked_in_all_its_texts() -> None:
    document = {"a": ["x canary-value", 1, None], "canary-value": {"b": "canary-value"}}
    assert masking.mask_all(document) is document
    masking.learn("NAME", "canary-value")
    assert masking.mask_all(document) == {"a": ["x ********", 1, None], "********": {"b": "********"}}
