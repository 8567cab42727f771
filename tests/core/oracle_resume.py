"""The oracle's side of going on: a new owner, a changed graph, a wish to run nodes again, the next start."""

from __future__ import annotations

from dataclasses import replace

from nbflow.core import records as r
from nbflow.core.graph import TOP, NodeKind
from nbflow.core.status import NodeStatus
from nbflow.core.table import RUN_TRANSITIONS

from .twins import GONE, Model, Twin

N = NodeStatus


def run_step(model: Model, record: r.Record) -> Model:
    """Return the run after a record that is about all of it."""
    target = RUN_TRANSITIONS[model.status, type(record)]
    if isinstance(record, r.RunOpened):
        model = replace(model, staged=())
    if target is None:
        return model
    model = replace(model, status=target)
    match record:
        case r.RunOpened():
            for index in range(len(model.nodes)):
                model = _reopened(model, index)
        case r.GraphCommitted():
            model = _adopt(model, record.output)
        case r.NodesReset():
            model = _reset(model, set(record.nodes))
        case r.NodesRecoded():
            for index in record.nodes:
                node = model.nodes[index]
                if node.owner >= 0 and node.spec.kind is NodeKind.TASK:
                    model = model.change(index, spec=replace(node.spec, code=record.key))
        case r.RunForked():
            for index, node in enumerate(model.nodes):
                if node.status is N.CANCELED and node.owner != GONE:
                    model = _once_more(model, index)
            for index in range(len(model.nodes)):
                model = _reopened(model, index)
            model = replace(_reset(model, set(record.nodes)), staged=())
        case r.RunStarted():
            model = _foresee(model)
            model = _want(replace(model, wanted=frozenset()), model.output)
            model = _drop_stale_failures(_leave_aside(model))
        case r.RunFailed() | r.RunDetached():
            for index, node in enumerate(model.nodes):
                if node.status in (N.QUEUED, N.RETRYING, N.WAITING):
                    model = model.change(index, status=N.PENDING)
        case r.RunCanceled():
            for index, node in enumerate(model.nodes):
                if node.owner != GONE and not (node.status.finished or node.status in (N.FAILED, N.SKIPPED)):
                    model = model.change(index, status=N.CANCELED)
    return model


def _reopened(model: Model, index: int) -> Model:
    node = model.nodes[index]
    if node.owner == GONE:
        return model
    if node.status is N.DONE:
        return model.change(index, status=N.RESTORED)
    if node.status in (N.FAILED, N.SKIPPED) and node.owner == TOP:
        return _once_more(model, index)
    if node.status in (N.QUEUED, N.RUNNING, N.WAITING, N.COMMITTING, N.RETRYING):
        code = dict(model.codes)[node.spec.code]
        unknown = node.status is N.RUNNING and not code.options.mark_start
        return model.change(index, status=N.PENDING, attempt=node.attempt - unknown)
    return model


def _once_more(model: Model, index: int) -> Model:
    node = model.nodes[index]
    wait = node.wait if node.event is not None else None
    status = N.PENDING if node.output < 0 else N.GROWN
    return model.change(index, attempt=0, retry_at=0.0, failing=-1, wait=wait, status=status)


def _want(model: Model, index: int) -> Model:
    """Follow what is needed from the output; what has no value any more gets one again."""
    if index in model.wanted:
        return model
    model = replace(model, wanted=model.wanted | {index})
    node = model.nodes[index]
    if node.status in (N.FAILED, N.SKIPPED, N.CANCELED):
        model = _once_more(model, index)
    elif node.status.finished and model.value_of(index) is None:
        if node.output >= 0:
            model = model.change(index, status=N.GROWN, holder=-1)
        elif node.spec.kind.composed:
            model = model.change(index, status=N.PENDING)
        else:
            model = _forget_result(model, index)
    node = model.nodes[index]
    if node.status.finished:
        return model
    if node.status is N.GROWN:
        caught = node.failing >= 0 and model.catches(index)
        return model if caught else _want(model, node.output)
    for dep in node.inputs:
        model = _want(model, dep)
    return model


