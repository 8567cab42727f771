"""AIFlow, rows A1 to A14: keyed events, their listeners, and how long they are kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import nbflow as nf
from nbflow.errors import EventsPruned
from nbflow.rules import Event, ListenerProcessor, NotificationClient
from nbflow.storage.folder import FolderStorage
from nbflow.testing import MemoryStorage
from tests.engine.tools import LONG, finish, until


@pytest.fixture(params=["folder", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Give an empty storage of each kind: every row holds on both."""
    return FolderStorage(tmp_path / "events") if request.param == "folder" else MemoryStorage()


@pytest.fixture
def client(storage: Any) -> Iterator[NotificationClient]:
    """Give a client of the default namespace."""
    with NotificationClient(storage=storage) as client:
        yield client


class Heard(ListenerProcessor):
    """Keeps what it hears; ``act`` is done first."""

    def __init__(self, act: Callable[[list[Event]], None] = lambda events: None) -> None:
        self.act = act
        self.events: list[Event] = []
        self.gaps: list[tuple[int, int]] = []

    def process(self, events: list[Event]) -> None:
        self.act(events)
        self.events.extend(events)

    def missed(self, first: int, last: int) -> None:
        self.gaps.append((first, last))

    @property
    def values(self) -> list[Any]:
        return [event.value for event in self.events]

    def wait(self, count: int) -> list[Any]:
        until(lambda: len(self.events) >= count, f"{count} events, of which there are {self.values}")
        return self.values


def test_A1_send_returns_the_offset_and_the_time(client: NotificationClient) -> None:
    before = time.time()
    first, second = client.send_event("a", "1"), client.send_event("b")
    assert (first.offset, first.key, first.namespace, second.offset) == (1, "a", "default", 2)
    assert before - 0.001 <= first.at <= second.at <= time.time()
    assert client.list_events(begin=2)[0].id == second.id


@pytest.mark.parametrize(
    "value", [None, 0, 7, 1.5, "", "text", {"a": (1, {2})}, [None], b"bytes", {1: 2}, datetime.min]
)
def test_A2_a_value_is_any_object_and_comes_back_as_it_was(client: NotificationClient, value: Any) -> None:
    heard = Heard()
    client.register_listener(heard)
    client.send_event("k", value)
    for found in (heard.wait(1)[0], client.list_events()[0].value):
        assert found == value
        assert type(found) is type(value)


def test_A2_a_key_or_an_id_that_is_no_string_is_refused(client: NotificationClient) -> None:
    for wrong in (None, 5, ""):
        with pytest.raises(TypeError, match="key"):
            client.send_event(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="id"):
        client.send_event("a", id=5)  # type: ignore[arg-type]
    assert client.count_events() == 0


def test_A3_a_listener_hears_the_keys_it_names_and_those_that_a_glob_matches(client: NotificationClient) -> None:
    exact, globs, odd = Heard(), Heard(), Heard()
    client.register_listener(exact, ["a", "b"])
    client.register_listener(globs, "model.*")
    client.register_listener(odd, "[task_status].flow.t1")
    for key in ("a", "ab", "model.trained", "b", "Model.x", "[task_status].flow.t1", "model.", "t.flow.t1"):
        client.send_event(key, key)
    last = Heard()
    client.register_listener(last, begin="earliest")
    last.wait(8)
    assert exact.wait(2) == ["a", "b"]
    assert globs.wait(2) == ["model.trained", "model."]
    # a key that is named is heard, whatever characters it has; as a glob it means one of these letters
    assert odd.wait(2) == ["[task_status].flow.t1", "t.flow.t1"]


