"""The oracle of the run state: immutable, slow and obviously right. Readiness is worked out anew after each record."""

from __future__ import annotations

from dataclasses import replace

from nbflow.core import records as r
from nbflow.core.graph import NodeKind
from nbflow.core.status import NodeStatus, WorkflowStatus
from nbflow.core.table import TRANSITIONS

from .oracle_resume import run_step
from .twins import GONE, Model, Twin

N = NodeStatus
W = WorkflowStatus


def step(model: Model, record: r.Record) -> Model:
    """Return the run after a record that is legal."""
    if isinstance(record, r.NodeRecord):
        if model.nodes[record.node].owner == GONE:
            return model
        model = _node_step(model, record)
    elif isinstance(record, r.EventReceived):
        model = _event_step(model, record)
    elif isinstance(record, r.NodesAdded):
        return replace(model, staged=(*model.staged, *((record.owner, spec) for spec in record.specs)))
    elif isinstance(record, r.CodeAdded):
        return replace(model, codes=(*model.codes, (record.code.key, record.code)))
    else:
        model = run_step(model, record)
    return _settle(model)


# ---- one node ----


def _node_step(model: Model, record: r.NodeRecord) -> Model:
    node = model.nodes[record.node]
    if isinstance(record, (r.ListenerFired, r.WaitExpired)) and (node.wait is None or node.wait.token != record.token):
        return model
    if isinstance(record, r.RetryDue) and record.attempt != node.attempt + 1:
        return model
    target = TRANSITIONS[node.status, type(record)]
    if target is None:
        if isinstance(record, r.TaskGrew):
            return replace(model, staged=tuple(pair for pair in model.staged if pair[0] != record.node))
        return model
    model = model.change(record.node, status=target)
    if isinstance(record, (r.TaskSucceeded, r.TaskGrew, r.TaskAttemptFailed, r.TaskFailed)):
        model = model.change(record.node, attempt=record.attempt, retry_at=0.0)
    match record:
        case r.TaskStarted():
            return model.change(record.node, attempt=record.attempt)
        case r.TaskSucceeded():
            model = model.change(record.node, value=record.value)
            return _seal(model, record.node) if record.caught else model
        case r.TaskGrew():
            return _grow(model, record)
        case r.TaskAttemptFailed():
            status = N.RETRYING if model.status is W.RUNNING else N.PENDING
            return model.change(record.node, retry_at=record.retry_at, status=status)
        case r.RetryDue():
            return model.change(record.node, retry_at=0.0)
        case r.TaskFailed():
            return _fail(model, record.node)
        case r.WaitOpened():
            return model.change(record.node, wait=record)
        case r.ListenerFired():
            return model.change(record.node, event=record.event)
        case r.ListenerCommitted():
            return model.change(record.node, value=node.event)
        case r.WaitExpired():
            return model.change(record.node, value=record.value or (node.wait and node.wait.fallback))
    raise AssertionError(record)


def _grow(model: Model, record: r.TaskGrew) -> Model:
    base = len(model.nodes)
    specs = model.laid(record.node)
    grown = tuple(Twin(replace(s, deps=tuple(base + dep for dep in s.deps)), record.node) for s in specs)
    model = replace(
        model,
        nodes=(*model.nodes, *grown),
        wanted=model.wanted | set(range(base, base + len(grown))),
        staged=tuple(pair for pair in model.staged if pair[0] != record.node),
    )
    return model.change(record.node, children=tuple(range(base, base + len(grown))), output=base + record.output)


def _fail(model: Model, index: int) -> Model:
    failed = index
    while True:
        model = _skip_users(model, index)
        index = model.nodes[index].owner
        if index < 0:
            return model
        if model.catches(index):
            return model.change(index, failing=failed) if model.nodes[index].failing < 0 else model


def _skip_users(model: Model, index: int) -> Model:
    for user, node in enumerate(model.nodes):
        if index in node.inputs and node.status is N.PENDING and user in model.wanted and node.owner != GONE:
            model = _skip_users(model.change(user, status=N.SKIPPED), user)
    return model


def _seal(model: Model, index: int) -> Model:
    for child in model.nodes[index].children:
        node = model.nodes[child]
        if node.status.finished:
            continue
        if node.status not in (N.FAILED, N.CANCELED):
            model = model.change(child, status=N.SKIPPED)
        model = _seal(model, child)
    return model


