"""How readiness, failure and cancellation spread through the graph, without recursion and without copies."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from heapq import heappush
from typing import TYPE_CHECKING

from .answers import fitted
from .commands import (
    Acknowledge,
    CallEnded,
    CatchFailure,
    CloseWait,
    Command,
    CommitEvent,
    DropValue,
    FailRun,
    FinishRun,
    KeepWait,
    OpenWait,
    StartRetry,
    StartTask,
    StopTask,
    WrapCaught,
)
from .graph import ANY, DRIVER, EVENT, FORGOTTEN, VALUE
from .status import DONE, GROWN, PENDING, QUEUED, NodeStatus

if TYPE_CHECKING:
    from .node import Node
    from .records import EventReceived
    from .state import RunState

N = NodeStatus


def start(state: RunState, index: int, commands: list[Command]) -> None:
    """Start a node whose dependencies are finished."""
    node = state.nodes[index]
    if node.spec.kind is EVENT:
        _start_wait(state, index, commands)
        return
    if node.attempt and node.retry_at:
        state.set_status(index, N.RETRYING)
        commands.append(StartRetry(index, node.attempt + 1, node.retry_at))
        return
    if node.status is not QUEUED:
        state.set_status(index, QUEUED)
    commands.append(StartTask(index, node.attempt + 1))


def _start_wait(state: RunState, index: int, commands: list[Command]) -> None:
    node = state.nodes[index]
    if node.event is not None:
        state.set_status(index, N.COMMITTING)
        commands.append(CommitEvent(index))
    elif node.wait is None:
        state.set_status(index, QUEUED)
        commands.append(OpenWait(index))
    else:
        state.set_status(index, N.WAITING)
        await_key(state, index)
        commands.append(KeepWait(index, node.wait.token))
        # an event may have come while the run was failed, let go or queued, and its wait put aside
        state.recheck = state.recheck or len(state.inbox) > 0


def await_key(state: RunState, index: int) -> None:
    """Put an open wait in the queue of its key, behind those that were opened before it."""
    nodes, wait = state.nodes, state.nodes[index].wait
    if wait is not None and wait.key:
        queue = state.waiting.setdefault(wait.key, [])
        insort(queue, index, key=lambda i: w.token if (w := nodes[i].wait) else 0)


def close_wait(state: RunState, index: int, commands: list[Command]) -> None:
    """Take a wait out of the queue of its key and tell the engine."""
    wait = state.nodes[index].wait
    if wait is None:
        return
    queue = state.waiting.get(wait.key)
    if queue and index in queue:
        queue.remove(index)
        if not queue:
            del state.waiting[wait.key]
    commands.append(CloseWait(index, wait.token))


def deliver_early(state: RunState, commands: list[Command]) -> None:
    """Give one event that came while its wait was put aside to the oldest wait of its key; the rest follows later.

    Whatever one event decides is settled before the next is given: it may close the wait that would take that one.
    """
    early = state.inbox.first(state.waiting)
    if early is None:
        state.recheck = False
        return
    state.inbox.take(early.key)
    give(state, state.waiting[early.key][0], early, commands)


def give(state: RunState, index: int, event: EventReceived, commands: list[Command]) -> bool:
    """End an open wait with an event, and return True; an event that is no answer to its question is refused."""
    node = state.nodes[index]
    value = fitted(node.wait.prompt if node.wait else None, event)
    if value is None:
        commands.append(Acknowledge(event.event_id, "rejected"))
        return False
    if node.wait is not None and index in state.waiting.get(node.wait.key, ()):
        close_wait(state, index, commands)
    node.value, node.ended = value, max(event.at, node.wait.at if node.wait else 0.0)
    commands.append(Acknowledge(event.event_id, "delivered", index))
    state.set_status(index, DONE)
    finish(state, index, commands)
    return True


def finish(state: RunState, index: int, commands: list[Command]) -> None:
    """Tell everybody who waited for a node that it has its value."""
    nodes, work = state.nodes, [index]
    while work:
        current = work.pop()
        node = nodes[current]
        if node.dependents:
            work.extend(_supply(state, node, commands))
        if node.followers:
            work.extend(_lead(state, current, commands))
        composed = node.spec.kind.composed
        if node.output < 0 and not composed and node.spec.deps:
            release(state, node.spec.deps, commands)
        if node.owner >= 0 and nodes[node.owner].spec.kind is DRIVER:
            commands.append(CallEnded(node.owner, current))
        if current == state.output:
            commands.append(FinishRun())
        elif node.uses == 0 and node.alias < 0:
            commands.append(DropValue(current))
            if composed:
                release(state, node.inputs, commands)


def _supply(state: RunState, node: Node, commands: list[Command]) -> list[int]:
    """Tell the nodes that waited for one that its value is there; return those that are finished by it."""
    nodes, live, finished = state.nodes, state.live, []
    dependents, node.dependents = node.dependents, ()
    for other in dependents:
        dependent = nodes[other]
        kind = dependent.spec.kind
        if kind is ANY:
            heappush(state.choices, other)
            continue
        dependent.missing -= 1
        if dependent.missing == 0 and live and dependent.status is PENDING and dependent.needed:
            if kind is VALUE:
                state.set_status(other, DONE)
                finished.append(other)
            else:
                start(state, other, commands)
    return finished


def _lead(state: RunState, index: int, commands: list[Command]) -> list[int]:
    """Give the value of a continuation to the nodes that grew it; return those that are finished by it."""
    nodes, node, finished = state.nodes, state.nodes[index], []
    followers, node.followers = node.followers, ()
    for follower in followers:
        if nodes[follower].status is not GROWN:
            continue
        if state.catches(follower):
            commands.append(WrapCaught(follower, index))
            continue
        take_over(state, follower, index)
        finished.append(follower)
    return finished


def take_over(state: RunState, index: int, holder: int) -> None:
    """Finish a node with the value that another one holds."""
    node, end = state.nodes[index], state.nodes[holder]
    state.set_status(index, DONE)
    node.alias, node.ended = holder, max(node.ended, end.ended)
    end.uses += node.uses


def follow(state: RunState, owner: int) -> None:
    """Let the value of the continuation's output reach all that wait for the owner's, however deep the recursion."""
    parent = state.nodes[owner]
    child = state.nodes[parent.output]
    if state.catches(owner):
        child.followers = [owner]
        holder = state.nodes[state.resolve(parent.output)]
        holder.uses += 1  # the owner makes its own value of this one, and needs it until then
    else:
        followers = parent.followers or []
        followers.append(owner)
        child.followers, parent.followers = followers, ()


def release(state: RunState, deps: Iterable[int], commands: list[Command]) -> None:
    """Count one use less for each dependency; what nobody uses any more may leave memory."""
    nodes, work = state.nodes, list(deps)
    while work:
        index = work.pop()
        node = nodes[index]
        if node.alias >= 0:
            index = state.resolve(index)
            node = nodes[index]
        node.uses -= 1
        if node.uses == 0 and node.status.finished:
            if node.spec.kind.composed:
                work.extend(node.inputs)
            commands.append(DropValue(index))


def unreleased(state: RunState, index: int) -> tuple[int, ...]:
    """Return the nodes whose values an unfinished node still needs."""
    node = state.nodes[index]
    if node.output < 0:
        return node.inputs
    return (node.output,) if state.catches(index) else ()


def fail(state: RunState, index: int, commands: list[Command]) -> None:
    """Skip what depends on a failed node; the nearest node that grew it and catches exceptions takes the failure."""
    below, owner = index, state.nodes[index].owner
    _skip_dependents(state, index)
    while owner >= 0 and not state.catches(owner):
        if state.nodes[owner].spec.kind is DRIVER:
            _fail_call(state, below, index, commands)
            return
        _skip_dependents(state, owner)
        below, owner = owner, state.nodes[owner].owner
    if owner >= 0:
        # a second failure below the same node may come before the answer to the first one is durable
        if state.nodes[owner].failing < 0:
            state.nodes[owner].failing = index
            commands.append(CatchFailure(owner, index))
    elif state.live:
        commands.append(FailRun(index))


def _fail_call(state: RunState, call: int, failed: int, commands: list[Command]) -> None:
    """Fail a call of a driver, by itself or by what it has grown; what comes of that is the driver's business."""
    node = state.nodes[call]
    if call != failed:
        node.error = state.nodes[failed].error
        state.set_status(call, N.FAILED)
        skip_below(state, call, commands)
    commands.append(CallEnded(node.owner, call))


