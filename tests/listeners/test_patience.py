"""A broker that is away is waited for, for so long and no longer; secrets are named, not stored."""

from __future__ import annotations

import asyncio

import pytest

from nbflow.listeners.broker import Patience, resolved


def test_patience_ends_and_begins_anew_when_the_broker_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    now, pauses = [0.0], list[float]()

    async def sleep(seconds: float) -> None:
        pauses.append(round(seconds, 3))
        now[0] += seconds

    async def scene() -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now[0])
        monkeypatch.setattr(asyncio, "sleep", sleep)
        patience = Patience(1.0)
        for _ in range(3):
            await patience.failed(OSError("away"))
        assert pauses == [0.05, 0.1, 0.2]
        patience.worked()
        pauses.clear()
        with pytest.raises(OSError, match="away"):
            for _ in range(100):
                await patience.failed(OSError("away"))
        assert pauses == [0.05, 0.1, 0.2, 0.4, 0.25]

    asyncio.run(scene())


def test_a_setting_that_names_a_variable_is_read_where_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER", "redis://there")
    assert (resolved("env:BROKER"), resolved("plain"), resolved(5)) == ("redis://there", "plain", 5)
    monkeypatch.delenv("BROKER")
    with pytest.raises(LookupError, match="'BROKER'"):
        resolved("env:BROKER")
