"""How an event gets into a run: checked at the door, made durable, and acknowledged with what became of it."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from ..core.answers import decide
from ..core.graph import Json, NodeKind
from ..core.inbox import MAX_PENDING, RESERVED
from ..core.node import Node
from ..core.records import WaitOpened
from ..core.state import RunState
from ..core.status import NodeStatus, WorkflowStatus
from ..errors import EventRejected
from ..storage import values
from ..storage.base import Blobs, Storage
from ..storage.inbox import MAX_EVENT_BYTES
from . import keys
from .machines.doors import door

if TYPE_CHECKING:
    from .host import Host
    from .runner import Runner


_ENDED = (WorkflowStatus.SUCCESSFUL, WorkflowStatus.CANCELED)
_STORED = "stored; the run takes it when it is live"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of an event. ``status`` is one of

    delivered (a wait took it), queued (durable, nobody waits yet), duplicate (this id came before), rejected (it does
    not fit, and ``reason`` says why; the run is as before), closed (the run has ended, or the question was answered).
    ``id`` names the event, ``node`` who took it, ``at`` is when it was left for another process (UTC seconds). True
    when the event counts.

    >>> import nbflow as nf
    >>> run = nf.run_async(nf.wait_for_event("go"), workflow_id="asks-for-go")
    >>> while run.state.counts["waiting"] == 0: pass
    >>> receipt = run.send("go", id="once")
    >>> receipt.status, receipt.node, bool(receipt)
    ('delivered', 'wait_for_go', True)
    """

    status: str
    reason: str = ""
    id: str = ""
    node: str = ""
    at: float = field(default=0.0, repr=False, compare=False)

    def __await__(self) -> Generator[Any, None, Receipt]:
        return self  # what sends in a cell is written with or without await
        yield

    def __bool__(self) -> bool:
        return self.status in ("delivered", "queued", "duplicate")


class Sending(Receipt):
    """An event on its way, sent inside an async task: ``await`` gives its receipt. It goes without that, too."""

    __slots__ = ("_sending",)

    def __init__(self, sending: asyncio.Task[Receipt]) -> None:
        super().__init__("sending", "await it to learn what became of the event")
        object.__setattr__(self, "_sending", sending)
        _on_their_way.add(sending)
        sending.add_done_callback(_on_their_way.discard)

    def __await__(self) -> Generator[Any, None, Receipt]:
        sending: asyncio.Task[Receipt] = self._sending  # type: ignore[attr-defined]
        return asyncio.shield(sending).__await__()

    def __bool__(self) -> bool:
        raise TypeError("Inside an async task what became of an event is known later: write 'await run.send(...)'.")


_on_their_way: set[asyncio.Task[Receipt]] = set()


class _Bounded:
    """The blobs of a run for the payload of an event, which may not be larger than an inbox takes."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self.get_blob = blobs.get_blob

    def put_blob(self, head: Json, buffers: Sequence[Any]) -> tuple[str, int]:
        """Store a payload. Raises EventRejected."""
        size = sum(memoryview(buffer).nbytes for buffer in buffers)
        if size > MAX_EVENT_BYTES:
            raise EventRejected(
                f"the payload has {size} bytes and the limit is {MAX_EVENT_BYTES}: put the content into a file and "
                "send its name"
            )
        return self._blobs.put_blob(head, buffers)


def open_question(state: RunState, name: str) -> Node | None:
    """Return the node whose open question has this key, node id or title, the oldest of several."""
    return _asked(state, name, lambda node: node.status is NodeStatus.WAITING)


def question_of(state: RunState, key: str) -> Node | None:
    """Return the open question that an event of a key answers; none while a wait for such events stands first."""
    return None if keys.holder(state, key) is False else open_question(state, key)


def _over(state: RunState, key: str) -> Node | None:
    """Return the node whose question an event of a key comes too late for, or None."""
    return answered_question(state, key) if not state.waiting.get(key) and open_question(state, key) is None else None


def answered_question(state: RunState, name: str) -> Node | None:
    """Return the node whose question of this key, node id or title is answered already, the oldest of several."""
    return _asked(state, name, lambda node: node.status.finished)


def _asked(state: RunState, name: str, wanted: Callable[[Node], bool]) -> Node | None:
    found = [
        (wait.token, node)
        for node in [state.nodes[index] for index in state.asked.named(name)]
        if (wait := node.wait) is not None and wait.prompt and wanted(node) and _is(wait, node, name)
    ]
    return min(found, key=itemgetter(0))[1] if found else None


def _is(wait: WaitOpened, node: Node, name: str) -> bool:
    if node.owner >= 0 and node.spec.kind is NodeKind.EVENT and not node.spec.code:
        return name == wait.key  # of a state machine: its own name is that of an event, not of the answer
    return name in (wait.key, node.node_id, (wait.prompt or {}).get("title"))


def check(state: RunState, key: str, payload: Any, by: str, at: float, source: str) -> tuple[Any, str]:
    """Return the payload as it will be stored, and why it is refused ('' when it is not)."""
    if not isinstance(key, str) or not key:
        return payload, "an event needs a key, a string that is not empty"
    if key.startswith(RESERVED):
        return payload, f"keys that begin with {RESERVED!r} are nbflow's own: use another"
    if len(state.inbox) >= MAX_PENDING and not state.waiting.get(key):
        return payload, f"{MAX_PENDING} events wait already for somebody to take them"
    node = question_of(state, key)
    if node is None or node.wait is None or node.wait.prompt is None:
        return payload, ""
    decision, reason = decide(node.wait.prompt, payload, by, at, source)
    return (payload if decision is None else decision), reason


async def deliver(
    host: Host, runner: Runner, key: str, payload: Any, event_id: str | None, by: str, source: str
) -> Receipt:
    """Give an event to a live run and return its receipt once it is durable. On the engine's loop."""
    if question_of(runner.state, key) is None:
        return await _deliver(host, runner, key, payload, event_id, by, source)
    async with runner.waits.answering:  # of two answers at once the second must find the first one durable
        return await _deliver(host, runner, key, payload, event_id, by, source)


