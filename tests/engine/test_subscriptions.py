"""Subscriptions: order, once each, gaps that are told, and what happens when the storage or a value fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from nbflow.engine.notices import event_of, events_of, place_of, publish, select
from nbflow.engine.subscriptions import EveryNamespace, Subscription
from nbflow.errors import CheckpointError, EventsPruned, StorageError
from nbflow.rules.notification import Event, Keys
from nbflow.storage.base import EventStream
from nbflow.storage.memory import MemoryStorage
from tests.engine.tools import LONG, until


@pytest.fixture
def stream() -> EventStream:
    """Give an empty stream."""
    return MemoryStorage().stream("default")


@pytest.fixture
def opened() -> Iterator[list[Any]]:
    """Collect subscriptions and close them at the end."""
    found: list[Any] = []
    yield found
    for each in found:
        each.close()


def send(stream: EventStream, *values: Any, key: str = "k") -> None:
    publish(stream, [(key, value, None) for value in values])


class Loses:
    """A value whose copy cannot be made."""

    def __reduce__(self) -> Any:
        return _raise, ()


def _raise() -> Any:
    raise RuntimeError("no such thing any more")


def test_events_come_in_order_and_once_each(stream: EventStream, opened: list[Any]) -> None:
    heard: list[Event] = []
    send(stream, *range(2500))
    subscription = Subscription(stream, heard.extend, begin="earliest")
    opened.append(subscription.start())
    send(stream, *range(2500, 2510))
    until(lambda: len(heard) >= 2510)
    assert [(event.offset, event.value) for event in heard] == [(n + 1, n) for n in range(2510)]
    until(lambda: subscription.position == 2511)


def test_what_is_sent_after_it_was_made_is_delivered_though_it_starts_later(
    stream: EventStream, opened: list[Any]
) -> None:
    heard: list[Event] = []
    send(stream, "before")
    subscription = Subscription(stream, heard.extend)
    send(stream, "after")
    opened.append(subscription.start())
    until(lambda: heard)
    assert [event.value for event in heard] == ["after"]


def test_a_slow_listener_does_not_hold_another_one(stream: EventStream, opened: list[Any]) -> None:
    inside, go_on, heard = threading.Event(), threading.Event(), list[Event]()

    def hold(events: list[Event]) -> None:
        inside.set()
        assert go_on.wait(LONG)

    opened += [Subscription(stream, hold).start(), Subscription(stream, heard.extend).start()]
    send(stream, 1)
    assert inside.wait(LONG)
    send(stream, 2)
    until(lambda: len(heard) == 2)
    go_on.set()


def test_a_coroutine_may_listen(stream: EventStream, opened: list[Any]) -> None:
    heard: list[Event] = []

    async def listen(events: list[Event]) -> None:
        heard.extend(events)

    opened.append(Subscription(stream, listen).start())
    send(stream, 1)
    until(lambda: heard)


def test_a_listener_may_end_itself(stream: EventStream) -> None:
    heard: list[int] = []

    def once(events: list[Event]) -> None:
        heard.append(len(events))
        subscription.close()

    subscription = Subscription(stream, once).start()
    send(stream, 1)
    until(lambda: heard)
    witness: list[Event] = []
    other = Subscription(stream, witness.extend).start()
    send(stream, 2)
    until(lambda: witness)
    other.close()
    assert heard == [1]


def test_a_listener_that_retries_for_ever_ends_with_close(
    stream: EventStream, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("nbflow.engine.subscriptions.PAUSE", 0.001)
    monkeypatch.setattr("nbflow.engine.subscriptions.LONGEST_PAUSE", 0.001)
    tries: list[int] = []

    def refuse(events: list[Event]) -> None:
        tries.append(events[0].offset)
        raise ValueError("never")

    subscription = Subscription(stream, refuse, retries=None).start()
    send(stream, 1, 2)
    until(lambda: len(tries) > 6)
    subscription.close()
    assert set(tries) == {1}
    assert subscription.position == 1
    shown = capsys.readouterr().err
    assert "ValueError: never" in shown and "nbflow/engine" not in shown


def test_a_value_that_cannot_be_loaded_is_shown_and_the_others_come(
    stream: EventStream, opened: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    heard: list[Event] = []
    opened.append(Subscription(stream, heard.extend).start())
    send(stream, 1, Loses(), 3)
    until(lambda: len(heard) == 2)
    assert [event.value for event in heard] == [1, 3]
    assert "skips event 2" in capsys.readouterr().err


def test_who_is_behind_a_pruning_is_told_and_goes_on(
    stream: EventStream, opened: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    heard: list[Event] = []
    gaps: list[tuple[int, int]] = []

    def tell(first: int, last: int) -> None:
        gaps.append((first, last))
        raise ValueError("as well")

    send(stream, *range(5))
    stream.prune(4)
    opened.append(Subscription(stream, heard.extend, begin=2, on_gap=tell).start())
    until(lambda: len(heard) == 2)
    assert gaps == [(2, 3)]
    assert "as well" in capsys.readouterr().err


def test_a_storage_that_fails_for_a_moment_loses_nothing(
    stream: EventStream, opened: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("nbflow.engine.subscriptions.LONGEST_PAUSE", 0.01)
    heard: list[Event] = []
    read, failures = stream.read, iter([StorageError("the disk is away")])

    def fail_once(begin: int, limit: int = 1000) -> Any:
        for failure in failures:
            raise failure
        return read(begin, limit)

    monkeypatch.setattr(stream, "read", fail_once)
    opened.append(Subscription(stream, heard.extend).start())
    send(stream, 1)
    until(lambda: heard)
    assert "the disk is away" in capsys.readouterr().err


def test_a_wrong_option_is_refused_before_anything_starts(stream: EventStream) -> None:
    with pytest.raises(ValueError, match="on_error"):
        Subscription(stream, print, on_error="ignore")
    with pytest.raises(TypeError, match="event_keys"):
        Subscription(stream, print, keys=[5])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="one namespace"):
        EveryNamespace(MemoryStorage(), print, begin=3)


def test_all_namespaces_are_heard_in_one_call_at_a_time(opened: list[Any]) -> None:
    storage, calls, together = MemoryStorage(), threading.Semaphore(1), list[Event]()

    def listen(events: list[Event]) -> None:
        assert calls.acquire(blocking=False), "two calls at once"
        together.extend(events)
        calls.release()

    for name in "abc":
        send(storage.stream(name), 0)
    opened.append(EveryNamespace(storage, listen).start())
    for number in range(1, 20):
        for name in "abcd":
            send(storage.stream(name), number)
    until(lambda: len(together) == 76)
    for name in "abcd":
        assert [event.value for event in together if event.namespace == name] == list(range(1, 20))


# ---- notices ----


def test_a_unit_is_stored_whole_or_not_at_all(stream: EventStream) -> None:
    with pytest.raises(CheckpointError):
        publish(stream, [("a", 1, None), ("b", threading.Lock(), None)])
    assert stream.bounds() == (1, 1)
    receipts = publish(stream, [("a", 1, None), ("b", 2, "id"), ("c", 3, "id")], sender="me", run="r", task="t")
    assert [(each.key, each.offset, each.duplicate) for each in receipts] == [
        ("a", 1, False), ("b", 2, False), ("b", 2, True),
    ]  # fmt: skip
    (first, second) = events_of(stream, stream.read(1))
    assert (first.sender, first.run, first.task, second.id, second.payload) == ("me", "r", "t", "id", 2)


def test_each_reader_has_a_value_of_its_own(stream: EventStream) -> None:
    send(stream, {"list": [1]})
    (pair,) = stream.read(1)
    event_of(stream, *pair).value["list"].append(2)
    assert event_of(stream, *pair).value == {"list": [1]}


def test_a_choice_of_events_is_read_in_pages(stream: EventStream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nbflow.engine.notices.PAGE", 3)
    for number in range(10):
        send(stream, number, key=f"k{number % 2}")
    assert [offset for offset, _ in select(stream, keys=Keys("k1"))] == [2, 4, 6, 8, 10]
    assert [offset for offset, _ in select(stream, keys=Keys(), begin=4, end=8)] == [4, 5, 6, 7]
    stream.prune(3)
    assert next(select(stream, keys=Keys()))[0] == 3
    with pytest.raises(EventsPruned):
        next(select(stream, keys=Keys(), begin=1))
    assert (place_of(stream, 0), place_of(stream, "now"), place_of(stream, None)) == (1, 11, 3)
