"""The functions of the package, on one default host that is made on first use."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from . import door
from .core.status import WorkflowStatus
from .dag.checked import check_metadata
from .engine import ending, inspect, outputs
from .engine.beginning import chosen
from .engine.events import Receipt
from .engine.host import Host
from .errors import NbflowError
from .handle import Run
from .home import default_host
from .storage.base import Salvage

MAX_ID = 255
"""Characters that the id of a run may have."""


# ---- runs ----


def run(
    dag: Any, *args: Any, workflow_id: str | None = None, metadata: dict[str, Any] | None = None,
    takeover: bool = False, on_change: str = "keep", existing: str = "resume", cleanup: str | None = None,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """Run a graph and return its value; in a notebook, live views move and buttons work meanwhile.

    ``args`` and ``kwargs`` feed the graph's InputNode. With a ``workflow_id`` that was used, that run goes on with the
    graph and the code given now: finished nodes keep their results. Where other code or inputs made such a result,
    ``on_change`` decides: "keep" it, with a notice; "rerun" it and what depends on it; "error" (WorkflowChangedError).
    What is seen of a change: see ``nbflow.dag.fingerprint``. ``existing`` may be, in place of "resume": "error"
    (WorkflowExistsError), "return" (its result if it succeeded, else it goes on), "restart" (delete it, begin anew).
    ``cleanup="success"`` keeps only the result once the run has succeeded ("never": all); it is kept with the run, as
    is ``metadata``, a JSON dict; ``takeover=True`` insists when the run is live in another process. Stop
    (KeyboardInterrupt) lets the run go: it stays resumable. Raises TypeError when ``dag`` is no graph, ValueError,
    RunIsLive, queue.Full, WorkflowExecutionError, WorkflowCancellationError.

    >>> import nbflow as nf
    >>> double = nf.task(lambda x: 2 * x, name="double")
    >>> nf.run(double.bind(double.bind(10)))
    40
    """
    __tracebackhide__ = True
    default_host().engine.refuse_inside()
    live = run_async(
        dag, *args, workflow_id=workflow_id, metadata=metadata, takeover=takeover, on_change=on_change,
        existing=existing, cleanup=cleanup, **kwargs,
    )  # fmt: skip
    try:
        return live.result()
    except KeyboardInterrupt:
        live._let_go()
        raise


def run_async(
    dag: Any, *args: Any, workflow_id: str | None = None, metadata: dict[str, Any] | None = None,
    takeover: bool = False, on_change: str = "keep", existing: str = "resume", cleanup: str | None = None,
    **kwargs: Any,
) -> Run:  # fmt: skip
    """Start a graph in the background and return its handle, once the run is stored. As ``run`` otherwise.

    >>> import nbflow as nf
    >>> live = nf.run_async(nf.task(max, name="biggest").bind([1, 3, 2]))
    >>> live.result()
    3
    """
    host, choices = default_host(), chosen(on_change, existing, cleanup)
    workflow_id = check_id(workflow_id) if workflow_id is not None else new_id()
    if metadata is not None:
        metadata = check_metadata(metadata)
    loop = door.running_loop()
    if loop is not None and not host.engine.inside:
        host.notebook_loop = loop
    if existing == "return" and outputs.has_result(host, workflow_id):
        return Run(host, workflow_id)
    inputs = (args, kwargs)
    opening = host.engine.start(host.run, workflow_id, dag, inputs, metadata, door.task_context(), takeover, choices)
    if not host.engine.inside:
        outputs.opened(host, workflow_id, opening)
    return Run(host, workflow_id, opening)


def resume(workflow_id: str, *, takeover: bool = False) -> Any:
    """Go on with a failed or dead run, with its stored graph and code; return its value.

    Raises WorkflowNotResumableError (unknown, canceled, or code of another Python: run the cell instead), RunIsLive.

    >>> import nbflow as nf
    >>> run = nf.run_async(nf.wait_for_event("go"), workflow_id="to-be-resumed")
    >>> run.detach()  # as if this kernel had died
    >>> nf.send("to-be-resumed", "go", "on").status
    'queued'
    >>> nf.resume("to-be-resumed")
    'on'
    """
    default_host().engine.refuse_inside()
    return resume_async(workflow_id, takeover=takeover).result()


def resume_async(workflow_id: str, *, takeover: bool = False) -> Run:
    """Go on with a run in the background and return its handle. As ``resume`` otherwise.

    >>> import nbflow as nf
    >>> nf.run_async(nf.wait_for_event("go"), workflow_id="to-go-on").detach()
    >>> run = nf.resume_async("to-go-on")
    >>> receipt = run.send("go", 1)
    >>> run.result()
    1
    """
    from .errors import WorkflowNotFoundError, WorkflowNotResumableError

    host = default_host()
    check_id(workflow_id)
    opening = host.engine.start(host.resume, workflow_id, door.task_context(), takeover)
    if not host.engine.inside:
        try:
            outputs.opened(host, workflow_id, opening)
        except WorkflowNotFoundError as error:
            raise WorkflowNotResumableError(workflow_id, str(error)) from error
    return Run(host, workflow_id, opening)


def resume_all(include_failed: bool = False) -> list[tuple[str, Run]]:
    """Go on with every run that has no live owner, with ``include_failed`` also with failed ones.

    Return (id, handle) pairs, the runs that had begun first.

    A run that cannot go on is left out, with a notice: it does not keep the others.

    >>> import nbflow as nf
    >>> nf.run_async(nf.wait_for_event("go"), workflow_id="left-alone").detach()
    >>> for workflow_id, run in nf.resume_all():
    ...     print(workflow_id, run.send("go", 1).id != "", run.result())
    left-alone True 1
    """
    wanted = {WorkflowStatus.RESUMABLE, WorkflowStatus.FAILED} if include_failed else {WorkflowStatus.RESUMABLE}
    host = default_host()
    entries = [entry for entry in host.storage.list_runs() if status_of(host, entry.workflow_id, entry) in wanted]
    entries.sort(key=lambda entry: _seniority(host, entry.workflow_id))
    resumed = []
    for entry in entries:
        try:
            resumed.append((entry.workflow_id, resume_async(entry.workflow_id)))
        except (NbflowError, ValueError) as error:
            door.tell(f"nbflow: {entry.workflow_id!r} cannot go on: {error}")
    return resumed


def get_run(workflow_id: str) -> Run:
    """Return the handle of a run. Raises WorkflowNotFoundError.

    >>> import nbflow as nf
    >>> nf.run(nf.put(7), workflow_id="seven")
    7
    >>> nf.get_run("seven")
    <run 'seven' SUCCESSFUL>
    """
    host = default_host()
    if check_id(workflow_id) not in host.runners and not host.storage.exists(workflow_id):
        raise inspect.not_found(workflow_id)
    return Run(host, workflow_id)


def cancel(workflow_id: str) -> None:
    """Cancel a run: final, and at once. Raises WorkflowNotFoundError, WorkflowError when it has ended already.

    >>> import nbflow as nf
    >>> run = nf.run_async(nf.wait_for_event("never"), workflow_id="not-wanted")
    >>> nf.cancel("not-wanted")
    >>> run.status
    <WorkflowStatus.CANCELED: 'CANCELED'>
    """
    ending.cancel(default_host(), check_id(workflow_id))


def delete(workflow_id: str) -> None:
    """Remove a run and all that is stored of it. Raises WorkflowNotFoundError, WorkflowStillActiveError.

    >>> import nbflow as nf
    >>> nf.run(nf.put(7), workflow_id="seven")
    7
    >>> nf.delete("seven")
    >>> nf.list_all()
    []
    """
    ending.delete(default_host(), check_id(workflow_id))


def salvage(workflow_id: str) -> Salvage:
    """Go on from what can be read of a damaged run: return how much is kept, and what could be read behind the damage.

    The damaged files stay beside it. Raises WorkflowNotFoundError, RunIsLive.

    >>> import nbflow as nf
    >>> nf.run(nf.put(7), workflow_id="seven")
    7
    >>> nf.salvage("seven").damage  # nothing was damaged, so nothing was done
    ''
    """
    return default_host().storage.salvage_run(check_id(workflow_id))


def send(workflow_id: str, key: str, payload: Any = None, id: str | None = None, *, by: str = "") -> Receipt:
    """Send an event to a run, live here, live elsewhere or waiting to be resumed; return what became of it.

    The oldest wait of ``key`` takes it; without one it is kept, in order. ``id`` makes it count once. A payload
    that does not fit an open question is rejected, and the run is as before; so is one of more than 1 MiB, and any
    when 1000 wait that nobody took. The receipt can be awaited, and must be inside an async task, where it is not
    known at once. Raises WorkflowNotFoundError.

    >>> import nbflow as nf
    >>> run = nf.run_async(nf.wait_for_event("price"), workflow_id="waits-for-a-price")
    >>> while run.state.counts["waiting"] == 0: pass
    >>> nf.send("waits-for-a-price", "price", 12, id="price-1")
    Receipt(status='delivered', reason='', id='price-1', node='wait_for_price')
    >>> run.result()
    12
    """
    return Run(default_host(), check_id(workflow_id)).send(key, payload, id, by=by)


def wait(runs: Iterable[Run], *, num_returns: int = 1, timeout: float | None = None) -> tuple[list[Run], list[Run]]:
    """Wait until ``num_returns`` runs have ended, or ``timeout`` seconds; return those that have, and the others.

    >>> import nbflow as nf
    >>> first = nf.run_async(nf.put(1), workflow_id="soon-there")
    >>> never = nf.run_async(nf.wait_for_event("never"), workflow_id="never-there")
    >>> ready, others = nf.wait([first, never], timeout=60)
    >>> ready
    [<run 'soon-there' SUCCESSFUL>]
    >>> never.cancel()
    """
    default_host().engine.refuse_inside()
    waiting = list(runs)
    if unfit := [each for each in waiting if not isinstance(each, Run)]:
        raise TypeError(f"wait takes what run_async returns, not {unfit[0]!r}.")
    if not 0 < num_returns <= len(waiting):
        raise ValueError(f"num_returns must be between 1 and the number of runs ({len(waiting)}), not {num_returns}.")
    for each in waiting:
        each._make_room()
    door.wait_some([each._outcome() for each in waiting], num_returns, timeout)
    ready = [each for each in waiting if each._outcome().done()]
    return ready, [each for each in waiting if each not in ready]


# ---- at the door ----


def check_id(workflow_id: Any) -> str:
    """Return an id that may name a run. Raises TypeError, ValueError."""
    if not isinstance(workflow_id, str):
        raise TypeError(f"workflow_id has to be a string type, not {type(workflow_id).__name__}.")
    if not workflow_id or len(workflow_id) > MAX_ID:
        raise ValueError(f"workflow_id must have 1 to {MAX_ID} characters; it has {len(workflow_id)}.")
    try:
        workflow_id.encode()
    except UnicodeEncodeError:
        raise ValueError(f"workflow_id {workflow_id!r} has a lone surrogate, which no file name can hold.") from None
    return workflow_id


def new_id() -> str:
    """Return an id for a run that the user did not name."""
    return f"run-{uuid.uuid4().hex[:12]}"


def status_of(host: Host, workflow_id: str, entry: Any) -> WorkflowStatus:
    live = host.runners.get(workflow_id)
    if live is not None and live.state.status is not None:
        return live.state.status
    return inspect.status_of(host.storage, entry)


def _seniority(host: Host, workflow_id: str) -> tuple[bool, float]:
    """Return the place of a run among those to resume: those that had begun come first, then the order of creation."""
    try:
        # the journal, since a crash soon after the start leaves no listing cache
        state = inspect.read(host.storage, workflow_id)
    except (NbflowError, ValueError):
        return True, 0.0
    return not state.started, state.started or state.created
