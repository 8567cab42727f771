"""Keyed events as values, and which keys a listener wants."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbflow.rules
from nbflow.rules.notification import Event, Keys, ListenerProcessor

KEY = st.text(st.sampled_from("ab.*?[]"), min_size=1, max_size=5)


@given(patterns=st.lists(KEY, min_size=1, max_size=3), key=KEY)
def test_a_key_is_wanted_when_it_is_named_or_a_glob_matches_it(patterns: list[str], key: str) -> None:
    assert (key in Keys(patterns)) == any(key == each or fnmatchcase(key, each) for each in patterns)


def test_no_keys_are_all_keys() -> None:
    for keys in (Keys(), Keys(None), Keys([])):
        assert "anything" in keys
    assert repr(Keys("a")) == "Keys(['a'])"


@pytest.mark.parametrize("wrong", [[1], [""], [None]])
def test_what_is_no_key_is_refused(wrong: list[str]) -> None:
    with pytest.raises(TypeError, match="event_keys"):
        Keys(wrong)


def test_an_event_is_a_value_and_hides_nothing() -> None:
    event = Event("k", 1, offset=3)
    assert event == Event("k", 1, offset=3) and event.payload == 1
    with pytest.raises(AttributeError):
        event.key = "other"  # type: ignore[misc]


def test_a_processor_without_process_says_what_to_define() -> None:
    with pytest.raises(NotImplementedError, match="def process"):
        ListenerProcessor().process([])


@pytest.mark.parametrize("name", ["Event", "EventReceipt", "Keys", "ListenerProcessor", "NotificationClient"])
def test_the_names_of_the_room_are_there(name: str) -> None:
    assert name in nbflow.rules.__all__ and name in dir(nbflow.rules)
    assert getattr(nbflow.rules, name).__doc__


def test_a_name_that_is_not_there_says_so() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        nbflow.rules.nothing  # noqa: B018
