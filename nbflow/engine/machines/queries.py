"""What a run of a state machine answers when it is asked: its queries read the store and change nothing."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
from typing import TYPE_CHECKING, Any

from ...core.machine import machine_of
from ...core.state import RunState
from ...errors import WorkflowNotResumableError
from ...machine import registry
from ...machine.context import Context, RunInfo
from ...machine.definition import QUERY, Workflow
from ...machine.store import Store
from ...storage import values
from ..inspect import read
from .act import Ready

if TYPE_CHECKING:
    from ..host import Host


class _Reading:
    """Reads the stored values of a run."""

    def __init__(self, blobs: Any) -> None:
        self._blobs = blobs

    def encode(self, key: str, value: Any) -> Any:
        raise TypeError("a query only reads: nothing is put or deleted here")

    def decode(self, stored: Any) -> Any:
        return values.decode(stored, self._blobs)


class _Nothing:
    """Stands where the engine would: a query has nothing to do there."""

    def __getattr__(self, name: str) -> Any:
        raise TypeError(f"a query only reads the store: ctx.{name} is for handlers")


def query(host: Host, workflow_id: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return what a query says, in the caller's thread. Raises ValueError for an unknown one, and what it raises."""
    live = host.runners.get(workflow_id)
    if live is not None:
        state, store, given = host.engine.call(_look, live)
    else:
        state = read(host.storage, workflow_id)
        store, given = _store(state), None
    machine = machine_of(state)
    if machine is None:
        raise ValueError(f"run {workflow_id!r} is no state machine, or has not begun yet")
    workflow = given or _definition(host, state, machine.form["type"])
    handler = workflow.handlers.get((QUERY, name))
    if handler is None:
        known = ", ".join(map(repr, workflow.query_names)) or "none"
        raise ValueError(f"{workflow.workflow_type!r} has no query {name!r}; it has: {known}")
    handler.check(args, kwargs)
    deliver = Ready if handler.is_async else lambda value: value
    view = Store(store, _Reading(host.storage.blobs(workflow_id)), deliver, workflow_id, writable=False)
    info = RunInfo(workflow_id, workflow.workflow_type, name, QUERY, state.created, state.started)
    logger = logging.getLogger(f"nbflow.workflow.{workflow.workflow_type}")
    context = Context(workflow, view, info, None, _Nothing(), logger)
    found = handler.function(context, *args, **kwargs)
    return _awaited(found) if handler.is_async else found


async def _look(runner: Any) -> tuple[RunState, dict[str, Any], Workflow | None]:
    definitions = getattr(runner.drivers.driver, "definitions", None)
    return runner.state, _store(runner.state), definitions.workflow if definitions is not None else None


def _store(state: RunState) -> dict[str, Any]:
    machine = machine_of(state)
    return dict(machine.store) if machine is not None else {}


def _definition(host: Host, state: RunState, workflow_type: str) -> Workflow:
    newest = registry.newest(workflow_type)
    try:
        stored = state.codes[state.nodes[state.driver].spec.code].value
        given: Workflow = values.decode(stored or {}, host.storage.blobs(state.workflow_id)).function.definition
    except Exception as error:
        if newest is None:
            raise WorkflowNotResumableError(
                state.workflow_id, f"The code of {workflow_type!r} cannot be loaded: {error} Run its cell first."
            ) from error
        return newest
    return given if newest is None else given.under(newest)


def _awaited(work: Any) -> Any:
    async def main() -> Any:
        return await work

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, main()).result()
