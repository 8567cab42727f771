"""The outcome of a run that still opens is that of the run, however the opening ends."""

from __future__ import annotations

import concurrent.futures
from typing import Any

import pytest

import nbflow as nf
from nbflow.engine.host import Host
from nbflow.engine.outputs import chained
from nbflow.engine.runner import Runner
from nbflow.storage.base import RunJournal
from nbflow.storage.folder import FolderStorage
from tests.engine.tools import Gate, until


def test_who_waits_for_a_run_whose_opening_is_given_up_does_not_wait_for_ever() -> None:
    opening: concurrent.futures.Future[Runner] = concurrent.futures.Future()
    outcome = chained(opening)
    opening.cancel()
    opening.set_running_or_notify_cancel()
    with pytest.raises(concurrent.futures.CancelledError):
        outcome.result(50)


class Stopped:
    """A future of which whoever waits is stopped at once: nobody can choose the moment of a real Ctrl-C."""

    def __init__(self, future: concurrent.futures.Future[Any]) -> None:
        self.add_done_callback = future.add_done_callback

    def result(self) -> Any:
        raise KeyboardInterrupt


@pytest.mark.parametrize("way", ["run", "run_async", "resume"])
def test_a_run_that_is_stopped_while_it_opens_is_let_go(way: str, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, begins, opens, told = Gate(), host.engine.start, FolderStorage.open_run, list[str]()
    nf.run_async(nf.wait_for_event("go"), workflow_id="w").detach()

    def start(coroutine: Any, *args: Any) -> Any:
        future = begins(coroutine, *args)
        return Stopped(future) if coroutine in (host.run, host.resume) else future

    def slow(storage: FolderStorage, workflow_id: str, *, takeover: bool = False) -> RunJournal:
        gate.wait()
        return opens(storage, workflow_id, takeover=takeover)

    monkeypatch.setattr(FolderStorage, "open_run", slow)
    monkeypatch.setattr(host.engine, "start", start)
    monkeypatch.setattr(host, "tell", told.append)
    with pytest.raises(KeyboardInterrupt):
        nf.resume("w") if way == "resume" else getattr(nf, way)(nf.wait_for_event("go"), workflow_id="w")
    assert "'w' was stopped while it began" in told[0]
    gate.reached()
    gate.open.set()
    until(lambda: not host.opening and not host.runners)
    assert nf.get_status("w") == "RESUMABLE"
