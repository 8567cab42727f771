"""What a person can ask of a run of a state machine, and do to its events."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from ... import views
from ...core.codec import decode
from ...core.graph import Json
from ...core.machine import machine_of
from ...core.records import EventReceived
from ...core.state import RunState
from ...core.status import NodeStatus
from ...core.tell import moment, tell
from ...storage import values
from . import mending

if TYPE_CHECKING:
    from ...views.machine import Description
    from ..host import Host
    from ..runner import Runner

_AT_WORK = (NodeStatus.QUEUED, NodeStatus.RUNNING, NodeStatus.RETRYING, NodeStatus.COMMITTING)


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """One record of a run: ``number`` counts from 0, ``at`` is in UTC seconds, ``kind`` is its tag in the journal."""

    number: int
    at: float | None
    kind: str
    what: str

    def __str__(self) -> str:
        return f"#{self.number} {self.what}"


@dataclass(frozen=True, slots=True)
class SetAside:
    """An event that could not be handled: why, and what it brought."""

    id: str
    event: str
    payload: Any
    error: str
    at: float
    by: str = ""


class MachineActs:
    """The part of a run's handle that is about state machines."""

    if TYPE_CHECKING:
        _host: Host
        workflow_id: str

        @property
        def state(self) -> RunState: ...

    def settle(self, timeout: float = 60.0) -> Self:
        """Wait until the run has done all that it can: it waits, sleeps or is over. Return the run.

        For tests and tutorials, where the next line looks at what an event has brought about. Raises TimeoutError after
        ``timeout`` seconds.

        >>> import nbflow as nf
        >>> nf.run_async(nf.wait_for_event(nf.ButtonListener, "Publish?")).settle().questions
        ['publish']
        """
        try:
            self._host.engine.call(_settle, self._host, self.workflow_id, timeout)
        except TimeoutError:
            raise TimeoutError(f"Run {self.workflow_id!r} was still at work after {timeout:g} seconds.") from None
        return self

    def describe(self) -> Description:
        """Return how a run of a state machine stands: its state, what it waits for, until when. Raises ValueError.

        >>> import nbflow as nf
        >>> door = nf.Workflow("Door")
        >>> @door.start()
        ... def start(ctx):
        ...     return ctx.next.wait_for_event()
        >>> @door.event()
        ... def knock(ctx):
        ...     return ctx.next.complete("come in")
        >>> run = nf.start_workflow(door)
        >>> bool(run.send("knock"))
        True
        >>> run.result(), str(run.describe())
        ('come in', 'Door: SUCCESSFUL, successful')
        """
        found: Description = self._looked_at(views.describe)
        return found

    def machine(self) -> Json:
        """Return a state machine as data for tables and pictures: states, moves, the inbox. Raises ValueError."""
        found: Json = self._looked_at(views.machine_view)
        return found

    def history(self) -> list[HistoryEvent]:
        """Return all records of the run, oldest first, each told in words."""
        records = [record for wire in self._host.storage.read_run(self.workflow_id) if (record := decode(wire))]
        return [HistoryEvent(i, moment(record), record.tag, tell(record)) for i, record in enumerate(records)]

    def query(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Ask a state machine with one of its ``@query`` functions; works while it is busy, and after its end.

        Raises ValueError for an unknown query, and what the function raises.
        """
        from . import queries  # lazily: few runs are state machines, and this loads what drives them

        return queries.query(self._host, self.workflow_id, name, args, kwargs)

    @property
    def set_aside(self) -> list[SetAside]:
        """The events that lie aside since they could not be handled, oldest first."""
        blobs = self._host.storage.blobs(self.workflow_id)
        found: list[SetAside] = self._looked_at(lambda state: _set_aside(state, blobs))
        return found

    def retry_event(self, id: str, *, by: str = "") -> None:
        """Handle an event that lies aside once more, before those that wait. Raises ValueError for an unknown one.

        Of a failed run it is also the event at which it failed, to be handled when the run is resumed.
        """
        self._mend(id, "retry", by)

    def discard_event(self, id: str, *, by: str = "") -> None:
        """Forget an event that lies aside, or at which the run failed: resumed, it waits again. As ``retry_event``."""
        self._mend(id, "discard", by)

    def edit_event(self, id: str, payload: Any, *, by: str = "") -> None:
        """Handle an event that lies aside with another payload. Raises ValueError for one that does not fit."""
        self._mend(id, "edit", by, payload)

    def terminate(self, reason: str = "") -> None:
        """Cancel the run at once, in the middle of a handler too. Raises WorkflowError when it has ended already."""
        from .. import ending  # it looks at runs in every state, and knows none of machines

        ending.cancel(self._host, self.workflow_id, reason, at_once=True)

    def _mend(self, event_id: str, act: str, by: str, payload: Any = None) -> None:
        self._host.engine.call(mending.mend, self._host, self.workflow_id, event_id, act, by, payload)

    def _looked_at(self, look: Any) -> Any:
        live = self._host.runners.get(self.workflow_id)
        if live is None or self._host.engine.inside:
            return look(self.state)
        return self._host.engine.call(_look, live.state, look)


async def _settle(host: Host, workflow_id: str, timeout: float) -> None:
    async with asyncio.timeout(timeout):
        while (live := host.runners.get(workflow_id)) is not None:
            if live.outcome.done():
                await live.gone.wait()
            elif _rests(live) and not live.pending:
                return
            await asyncio.sleep(0.002)


def _rests(live: Runner) -> bool:
    """Tell whether a run can only be moved by an event, a person or the clock."""
    driver = live.drivers.driver
    if driver is not None:
        return bool(getattr(driver, "resting", True))
    return live.state.live and not any(live.state.counts[status] for status in _AT_WORK)


async def _look(state: RunState, look: Any) -> Any:
    return look(state)


def _set_aside(state: RunState, blobs: Any) -> list[SetAside]:
    machine = machine_of(state)
    if machine is None:
        return []
    return [
        SetAside(
            event_id, machine.name_of(aside.event.key), _payload(aside.event, blobs),
            f"{aside.error.get('type')}: {aside.error.get('message')}", aside.at, aside.event.by,
        )
        for event_id, aside in machine.aside.items()
    ]  # fmt: skip


def _payload(event: EventReceived, blobs: Any) -> Any:
    try:
        found = values.decode(event.payload, blobs)
    except Exception as error:
        return f"cannot be loaded: {error}"
    return found["values"] if "@" in event.key and isinstance(found, dict) and "values" in found else found
