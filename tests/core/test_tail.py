"""Only the last lines of a text are kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.core.tail import tail_of


@pytest.mark.parametrize(
    ("text", "lines", "size", "expected"),
    [
        ("", 2, 9, ""),
        ("a\nb\nc\n", 2, 9, "b\nc\n"),
        ("a\nb\nc", 2, 9, "b\nc"),
        ("aaa\nbbb\n", 9, 5, "bbb\n"),
        ("aaa\nbbb\n", 9, 4, "bbb\n"),
        ("x" * 100, 9, 10, "x" * 10),
        ("aaa\nbbbbbb\n", 9, 5, "bbbb\n"),
    ],
)
def test_the_end_of_a_text(text: str, lines: int, size: int, expected: str) -> None:
    assert tail_of(text, lines, size) == expected


@given(st.text("ab\n", max_size=30), st.integers(1, 5), st.integers(1, 12))
def test_a_tail_is_an_end_within_its_limits_and_never_empty_for_nothing(text: str, lines: int, size: int) -> None:
    tail = tail_of(text, lines, size)
    assert text.endswith(tail)
    assert len(tail) <= size and tail.removesuffix("\n").count("\n") < lines
    assert bool(tail) == bool(text)


@given(st.text("ab\n", max_size=30), st.text("ab\n", max_size=30), st.integers(1, 5), st.integers(1, 12))
def test_what_fell_off_before_is_not_missed_later(old: str, new: str, lines: int, size: int) -> None:
    whole = tail_of(old + new, lines, size)
    assert tail_of(tail_of(old, lines, size) + new, lines, size) == whole or len(old + new) > size
