"""What senders are told: also inside an async task, also when an event is too large or too many wait."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import nbflow as nf
from nbflow.core.inbox import MAX_PENDING
from nbflow.engine import ending, events
from nbflow.engine.events import Sending
from nbflow.engine.host import Host
from tests.engine.tools import until

MEBIBYTE = 1 << 20


def waiting(dag: Any, workflow_id: str = "w") -> nf.Run:
    run = nf.run_async(dag, workflow_id=workflow_id)
    until(lambda: run.state.counts["waiting"])
    return run


def test_an_async_task_awaits_the_receipt() -> None:
    waiting(nf.wait_for_event("go"))

    @nf.task
    async def tell() -> list[str]:
        early = await nf.send("w", "later", 1, id="e1")
        again = await nf.get_run("w").send("later", 1, id="e1")
        taken = await nf.send("w", "go", 2)
        return [early.status, again.status, taken.status, taken.node]

    assert nf.run(tell.bind()) == ["queued", "duplicate", "delivered", "wait_for_go"]
    assert nf.get_output("w") == 2


def test_an_event_that_nobody_awaits_goes_all_the_same_and_tells_no_lies() -> None:
    run = waiting(nf.wait_for_event("go"))

    @nf.task
    async def tell() -> tuple[str, bool]:
        sending = nf.send("w", "go", 7)
        with pytest.raises(TypeError, match=r"await run\.send"):
            bool(sending)
        return sending.status, isinstance(sending, Sending)

    assert nf.run(tell.bind()) == ("sending", True)
    assert run.result(20) == 7


def test_an_async_task_can_send_to_a_run_that_nobody_runs() -> None:
    waiting(nf.wait_for_event("go")).detach()

    @nf.task
    async def tell() -> str:
        return (await nf.send("w", "go", 3)).status

    assert nf.run(tell.bind()) == "queued"
    assert nf.resume("w") == 3


def test_a_receipt_can_be_awaited_everywhere() -> None:
    run = waiting(nf.wait_for_event("go"))

    async def tell() -> nf.Receipt:
        return await run.send("go", 1)

    assert asyncio.run(tell()).status == "delivered"


@pytest.mark.parametrize("live", [True, False])
def test_a_payload_that_is_too_large_is_rejected_and_the_run_is_as_before(live: bool) -> None:
    run = waiting(nf.wait_for_event("go"))
    if not live:
        run.detach()
    refused = nf.send("w", "go", "x" * (MEBIBYTE + 1))
    assert (refused.status, bool(refused)) == ("rejected", False)
    assert str(MEBIBYTE) in refused.reason and "send its name" in refused.reason
    assert nf.send("w", "go", "x" * (MEBIBYTE - 1000))
    assert len(run.result(20) if live else nf.resume("w")) == MEBIBYTE - 1000


def test_when_too_many_events_wait_only_one_that_somebody_waits_for_is_taken() -> None:
    run = waiting(nf.wait_for_event("go"))

    @nf.task
    async def fill() -> set[str]:
        receipts = [run.send("junk", n) for n in range(MAX_PENDING)]
        return {(await receipt).status for receipt in receipts}

    assert nf.run(fill.bind()) == {"queued"}
    refused = run.send("junk", "one more")
    assert (refused.status, f"{MAX_PENDING} events wait already" in refused.reason) == ("rejected", True)
    assert run.send("go", 1).status == "delivered"
    assert run.result(20) == 1
    assert len(nf.get_metadata("w")["undelivered"]) == MAX_PENDING


def test_when_too_many_events_lie_for_a_run_that_nobody_runs_the_next_is_rejected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from nbflow.storage import inbox

    monkeypatch.setattr(inbox, "MAX_PENDING", 3)
    waiting(nf.wait_for_event("go")).detach()
    assert [nf.send("w", "junk", n).status for n in range(4)] == ["queued"] * 3 + ["rejected"]


def test_events_of_a_key_are_taken_in_the_order_in_which_they_came() -> None:
    @nf.task
    def after(before: list[int], event: int) -> Any:
        seen = [*before, event]
        return seen if len(seen) == 20 else nf.continuation(after.bind(seen, nf.wait_for_event("k")))

    run = nf.run_async(after.bind([], nf.wait_for_event("k")))
    for number in range(20):
        assert run.send("k", number)
    assert run.result(20) == [*range(20)]


# ---- just as a run ends ----


def leave_one() -> None:
    """Leave an event in the inbox of the run, as another process would, and give its owner no time to look."""
    assert events.leave(nf.home.default_host().storage, "w", "late", 1, "e1", "").status == "queued"


def test_what_was_left_when_the_last_task_ended_is_listed_as_taken_by_nobody() -> None:
    @nf.task(executor="inline")
    def last() -> None:
        leave_one()

    nf.run(last.bind(), workflow_id="w")
    assert nf.get_metadata("w")["undelivered"] == ["e1"]


def test_what_was_left_when_the_run_is_canceled_is_listed_as_taken_by_nobody(host: Host) -> None:
    waiting(nf.wait_for_event("go"))

    async def leave_and_cancel() -> None:
        leave_one()
        await ending._cancel(host, "w", "")

    host.engine.call(leave_and_cancel)
    assert nf.get_metadata("w")["undelivered"] == ["e1"]


def test_what_was_left_for_a_run_that_is_canceled_where_it_lies_is_listed_as_taken_by_nobody() -> None:
    waiting(nf.wait_for_event("go")).detach()
    leave_one()
    nf.cancel("w")
    assert nf.get_metadata("w")["undelivered"] == ["e1"]
