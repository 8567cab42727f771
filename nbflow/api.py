"""The functions of the package, on one default host that is made on first use."""

from __future__ import annotations

import concurrent.futures
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
from .engine.listing import Listing
from .errors import NbflowError, WorkflowError
from .handle import Run
from .home import default_host, near
from .storage.base import Salvage
from .views.runs import RunList

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
        opening.result()
    return Run(host, workflow_id, opening)


def resume(workflow_id: str, *, takeover: bool = False) -> Any:
    """Go on with a failed or dead run, with its stored graph and code; return its value.

    Raises WorkflowNotResumableError (unknown, canceled, or code of another Python: run the cell instead), RunIsLive.
    """
    default_host().engine.refuse_inside()
    return resume_async(workflow_id, takeover=takeover).result()


def resume_async(workflow_id: str, *, takeover: bool = False) -> Run:
    """Go on with a run in the background and return its handle. As ``resume`` otherwise."""
    from .errors import WorkflowNotFoundError, WorkflowNotResumableError

    host = default_host()
    check_id(workflow_id)
    opening = host.engine.start(host.resume, workflow_id, door.task_context(), takeover)
    if not host.engine.inside:
        try:
            opening.result()
        except WorkflowNotFoundError as error:
            raise WorkflowNotResumableError(workflow_id, str(error)) from error
    return Run(host, workflow_id, opening)


def resume_all(include_failed: bool = False) -> list[tuple[str, Run]]:
    """Go on with every run that has no live owner, with ``include_failed`` also with failed ones.

    Return (id, handle) pairs, the runs that had begun first.

    A run that cannot go on is left out, with a notice: it does not keep the others.
    """
    wanted = {WorkflowStatus.RESUMABLE, WorkflowStatus.FAILED} if include_failed else {WorkflowStatus.RESUMABLE}
    host = default_host()
    entries = [entry for entry in host.storage.list_runs() if _status(host, entry.workflow_id, entry) in wanted]
    entries.sort(key=lambda entry: _seniority(host, entry.workflow_id))
    resumed = []
    for entry in entries:
        try:
            resumed.append((entry.workflow_id, resume_async(entry.workflow_id)))
        except (NbflowError, ValueError) as error:
            door.tell(f"nbflow: {entry.workflow_id!r} cannot go on: {error}")
    return resumed


def get_run(workflow_id: str) -> Run:
    """Return the handle of a run. Raises WorkflowNotFoundError."""
    host = default_host()
    if check_id(workflow_id) not in host.runners and not host.storage.exists(workflow_id):
        raise inspect.not_found(workflow_id)
    return Run(host, workflow_id)


def cancel(workflow_id: str) -> None:
    """Cancel a run: final, and at once. Raises WorkflowNotFoundError, WorkflowError when it has ended already."""
    ending.cancel(default_host(), check_id(workflow_id))


def delete(workflow_id: str) -> None:
    """Remove a run and all that is stored of it. Raises WorkflowNotFoundError, WorkflowStillActiveError."""
    ending.delete(default_host(), check_id(workflow_id))


def salvage(workflow_id: str) -> Salvage:
    """Go on from what can be read of a damaged run: return how much is kept, and what could be read behind the damage.

    The damaged files stay beside it. Raises WorkflowNotFoundError, RunIsLive.
    """
    return default_host().storage.salvage_run(check_id(workflow_id))


def send(workflow_id: str, key: str, payload: Any = None, id: str | None = None, *, by: str = "") -> Receipt:
    """Send an event to a run, live here, live elsewhere or waiting to be resumed; return what became of it.

    The oldest wait of ``key`` takes it; without one it is kept, in order. ``id`` makes it count once. A payload
    that does not fit an open question is rejected, and the run is as before; so is one of more than 1 MiB, and any
    when 1000 wait that nobody took. The receipt can be awaited, and must be inside an async task, where it is not
    known at once. Raises WorkflowNotFoundError.
    """
    return Run(default_host(), check_id(workflow_id)).send(key, payload, id, by=by)


# ---- looking ----


def list_all(status_filter: WorkflowStatus | str | set[Any] | None = None) -> list[tuple[str, WorkflowStatus]]:
    """Return (id, status) of every run, or of those whose status is among the given ones.

    Raises TypeError, ValueError for what is not a status.
    """
    wanted = _statuses(status_filter)
    host = default_host()
    found = [(entry.workflow_id, _status(host, entry.workflow_id, entry)) for entry in host.storage.list_runs()]
    return [pair for pair in found if wanted is None or pair[1] in wanted]


def list_runs() -> RunList:
    """Return all runs of the storage, the last changed first: a table in a notebook and in a terminal.

    Its rows have ``workflow_id``, ``name``, ``status``, ``done`` of ``total``, the titles of open ``questions``, and
    times; ``to_dataframe()`` is for pandas. Light on 10 000 runs.

    >>> import nbflow as nf
    >>> nf.run(nf.task(max, name="biggest").bind([1, 3, 2]), workflow_id="largest-of-three")
    3
    >>> [row.status for row in nf.list_runs() if row.workflow_id == "largest-of-three"]
    [<WorkflowStatus.SUCCESSFUL: 'SUCCESSFUL'>]
    """
    host = default_host()
    host.engine.refuse_inside()
    return RunList(Listing().rows(host), near(host.storage.url))