async def _deliver(
    host: Host, runner: Runner, key: str, payload: Any, event_id: str | None, by: str, source: str
) -> Receipt:
    state, event_id = runner.state, event_id or uuid.uuid4().hex
    if state.inbox.knows(event_id):
        return Receipt("duplicate", "this id came before", event_id)
    done = _over(state, key)
    if done is not None:
        return Receipt("closed", _decided(done), event_id, done.node_id)
    if state.status in _ENDED:
        return Receipt("closed", f"run {runner.workflow_id!r} is {state.status}", event_id)
    if runner.closed:
        return await _leave(host, runner, key, payload, event_id, by, source)
    checked, reason = check(state, key, payload, by, runner.now(), source)
    if reason:
        return Receipt("rejected", reason, event_id)
    refused, reason = runner.drivers.door(key, checked)
    if refused:
        return Receipt(refused, reason, event_id)
    try:
        stored = values.encode(checked, _Bounded(runner.blobs))
    except EventRejected as error:
        return Receipt("rejected", str(error), event_id)
    became = await host.send(runner, event_id, key, stored, by, source)
    if became.status == "closed" and state.status not in _ENDED:
        return await _leave(host, runner, key, payload, event_id, by, source)
    node = "" if became.node is None else state.nodes[became.node].node_id
    return Receipt(became.status, reason, event_id, node)


async def _leave(
    host: Host, runner: Runner, key: str, payload: Any, event_id: str, by: str, source: str
) -> Receipt:  # fmt: skip
    """Leave an event for whoever owns the run next: it was let go, or lost, while the event was on its way."""
    left = await asyncio.to_thread(leave, host.storage, runner.workflow_id, key, payload, event_id, by, source)
    if left.status == "duplicate":  # it came into the journal with the last commit of this owner
        return Receipt("queued", _STORED, event_id, at=left.at)
    return left


def _decided(node: Node) -> str:
    decision = (node.value or {}).get("v")
    if isinstance(decision, dict):
        who = f" by {decision['by']}" if decision.get("by") else ""
        return f"decided already: {decision.get('option')}{who}"
    return "answered already"


def leave(
    storage: Storage, workflow_id: str, key: str, payload: Any, event_id: str | None, by: str, source: str = "inbox",
    state: RunState | None = None,
) -> Receipt:  # fmt: skip
    """Leave an event for a run that this process does not own; its owner takes it, now or when it is resumed.

    ``state`` is what the journal says, if that was read a moment ago. Raises WorkflowNotFoundError.
    """
    from .inspect import read

    event_id = event_id or uuid.uuid4().hex
    state = read(storage, workflow_id) if state is None else state
    if state.inbox.knows(event_id):
        return Receipt("duplicate", "this id came before", event_id)
    done = _over(state, key)
    if done is not None:
        return Receipt("closed", _decided(done), event_id, done.node_id)
    if state.status in _ENDED:
        return Receipt("closed", f"run {workflow_id!r} is {state.status}", event_id)
    now = round(time.time(), 6)
    payload, reason = check(state, key, payload, by, now, source)
    if reason:
        return Receipt("rejected", reason, event_id)
    refused, warning = door(state, key, payload)
    if refused:
        return Receipt(refused, warning, event_id)
    try:
        stored = values.encode(payload, _Bounded(storage.blobs(workflow_id)))
        event = {"id": event_id, "key": key, "payload": stored, "by": by, "source": source, "at": now}
        fresh = storage.send(workflow_id, event)
    except EventRejected as error:
        return Receipt("rejected", str(error), event_id)
    return Receipt("queued" if fresh else "duplicate", _STORED, event_id, at=now)


def is_anothers(payload: Json, mine: Receipt) -> bool:
    """Tell whether an answer in the journal is that of somebody else who gave it under the same id.

    Two who answer at once may both find the inbox empty, when the owner takes the first answer in between.
    """
    decision = payload.get("v")
    return isinstance(decision, dict) and "option" in decision and decision.get("at") != mine.at