def test_A4_a_listener_hears_its_own_namespace_and_all_of_them_only_when_asked(storage: Any) -> None:
    mine, all_of_them = Heard(), Heard()
    here = NotificationClient("mine", storage=storage)
    here.register_listener(mine)
    NotificationClient("other", storage=storage).send_event("k", "early")
    everything = NotificationClient("*", storage=storage)
    everything.register_listener(all_of_them, begin="earliest")
    for namespace in ("other", "mine", "new"):
        NotificationClient(namespace, storage=storage).send_event("k", namespace)
    assert mine.wait(1) == ["mine"]
    assert sorted(all_of_them.wait(4)) == ["early", "mine", "new", "other"]
    assert sorted(event.namespace for event in all_of_them.events) == ["mine", "new", "other", "other"]
    assert [event.value for event in everything.list_events()] == ["early", "other", "mine", "new"]
    assert everything.count_events() == 4
    with pytest.raises(ValueError, match="all namespaces"):
        everything.send_event("k")
    for client in (here, everything):
        client.close()


def test_A5_a_listener_begins_now_at_the_earliest_at_an_offset_or_at_a_moment(client: NotificationClient) -> None:
    client.send_event("k", 1)
    client.send_event("k", 2)
    time.sleep(0.002)  # a moment between two events; clocks are no finer
    moment = datetime.now(UTC)
    client.send_event("k", 3)
    starts: dict[str, Any] = {
        "now": "now", "earliest": "earliest", "second": 2, "ahead": 5, "moment": moment,
        "local": moment.astimezone().replace(tzinfo=None), "long ago": datetime(1971, 1, 1),
        "to come": datetime(2999, 1, 1),
    }  # fmt: skip
    heard = {name: Heard() for name in starts}
    for name, begin in starts.items():
        client.register_listener(heard[name], begin=begin)
    client.send_event("k", 4)
    client.send_event("k", 5)
    expected = {"now": [4, 5], "earliest": [1, 2, 3, 4, 5], "second": [2, 3, 4, 5], "ahead": [5]}
    expected |= {"moment": [3, 4, 5], "local": [3, 4, 5], "long ago": [1, 2, 3, 4, 5], "to come": [4, 5]}
    assert {name: each.wait(len(expected[name])) for name, each in heard.items()} == expected
    for wrong in (-1, "soon", 1.5, True):
        with pytest.raises((TypeError, ValueError)):
            client.register_listener(Heard(), begin=wrong)  # type: ignore[arg-type]


def test_A6_an_event_reaches_a_listener_of_the_process_within_5_ms(client: NotificationClient) -> None:
    came = threading.Semaphore(0)
    client.register_listener(lambda events: came.release())
    delays = []
    for number in range(50):
        began = time.perf_counter()
        client.send_event("k", number)
        assert came.acquire(timeout=LONG)
        delays.append(time.perf_counter() - began)
    # the quickest of 50 says what the way costs, whatever else the machine does
    assert min(delays) < 0.005


def test_A7_a_listener_that_raises_is_shown_and_kept_and_its_events_come_again(
    client: NotificationClient, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbflow.engine.subscriptions.PAUSE", 0.001)
    calls: list[Any] = []

    def fail_twice(events: list[Event]) -> None:
        calls.append(events[0].value)
        if len(calls) < 3:
            raise ValueError("not yet")

    heard = Heard(fail_twice)
    client.register_listener(heard)
    client.send_event("k", "first")
    assert heard.wait(1) == ["first"]
    assert calls == ["first"] * 3
    client.send_event("k", "second")
    assert heard.wait(2) == ["first", "second"]
    shown = capsys.readouterr().err
    assert shown.count("ValueError: not yet") == 2
    assert "Heard" in shown and "event 1" in shown and "kept" in shown


@pytest.mark.parametrize(("options", "tries"), [({"on_error": "skip"}, 1), ({"retries": 2}, 3)])
def test_A7_events_that_a_listener_never_takes_are_skipped_and_the_next_ones_come(
    client: NotificationClient, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any], tries: int,
) -> None:  # fmt: skip
    monkeypatch.setattr("nbflow.engine.subscriptions.PAUSE", 0.001)
    calls: list[Any] = []

    def refuse(events: list[Event]) -> None:
        calls.append(events[0].value)
        if events[0].value == "poison":
            raise SystemExit("even this")

    heard = Heard(refuse)
    client.register_listener(heard, **options)
    client.send_event("k", "poison")
    until(lambda: len(calls) == tries)
    client.send_event("k", "next")
    assert heard.wait(1) == ["next"]
    assert calls == ["poison"] * tries + ["next"]
    assert "skipped" in capsys.readouterr().err