def _foresee(model: Model) -> Model:
    """Let every any_of be decided by what is done already."""
    for index, node in enumerate(model.nodes):
        if node.spec.kind is NodeKind.ANY and node.chosen < 0 and node.owner != GONE:
            model = model.change(index, chosen=model.first(index))
    return model


def _leave_aside(model: Model) -> Model:
    """Cancel the parts that were not chosen and that nobody wants, with what only they would have used."""
    work = [
        part
        for node in model.nodes
        if node.spec.kind is NodeKind.ANY and node.chosen >= 0 and node.owner != GONE
        for part in set(node.spec.deps) - {node.chosen}
    ]
    while work:
        index = work.pop()
        if model.nodes[index].status is N.PENDING and index not in model.wanted:
            work += model.nodes[index].inputs
            model = model.change(index, status=N.CANCELED)
    return model


def _drop_stale_failures(model: Model) -> Model:
    for index in model.wanted:
        if model.nodes[index].status is N.GROWN and not model.catches(index):
            model = model.change(index, failing=-1)
    return model


def _forget_result(model: Model, index: int) -> Model:
    for child in model.below(index):
        model = model.change(child, owner=GONE)
    old = model.nodes[index]
    return model.change(index, **vars(Twin(old.spec, old.owner)))


def _adopt(model: Model, output: int) -> Model:
    specs = model.laid(TOP)
    model = replace(model, staged=tuple(pair for pair in model.staged if pair[0] != TOP))
    old = {node.spec.node_id: i for i, node in enumerate(model.nodes) if node.owner == TOP}
    places = []
    for spec in specs:
        if spec.node_id not in old:
            model = replace(model, nodes=(*model.nodes, Twin(spec)))
        places.append(old.get(spec.node_id, len(model.nodes) - 1))
    gone = set(old.values()) - set(places)
    stale = set(gone)
    for spec, place in zip(specs, places, strict=True):
        before = model.nodes[place]
        moved = replace(spec, deps=tuple(places[dep] for dep in spec.deps))
        if before.spec.kind is not spec.kind or (before.chosen >= 0 and before.chosen not in moved.deps):
            stale.add(place)
        model = model.change(place, spec=moved)
        asked_otherwise = (before.spec.deps, before.spec.call) != (moved.deps, moved.call)
        if before.status in (N.PENDING, N.CANCELED) and before.event is None and asked_otherwise:
            model = model.change(place, wait=None)
    model = _reset(model, stale)
    for index in gone:
        model = model.change(index, owner=GONE)
    return replace(model, output=places[output])


def _reset(model: Model, asked: set[int]) -> Model:
    """Forget ``asked`` and what depends on it; a node that grew itself below another cannot run alone."""
    forget = {index for index in asked if model.nodes[index].owner != GONE}
    revalued: set[int] = set()
    while True:
        alone = {index for index in forget if not (model.nodes[index].children and model.nodes[index].owner >= 0)}
        more = forget | {model.nodes[index].owner for index in forget - alone}
        for index in alone:
            revalued |= _owners(model, index)
        more |= {index for index, node in enumerate(model.nodes) if set(node.inputs) & (alone | revalued)}
        more = {index for index in more if model.nodes[index].owner != GONE}
        if more == forget:
            break
        forget = more
    for index in revalued:
        model = model.change(index, status=N.GROWN, value=None, holder=-1, failing=-1)
    for index in sorted(alone):
        if model.nodes[index].owner != GONE:
            model = _forget_result(model, index)
    return model


def _owners(model: Model, index: int) -> set[int]:
    owner = model.nodes[index].owner
    return {owner} | _owners(model, owner) if owner >= 0 and model.nodes[owner].output == index else set()
