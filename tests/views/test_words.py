"""Durations, short names and clean text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.views import words


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0 ms"),
        (0.34, "340 ms"),
        (0.9996, "1.0 s"),
        (1.44, "1.4 s"),
        (59.96, "1 m 00 s"),
        (125, "2 m 05 s"),
        (3599.6, "1 h 00 m"),
        (12_000, "3 h 20 m"),
        (190_000, "2 d 04 h"),
    ],
)
def test_a_duration_is_said_as_people_say_it(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


@given(st.text(), st.floats(60, 400))
def test_a_short_name_fits_and_keeps_its_end(text: str, room: float) -> None:
    short = words.shorten(text, room, 12.5)
    assert short == text or short.endswith(text[-8:])
    fits = words.text_width(short, 12.5) <= room
    assert fits or words.text_width(words.ELLIPSIS + text[-8:], 12.5) > room


@given(st.text())
def test_clean_text_can_go_anywhere_and_is_clean_once_for_all(text: str) -> None:
    found = words.clean(text)
    found.encode()
    assert words.clean(found) == found
    assert "\x1b" not in found and "\x00" not in found


@given(st.text())
def test_one_line_is_one_line_and_not_too_long(text: str) -> None:
    line = words.one_line(text, 20)
    assert len(line.splitlines()) <= 1
    assert len(line) <= 20


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<Thing object at 0x7f3ab4c5d0>", "<Thing object>"),
        ("at 0x7f3ab4c5d0 it was", " it was"),
        ("flags 0x1f", "flags 0x1f"),
        ("0xdeadbeef", ""),
    ],
)
def test_addresses_go_and_small_numbers_stay(text: str, left: str) -> None:
    assert words.without_addresses(text) == left


def test_an_error_is_its_class_and_the_first_line_of_its_message() -> None:
    assert words.error_line({"type": "KeyError", "message": "\n'plan'\nmore"}) == "KeyError: 'plan'"
    assert words.error_line({"type": "KeyError"}) == "KeyError"
    assert words.error_line(None) == ""


def test_counts_are_said_with_what_is_finished_first() -> None:
    assert words.counted({"p": 2, "f": 1, "s": 12_000}) == "12\u2009000 done, 1 failed, 2 pending"
