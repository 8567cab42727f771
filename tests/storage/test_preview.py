"""Previews: short, on one line, without addresses, and they never fail."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbflow.storage.preview import MAX_CHARACTERS, preview, type_name


class Plain:
    pass


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class Tall:
    def __repr__(self) -> str:
        return "first\n   second"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        ("text", "'text'"),
        ([1, 2], "[1, 2]"),
        ({"b": 1, "a": 2}, "{'b': 1, 'a': 2}"),
        (Plain(), "<storage.test_preview.Plain object>"),
        (Broken(), "<storage.Broken>"),
        (Tall(), "first second"),
        (np.zeros((3, 4)), "ndarray 3 x 4 of float64"),
        (np.float64(1.5), "np.float64(1.5)"),
        (pd.DataFrame({"a": [1]}), "DataFrame 1 x 1: a"),
        (pd.Series([1, 2]), "Series 2 of int64"),
        pytest.param(10**5000, "<int of 16610 bits>", id="huge"),
        ([[[[[[1]]]]]], "[[[[[...]]]]]"),
    ],
)
def test_a_preview_says_what_matters(value: Any, text: str) -> None:
    assert preview(value) == text


@pytest.mark.parametrize("value", ["x" * 10_000, [0] * 10_000, {str(n): n for n in range(10_000)}, b"x" * 10_000])
def test_a_large_value_has_a_short_preview(value: Any) -> None:
    assert len(preview(value)) <= MAX_CHARACTERS


def test_a_table_with_many_columns_shows_the_first() -> None:
    assert preview(pd.DataFrame(np.zeros((2, 100)))).endswith("10, 11, ...")


@settings(deadline=None)
@given(
    st.recursive(st.none() | st.text() | st.integers(), lambda part: st.lists(part) | st.tuples(part), max_leaves=20)
)
def test_a_preview_is_one_line(value: Any) -> None:
    text = preview(value)
    assert len(text) <= MAX_CHARACTERS
    assert "\n" not in text


def test_a_type_is_named_with_its_library() -> None:
    assert [type_name(value) for value in (1, np.zeros(1), pd.DataFrame())] == [
        "int",
        "numpy.ndarray",
        "pandas.DataFrame",
    ]
