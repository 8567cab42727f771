"""Many senders at once: every 200 is in a journal once, and every event in a journal was sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import nbflow as nf
from tests import figures
from tests.bench import over_http
from tests.engine.conftest import limit

__all__ = ["limit"]


@pytest.fixture(autouse=True)
def host() -> Iterator[None]:
    """Leave the host to the measurement."""
    yield
    nf.shutdown()


@pytest.mark.slow
def test_500_senders_lose_nothing_and_double_nothing(tmp_path: Path, soak: bool) -> None:
    seconds = 20.0 if soak else 2.0
    runs = 4 if not soak else 40
    found, journal = over_http.ours(tmp_path / "runs", 500, seconds, runs)
    sent = {event: status for event, status, _ in found["answers"]}
    figures.count("events", len(sent))
    figures.count("lost", len({event for event, status in sent.items() if status == 200} - {*journal}))
    figures.count("doubled", journal.total() - len(journal))
    over_http.check(found, journal)
    assert {status for _, status, _ in found["answers"]} == {200}
