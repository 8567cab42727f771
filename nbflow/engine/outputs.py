"""The value of a run or of one of its nodes: live, still to come, or read from the storage."""

from __future__ import annotations

import asyncio
import concurrent.futures
from typing import Any

from ..core.status import NodeStatus, WorkflowStatus
from ..errors import NbflowError, WorkflowCancellationError, WorkflowNotFoundError, WorkflowNotResumableError
from . import inspect
from .failure import execution_error
from .host import Host
from .runner import Runner


def opened(host: Host, workflow_id: str, opening: concurrent.futures.Future[Any]) -> Any:
    """Return what opens a run, once that is stored. Who is stopped meanwhile (KeyboardInterrupt) lets the run go."""
    __tracebackhide__ = True
    try:
        return opening.result()
    except NbflowError as error:
        # its way through the engine tells the user nothing; what to type next stands in the message
        raise error.with_traceback(None) from error.__cause__
    except KeyboardInterrupt:
        opening.add_done_callback(lambda done: _let_go(host, done))
        host.tell(
            f"Run {workflow_id!r} was stopped while it began, and nothing is lost; go on with "
            f"nbflow.run(dag, workflow_id={workflow_id!r}) or nbflow.resume({workflow_id!r})."
        )
        raise


def _let_go(host: Host, done: concurrent.futures.Future[Any]) -> None:
    if not done.cancelled() and done.exception() is None and done.result() is not None:
        host.engine.start(done.result().detach, "interrupted")


def chained(opening: concurrent.futures.Future[Runner]) -> concurrent.futures.Future[Any]:
    """Return the outcome of a run that may still be opening."""
    chained: concurrent.futures.Future[Any] = concurrent.futures.Future()

    def opened(done: concurrent.futures.Future[Runner]) -> None:
        if done.cancelled():
            chained.cancel()  # the engine was closed meanwhile
        elif done.exception() is not None:
            chained.set_exception(done.exception())
        else:
            done.result().outcome.add_done_callback(ended)

    def ended(done: concurrent.futures.Future[Any]) -> None:
        if done.exception() is not None:
            chained.set_exception(done.exception())
        else:
            chained.set_result(done.result())

    opening.add_done_callback(opened)
    return chained


def has_result(host: Host, workflow_id: str) -> bool:
    """Tell whether ``existing="return"`` has something to return: the run is live here, or has succeeded."""
    live = host.runners.get(workflow_id)
    if live is not None and not live.outcome.done():
        return True
    if live is not None:
        return live.state.status is WorkflowStatus.SUCCESSFUL
    entry = host.storage.entry(workflow_id)
    return entry is not None and inspect.status_of(host.storage, entry) is WorkflowStatus.SUCCESSFUL


def stored_output(host: Host, workflow_id: str, task_id: str | None = None) -> Any:
    """Return a stored output. Raises what the run's state means: see ``nbflow.get_output``."""
    state = inspect.read(host.storage, workflow_id)
    blobs = host.storage.blobs(workflow_id)
    if task_id is not None:
        index = state.index.get(task_id)
        if index is None:
            raise inspect.no_node(state, task_id, "task_id")
        if state.nodes[index].status.finished:
            return inspect.stored_value(state, index, blobs)
        if state.nodes[index].status is NodeStatus.FAILED:
            raise execution_error(state, blobs, index)
    if state.status is WorkflowStatus.SUCCESSFUL:
        if task_id is not None:
            raise ValueError(f"Task {task_id!r} of workflow {workflow_id!r} was skipped: it has no output.")
        return inspect.stored_value(state, state.output, blobs)
    if state.status is WorkflowStatus.CANCELED:
        raise WorkflowCancellationError(workflow_id, f"Workflow {workflow_id!r} is canceled.")
    if state.status is WorkflowStatus.FAILED:
        raise execution_error(state, blobs)
    raise WorkflowNotResumableError(
        workflow_id,
        f"Run {workflow_id!r} has no output yet, and nothing runs it here: go on with nbflow.resume({workflow_id!r}).",
    )


async def output(host: Host, workflow_id: str, task_id: str | None) -> Any:
    """Return an output of a run, waiting while the run is live here. On the engine's loop.

    Raises ValueError for a run that is unknown, canceled or let go, whether it was so before or becomes so meanwhile.
    """
    try:
        return await _output(host, workflow_id, task_id)
    except WorkflowNotFoundError:
        raise ValueError(str(inspect.not_found(workflow_id))) from None
    except WorkflowCancellationError as error:
        raise ValueError(f"Workflow {workflow_id!r} is canceled.") from error
    except WorkflowNotResumableError as error:
        raise ValueError(str(error)) from error


async def _output(host: Host, workflow_id: str, task_id: str | None) -> Any:
    live = host.runners.get(workflow_id)
    if live is not None and live.closed and task_id is not None:
        await live.gone.wait()  # its values may be on their way out
        live = host.runners.get(workflow_id)
    if live is not None:
        if task_id is None:
            return await asyncio.shield(asyncio.wrap_future(live.outcome))
        value, found = await _node_value(live, task_id)
        if found:
            return value
    return await asyncio.to_thread(stored_output, host, workflow_id, task_id)


async def _node_value(live: Runner, task_id: str) -> tuple[Any, bool]:
    """Return a node's value as soon as it is there, and whether it is; it may not be known yet."""

    changed = asyncio.Event()

    def observe(_: Runner) -> None:
        changed.set()

    live.observers.append(observe)
    live.outcome.add_done_callback(lambda _: live.host.engine.post(changed.set))
    try:
        while True:
            index = live.state.index.get(task_id)
            if index is not None:
                node = live.state.nodes[index]
                if node.status.finished:
                    try:
                        return await live.memory.fetch(index), True
                    except LookupError as error:
                        raise ValueError(f"Cannot load output of task {task_id!r}: {error}") from None
                if node.status is NodeStatus.FAILED:
                    raise execution_error(live.state, live.blobs, index)
            if live.gone.is_set():
                return None, False
            if live.outcome.done():  # a failed run lets its other bodies finish
                await live.gone.wait()
                continue
            changed.clear()
            await changed.wait()
    finally:
        live.observers.remove(observe)
