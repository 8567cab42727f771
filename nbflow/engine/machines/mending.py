"""What a person decides about an event that could not be handled: again, changed, or never."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ...core import machine as m
from ...core import records as r
from ...core.codec import encode
from ...core.state import RunState
from ...errors import RunIsLive
from ...storage import values
from ..summary import summary_of
from .doors import door

if TYPE_CHECKING:
    from ..host import Host


async def mend(host: Host, workflow_id: str, event_id: str, act: str, by: str, payload: Any) -> None:
    """Retry, edit or discard an event that lies aside, or that the handler of a failed run holds.

    In a run that nobody runs the decision is stored, and counts when it is resumed. Raises ValueError for an unknown
    event and for a payload that does not fit, RunIsLive for a run of another process.
    """
    live = host.runners.get(workflow_id)
    if live is not None and not live.outcome.done():
        record = _record(live.state, event_id, act, by, live.now(), payload, live.blobs, running=True)
        await live.commit(record)
        return
    if live is not None:
        await live.gone.wait()
    await asyncio.to_thread(_mend_stored, host, workflow_id, event_id, act, by, payload)


def _mend_stored(host: Host, workflow_id: str, event_id: str, act: str, by: str, payload: Any) -> None:
    from ..host import fold

    entry = host.storage.entry(workflow_id)
    if entry is not None and entry.live:
        raise RunIsLive(workflow_id, f"Run {workflow_id!r} is live in another process: decide about its events there.")
    journal = host.storage.open_run(workflow_id)
    try:
        state = fold(journal.records)
        now = round(host.clock.time(), 3)
        record = _record(state, event_id, act, by, now, payload, journal, running=False)
        records = [r.RunOpened(now), record]
        journal.append([encode(each) for each in records])
        state.handle_all(records)
        journal.write_status(summary_of(state))
    finally:
        journal.close()


def _record(
    state: RunState, event_id: str, act: str, by: str, now: float, payload: Any, blobs: Any, *, running: bool
) -> r.Record:
    machine = m.machine_of(state)
    found = held(machine, running)
    if machine is None or event_id not in found:
        known = ", ".join(map(repr, found)) or "none"
        raise ValueError(f"run {state.workflow_id!r} has no event {event_id!r} set aside; there are: {known}")
    if act == "discard":
        return m.EventDiscarded(state.driver, event_id, now, by)
    if act == "retry":
        return m.EventRetried(state.driver, event_id, now, by)
    key = machine.name_of(found[event_id].key)
    refused, reason = door(state, key, payload)
    if refused:
        raise ValueError(f"the event {event_id!r} cannot be changed so: {reason}")
    return m.EventRetried(state.driver, event_id, now, by, values.encode(payload, blobs))


def held(machine: m.Machine | None, running: bool) -> dict[str, r.EventReceived]:
    """Return the events about which a person may decide: those set aside, and that of a handler which failed."""
    if machine is None:
        return {}
    found = {event_id: aside.event for event_id, aside in machine.aside.items()}
    current = machine.current
    if not running and current is not None and current.event is not None:
        found[current.event.event_id] = current.event
    return found