def test_A8_unregister_returns_at_once_and_nothing_is_delivered_after(client: NotificationClient) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def hold(events: list[Event]) -> None:
        inside.set()
        assert go_on.wait(LONG)

    idle, busy = Heard(), Heard(hold)
    listeners = [client.register_listener(each) for each in (idle, busy)]
    client.send_event("k", 1)
    idle.wait(1)
    assert inside.wait(LONG)
    began = time.perf_counter()
    for listener in listeners:
        client.unregister_listener(listener)
        client.unregister_listener(listener)
    client.unregister_listener("nobody")
    assert time.perf_counter() - began < 1.0
    client.send_event("k", 2)
    go_on.set()
    witness = Heard()
    client.register_listener(witness, begin="earliest")
    witness.wait(2)
    assert (idle.values, busy.wait(1)) == ([1], [1])


def test_A9_an_event_that_is_sent_again_counts_once_and_has_the_first_receipt(client: NotificationClient) -> None:
    client.send_event("before")
    first = client.send_event("paid", 12, id="invoice-7")
    again = client.send_event("paid", 12, id="invoice-7")
    assert again == first
    assert (first.offset, first.duplicate, again.duplicate) == (2, False, True)
    assert client.count_events("paid") == 1
    assert client.send_event("paid", 12).offset == 3


def test_A9_the_same_id_from_many_senders_at_once_counts_once(storage: Any) -> None:
    # on a folder each sender has a storage object of its own, as in a process of its own
    places = [FolderStorage(storage.url) if isinstance(storage, FolderStorage) else storage for _ in range(8)]
    receipts: list[Any] = []
    start = threading.Barrier(8)

    def send(place: Any) -> None:
        start.wait(LONG)
        receipts.append(NotificationClient(storage=place).send_event("paid", id="one"))

    _at_once([lambda place=place: send(place) for place in places])  # type: ignore[misc]
    assert {receipt.offset for receipt in receipts} == {1}
    assert sum(receipt.duplicate for receipt in receipts) == 7


def test_A10_of_100_threads_with_one_client_all_events_are_stored_in_the_order_of_their_receipts(
    client: NotificationClient,
) -> None:
    receipts: dict[int, int] = {}

    def send(number: int) -> None:
        receipts[number] = client.send_event("k", number).offset

    _at_once([lambda number=number: send(number) for number in range(100)])  # type: ignore[misc]
    assert sorted(receipts.values()) == list(range(1, 101))
    assert {event.value: event.offset for event in client.list_events()} == receipts


def test_A11_a_range_of_offsets_or_of_time_gives_what_is_in_it(client: NotificationClient) -> None:
    other = NotificationClient(sender="other", storage=client._given)
    for number in range(1, 11):
        (client if number % 2 else other).send_event(f"k{number % 3}", number)
    chosen = {
        "range": client.list_events(begin=3, end=6), "key": client.list_events("k0"),
        "keys": client.list_events(["k1", "k2"], begin=8), "glob": client.list_events("k?", end=3),
        "sender": client.list_events(sender="other", end=7), "limit": client.list_events(limit=2),
        "none": client.list_events(begin=11), "time": client.list_events(end=datetime.now(UTC), begin=9),
    }  # fmt: skip
    assert {name: [event.value for event in events] for name, events in chosen.items()} == {
        "range": [3, 4, 5], "key": [3, 6, 9], "keys": [8, 10], "glob": [1, 2], "sender": [2, 4, 6], "limit": [1, 2],
        "none": [], "time": [9, 10],
    }  # fmt: skip
    counts = [client.count_events(), client.count_events("k0"), client.count_events(begin=3, end=6)]
    assert [*counts, client.count_events(sender="other")] == [10, 3, 3, 5]


def test_A12_a_value_of_8_MB_is_sent_by_reference(client: NotificationClient, tmp_path: Path) -> None:
    heard = Heard()
    client.register_listener(heard)
    value = bytes(range(256)) * 31_250
    client.send_event("model", value)
    client.send_event("text", "x" * 8_000_000)
    assert heard.wait(2)[0] == value
    assert client.list_events("text")[0].value == "x" * 8_000_000
    frames = list(tmp_path.rglob("tail/*"))
    assert all(path.stat().st_size < 10_000 for path in frames)


