"""Who may ask, from the head of a request alone."""

from __future__ import annotations

import pytest

from nbflow.http.guard import MOST, Bucket, Buckets, Guard, name_in


@pytest.mark.parametrize(
    "host", ["", "127.0.0.1@evil.example", "evil.example:80", "localhost.evil.example", "[::1", ":"]
)
def test_only_its_own_names_are_known(host: str) -> None:
    refused = Guard([]).check({"Host": host})
    assert refused is not None and refused.status == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8000", "[::1]:8000", "LOCALHOST", "mine.example:1"])
def test_its_own_names_are_known_at_any_port(host: str) -> None:
    assert Guard(["Mine.Example"]).check({"Host": host}) is None


def test_an_address_is_a_good_name_only_where_everybody_may_come_in() -> None:
    head = {"Host": "192.168.1.5:8000"}
    assert Guard([], by_address=True).check(head) is None
    assert Guard([]).check(head) is not None
    assert Guard([], by_address=True).check({"Host": "192.168.1.5.evil.example"}) is not None


def test_a_page_may_be_opened_from_anywhere_but_not_asked_from_elsewhere() -> None:
    opened = {"Host": "localhost", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert Guard([]).check(opened, opens_page=True) is None
    assert Guard([]).check(opened) is not None
    assert Guard([]).check({**opened, "Sec-Fetch-Mode": "no-cors"}, opens_page=True) is not None
    assert Guard([]).check({**opened, "Origin": "https://evil.example"}, opens_page=True) is not None


def test_a_bucket_fills_with_time_and_no_further_than_its_brim() -> None:
    now = [0.0]
    bucket = Bucket(2, 3, lambda: now[0])
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    now[0] = 0.5
    assert [bucket.take() for _ in range(2)] == [True, False]
    now[0] = 100
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


def test_each_name_has_its_bucket_and_not_all_names_are_remembered() -> None:
    buckets = Buckets(0, 1, lambda: 0.0)
    assert buckets.take("a") and not buckets.take("a") and buckets.take("b")
    for n in range(MOST):
        buckets.take(str(n))
    assert len(buckets._known) == MOST


def test_a_name_is_what_stands_before_the_port() -> None:
    assert [name_in(host) for host in ("A:1", "[::1]:1", "a/b", "a?b", "a#b")] == ["a", "::1", "", "", ""]
