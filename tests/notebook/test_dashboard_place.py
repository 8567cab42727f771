"""The host apart of a dashboard: closing one dashboard while another's host is made must not stand in its own way."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from nbflow.engine.host import Host
from nbflow.notebook.dashboard import Dashboard, place
from nbflow.storage.folder import FolderStorage


def test_the_garbage_collector_may_close_one_while_a_host_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = (place.Place(FolderStorage(tmp_path / name)) for name in ("old", "new"))
    kept = old.host()

    def collecting(*args: Any) -> Host:
        old.close()  # as a finalizer does, in whatever thread the collector happens to run
        return Host(*args)

    monkeypatch.setattr(place, "Host", collecting)
    made = threading.Thread(target=new.host, daemon=True)
    made.start()
    made.join(10)
    assert not made.is_alive(), "it waits for a lock that it holds itself"
    assert not kept.engine.thread.is_alive()
    new.close()


def test_collecting_a_dashboard_waits_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closing, may_end = threading.Event(), threading.Event()

    def slow(self: Dashboard) -> None:
        closing.set()
        assert may_end.wait(30)
        close(self)

    close = Dashboard.close
    monkeypatch.setattr(Dashboard, "close", slow)
    board = Dashboard(place.Place(FolderStorage(tmp_path)))
    board.__del__()  # as the collector calls it, in whatever thread and under whatever lock
    assert closing.wait(30), "it is closed all the same"
    may_end.set()