def test_A13_a_closed_client_refuses_and_its_listeners_are_silent(storage: Any) -> None:
    client, heard = NotificationClient(storage=storage), Heard()
    client.register_listener(heard)
    client.close()
    client.close()
    for use in (
        lambda: client.send_event("k"), lambda: client.send_events([("k", 1)]), lambda: client.register_listener(heard),
        client.list_events, client.count_events, lambda: client.prune(keep=1),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match="closed"):
            use()
    client.unregister_listener("listener-1")
    witness = Heard()
    with NotificationClient(storage=storage) as other:
        other.register_listener(witness)
        other.send_event("k", 1)
        witness.wait(1)
    assert heard.events == []


def test_A14_events_are_kept_until_they_are_pruned(client: NotificationClient) -> None:
    client.send_events(("k", number) for number in range(1, 8))
    time.sleep(0.002)
    moment = datetime.now(UTC)
    client.send_events(("k", number) for number in range(8, 13))
    assert client.prune(before=4) == 3
    assert [event.offset for event in client.list_events()] == list(range(4, 13))
    assert client.prune(before=moment) == 4
    assert client.prune(keep=2) == 3
    assert [event.value for event in client.list_events()] == [11, 12]
    assert client.send_event("k", 13).offset == 13
    with pytest.raises(EventsPruned, match="from offset 11"):
        client.list_events(begin=3)
    for wrong in ({}, {"before": 1, "keep": 1}, {"keep": -1}):
        with pytest.raises(ValueError):
            client.prune(**wrong)


def test_A14_a_listener_that_had_not_come_so_far_is_told(
    client: NotificationClient, capsys: pytest.CaptureFixture[str]
) -> None:
    client.send_events(("k", number) for number in range(1, 6))
    client.prune(before=4)
    heard = Heard()
    client.register_listener(heard, begin=2)
    assert heard.wait(2) == [4, 5]
    assert heard.gaps == [(2, 3)]
    assert "missed events 2 to 3" in capsys.readouterr().err


@pytest.mark.parametrize("executor", ["thread", "inline", "process"])
def test_a_task_on_any_executor_sends_and_says_which_task_it_was(executor: str) -> None:
    @nf.task(executor=executor, name="train")
    def train(value: int) -> int:
        from nbflow.rules import NotificationClient

        return NotificationClient().send_event("trained", value).offset

    heard = Heard()
    with NotificationClient() as client:
        client.register_listener(heard, "trained")
        assert nf.run(train.bind(3), workflow_id="r") == 1
        heard.wait(1)
    (event,) = heard.events
    assert (event.value, event.run, event.sender) == (3, "r", f"r/{event.task}")
    assert event.task.startswith("train")


def test_a_client_goes_with_a_function_to_another_process() -> None:
    client = NotificationClient("models", sender="me")

    @nf.task(executor="process")
    async def send() -> Any:
        return (await client.asend_event("k", 1)).offset

    assert nf.run(send.bind(), workflow_id="r") == 1
    (event,) = client.list_events()
    assert (event.sender, event.run) == ("me", "r")


def test_a_program_of_its_own_sends_and_a_listener_here_hears_it(folder: Path) -> None:
    heard = Heard()
    with NotificationClient() as client:
        client.register_listener(heard)
        finish(nf_script(folder, "client.send_event('k', {'from': 'there'}); client.send_event('k', 2)"))
        assert heard.wait(2) == [{"from": "there"}, 2]


def nf_script(folder: Path, code: str) -> Any:
    from tests.engine.tools import script

    begin = "import sys; from nbflow.rules import NotificationClient; client = NotificationClient(storage=sys.argv[1])"
    return script(f"{begin}\n{code}", folder)


def _at_once(acts: list[Callable[[], Any]]) -> None:
    failed: list[BaseException] = []

    def run(act: Callable[[], Any]) -> None:
        try:
            act()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert not failed, failed