def get_status(workflow_id: str) -> WorkflowStatus:
    """Return the status of a run. Raises WorkflowNotFoundError, TypeError."""
    return Run(default_host(), check_id(workflow_id)).status


def get_output(workflow_id: str, *, task_id: str | None = None) -> Any:
    """Return the value of a run, or of one of its tasks, waiting for it while the run is live here.

    Raises ValueError for an unknown run or task and for a value that was not stored, and what ``Run.result`` raises.
    """
    __tracebackhide__ = True
    return get_output_async(workflow_id, task_id=task_id).result()


def get_output_async(workflow_id: str, *, task_id: str | None = None) -> Output:
    """Return a future of the value of a run or of one of its tasks: ``.result(timeout)`` or ``await``."""
    host = default_host()
    check_id(workflow_id)
    return Output(host.engine.start(outputs.output, host, workflow_id, task_id))


def get_metadata(workflow_id: str, task_id: str | None = None) -> dict[str, Any]:
    """Return what is recorded of a run or of one of its tasks: status, times, options, metadata. Raises ValueError."""
    host = default_host()
    found = Run(host, check_id(workflow_id))
    try:
        state, status = found.state, found.status
    except WorkflowError:
        raise ValueError(f"No such workflow_id {workflow_id!r}.") from None
    return inspect.run_metadata(state, status) if task_id is None else inspect.task_metadata(state, task_id)


def get_progress(workflow_id: str) -> dict[str, Any]:
    """Return how far a run is, with every task of it, in one call that waits for nothing.

    The keys: ``status``; ``done`` of ``total`` tasks; ``tasks``, a dict by task id of ``status`` ("pending",
    "running", "done", ...), ``attempts``, and where there is one: ``start_time`` and ``end_time`` (UTC seconds),
    ``error`` (of the last failure), ``progress`` (done, total) as the task itself tells it. Values put into a graph
    are no tasks. Tasks that the run has yet to grow are not counted. Raises ValueError for an unknown run.

    >>> import nbflow as nf
    >>> double = nf.task(lambda x: 2 * x, name="double")
    >>> nf.run(double.bind(double.bind(1)), workflow_id="four")
    4
    >>> found = nf.get_progress("four")
    >>> found["done"], found["total"], {name: str(task["status"]) for name, task in found["tasks"].items()}
    (2, 2, {'double': 'done', 'double_1': 'done'})
    """
    host = default_host()
    live = host.runners.get(check_id(workflow_id))
    if live is not None and live.state.status is not None and not host.engine.inside:
        return host.engine.call(inspect.live_progress, live)
    found = Run(host, workflow_id)
    try:
        return inspect.run_progress(found.state, found.status, {})
    except WorkflowError:
        raise ValueError(f"No such workflow_id {workflow_id!r}.") from None


def wait(runs: Iterable[Run], *, num_returns: int = 1, timeout: float | None = None) -> tuple[list[Run], list[Run]]:
    """Wait until ``num_returns`` runs have ended, or ``timeout`` seconds; return those that have, and the others."""
    waiting = list(runs)
    if not 0 < num_returns <= len(waiting):
        raise ValueError(f"num_returns must be between 1 and the number of runs ({len(waiting)}), not {num_returns}.")
    door.wait_some([each._outcome() for each in waiting], num_returns, timeout)
    ready = [each for each in waiting if each._outcome().done()]
    return ready, [each for each in waiting if each not in ready]


class Output:
    """A value that will be there: ``result(timeout)`` or ``await``."""

    def __init__(self, future: concurrent.futures.Future[Any]) -> None:
        self._future = future

    def result(self, timeout: float | None = None) -> Any:
        """Return the value, waiting for it. Raises what ``get_output`` raises, and TimeoutError."""
        __tracebackhide__ = True
        default_host().engine.refuse_inside()
        return door.wait_sync(self._future, timeout)

    def future(self) -> concurrent.futures.Future[Any]:
        """Return the future behind it."""
        return self._future

    def done(self) -> bool:
        """Tell whether the value, or the error in its place, is there."""
        return bool(self._future.done())

    def __await__(self) -> Any:
        return door.wait_async(self._future).__await__()


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


def _status(host: Host, workflow_id: str, entry: Any) -> WorkflowStatus:
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


def _statuses(wanted: Any) -> set[WorkflowStatus] | None:
    if wanted is None:
        return None
    if isinstance(wanted, str):
        wanted = {wanted}
    if not isinstance(wanted, (set, frozenset)) or not all(isinstance(each, str) for each in wanted):
        raise TypeError(f"status_filter takes a status, its name, or a set of them, not {wanted!r}.")
    try:
        return {WorkflowStatus(each) for each in wanted}
    except ValueError:
        names = ", ".join(WorkflowStatus)
        raise ValueError(f"{wanted!r} has what is no status; there are {names}.") from None