# ---- events ----


def _event_step(model: Model, record: r.EventReceived) -> Model:
    if record.event_id in model.seen:
        return model
    model = replace(model, seen=model.seen | {record.event_id})
    if model.status in (W.SUCCESSFUL, W.CANCELED):
        return model
    return replace(model, inbox=(*model.inbox, record))


def waiting(model: Model, key: str) -> list[int]:
    """Return the waits of a key, oldest first."""
    found = [i for i, n in enumerate(model.nodes) if n.status is N.WAITING and n.wait and n.wait.key == key]
    return sorted(found, key=lambda i: model.nodes[i].wait.token)  # type: ignore[union-attr]


# ---- what follows without a record ----


def _settle(model: Model) -> Model:
    while True:
        after = _spread(model)
        if after == model:
            after = _decide(model)
        if after == model:
            after = _deliver(model)
        after = _note_recipes(after)
        if after == model:
            return model
        model = after


def _note_recipes(model: Model) -> Model:
    for index, node in enumerate(model.nodes):
        has_result = node.status.finished or node.status is N.GROWN
        if has_result and node.recipe is None and not node.spec.kind.composed and node.owner != GONE:
            model = model.change(index, recipe=model.recipe_of(index))
    return model


def _decide(model: Model) -> Model:
    """Decide the first any_of that can be decided, or finish the first one whose part is done."""
    for index, node in enumerate(model.nodes):
        if node.spec.kind is not NodeKind.ANY or not _may_start(model, index):
            continue
        if node.chosen < 0 and model.first(index) >= 0:
            model = model.change(index, chosen=model.first(index))
            for part in node.spec.deps:
                model = _put_aside(model, part)
            return model
        if node.chosen >= 0 and model.nodes[node.chosen].status.finished:
            return model.change(index, status=N.DONE)
    return model


def _may_start(model: Model, index: int) -> bool:
    node = model.nodes[index]
    pending = node.status is N.PENDING and index in model.wanted and node.owner != GONE
    return pending and model.status is W.RUNNING


def _put_aside(model: Model, index: int) -> Model:
    """Stop what nobody needs any more, and what only that needed."""
    node = model.nodes[index]
    if node.status.finished or index not in model.wanted or _is_needed(model, index):
        return model
    model = _seal(model, index)
    model = replace(model.change(index, status=N.CANCELED), wanted=model.wanted - {index, *model.below(index)})
    for dep in node.inputs:
        model = _put_aside(model, dep)
    return model


def _is_needed(model: Model, index: int) -> bool:
    """Tell whether a node without a value is the output, or something that is still to come wants it."""
    return index == model.output or any(
        index in node.inputs and not node.status.finished and user in model.wanted and node.output < 0
        for user, node in enumerate(model.nodes)
        if node.owner != GONE
    )


def _spread(model: Model) -> Model:
    for index, node in enumerate(model.nodes):
        if node.owner == GONE or node.spec.kind is NodeKind.ANY:
            continue
        ready = all(model.nodes[dep].status.finished for dep in node.spec.deps)
        if node.status is N.PENDING and index in model.wanted and model.status is W.RUNNING and ready:
            model = model.change(index, status=_first(node))
        grown = node.status is N.GROWN and model.nodes[node.output].status.finished
        if grown and not model.catches(index) and model.status not in (None, W.PENDING, W.CANCELED):
            end = model.nodes[node.output]
            model = model.change(index, status=N.DONE, holder=node.output if end.holder < 0 else end.holder)
    return model


def _first(node: Twin) -> NodeStatus:
    if node.spec.kind is NodeKind.VALUE:
        return N.DONE
    if node.spec.kind is NodeKind.EVENT and node.event is not None:
        return N.COMMITTING
    if node.spec.kind is NodeKind.EVENT and node.wait is not None:
        return N.WAITING
    return N.RETRYING if node.attempt and node.retry_at else N.QUEUED


def _deliver(model: Model) -> Model:
    for event in model.inbox:
        takers = waiting(model, event.key)
        if takers:
            model = replace(model, inbox=tuple(e for e in model.inbox if e is not event))
            return model.change(takers[0], status=N.DONE, value=event.payload)
    return model
