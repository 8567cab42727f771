"""A question is found by each of its names, and by no name of a question that its node asks no more."""

from __future__ import annotations

from nbflow.core.asked import Asked
from nbflow.core.records import WaitOpened


def wait(key: str, title: object = None, token: int = 1) -> WaitOpened:
    return WaitOpened(0, token, 1.0, key, prompt={"kind": "button", "title": title})


def test_a_question_has_three_names() -> None:
    asked = Asked()
    asked.add(3, "node", wait("key", "Publish?"))
    asked.add(1, "other", wait("other", "Publish?"))
    assert [asked.named(name) for name in ("key", "node", "Publish?", "other", "no")] == [[3], [3], [1, 3], [1], []]
    assert [*asked] == [3, 1] and len(asked) == 2


def test_the_next_question_of_a_node_takes_the_place_of_the_one_before() -> None:
    asked = Asked()
    for token in range(100):
        asked.add(0, "approve", wait(f"approve@{token}", "Approve"))
    assert asked.named("approve@98") == [] and asked.named("approve@99") == asked.named("Approve") == [0]
    assert len(asked._by_name) == 3
    asked.discard(0)
    asked.discard(0)
    assert len(asked) == len(asked._by_name) == 0


def test_a_title_that_is_no_text_is_no_name() -> None:
    asked = Asked()
    asked.add(0, "node", wait("key", ["list"]))
    again = Asked()
    for index, names in asked.names():
        again.take(index, [*names])
    assert again.names() == asked.names() == [(0, ("key", "node"))]