def _skip_dependents(state: RunState, index: int) -> None:
    work = list(state.nodes[index].dependents)
    while work:
        current = work.pop()
        node = state.nodes[current]
        if node.status is PENDING and node.needed:
            state.set_status(current, N.SKIPPED)
            work.extend(node.dependents)


def skip_below(state: RunState, index: int, commands: list[Command]) -> None:
    """Stop everything that a node has grown, and let go what it would have used: its fate is sealed."""
    work = [state.nodes[index].children]
    while work:
        for child in work.pop():
            node = state.nodes[child]
            if node.status.finished:
                continue  # what is below it is finished, or was sealed with it
            work.append(node.children)
            if node.needed:
                release(state, unreleased(state, child), commands)
                node.needed = False
            if node.status not in (N.FAILED, N.SKIPPED, N.CANCELED):
                stop(state, child, commands)
                state.set_status(child, N.SKIPPED)


def stop(state: RunState, index: int, commands: list[Command]) -> None:
    """Stop what is under way for a node; its status is the caller's to set."""
    status = state.nodes[index].status
    if status in (N.RUNNING, QUEUED, N.RETRYING):
        commands.append(StopTask(index))
    elif status in (N.WAITING, N.COMMITTING):
        close_wait(state, index, commands)


def halt(state: RunState, commands: list[Command]) -> None:
    """Start nothing more. What runs or commits may finish; waits are put aside with their deadline and question."""
    state.waiting.clear()
    for index, node in enumerate(state.nodes):
        if node.status in (QUEUED, N.RETRYING):
            commands.append(StopTask(index))
            state.set_status(index, PENDING)
        elif node.status is N.WAITING:
            close_wait(state, index, commands)
            state.set_status(index, PENDING)


def cancel(state: RunState, commands: list[Command]) -> None:
    """Stop everything; nothing that comes later counts."""
    for index, node in enumerate(state.nodes):
        if node.status.finished or node.status in (N.FAILED, N.SKIPPED) or node.owner == FORGOTTEN:
            continue
        stop(state, index, commands)
        state.set_status(index, N.CANCELED)


def start_ready(state: RunState, order: Iterable[int], commands: list[Command]) -> None:
    """Start those of the given nodes that need nothing more."""
    for index in order:
        node = state.nodes[index]
        if node.missing or node.status is not PENDING:
            continue
        if node.spec.kind is ANY:
            heappush(state.choices, index)
        elif node.spec.kind is VALUE:
            state.set_status(index, DONE)
            finish(state, index, commands)
        else:
            start(state, index, commands)
