"""Looking at runs, live or stored: what there is, how far it is, what came out. Nothing here changes anything."""

from __future__ import annotations

import concurrent.futures
import threading
from typing import Any
from weakref import WeakKeyDictionary

from . import door
from .api import check_id, status_of
from .core.status import WorkflowStatus
from .engine import inspect, outputs
from .engine.host import Host
from .engine.listing import Listing
from .errors import WorkflowError
from .handle import Run
from .home import default_host, near
from .views.runs import RunList


def list_all(status_filter: WorkflowStatus | str | set[Any] | None = None) -> list[tuple[str, WorkflowStatus]]:
    """Return (id, status) of every run, or of those whose status is among the given ones.

    Raises TypeError, ValueError for what is not a status.

    >>> import nbflow as nf
    >>> nf.run(nf.put(7), workflow_id="seven")
    7
    >>> nf.list_all()
    [('seven', <WorkflowStatus.SUCCESSFUL: 'SUCCESSFUL'>)]
    >>> nf.list_all("FAILED")
    []
    """
    wanted = _statuses(status_filter)
    host = default_host()
    found = [(entry.workflow_id, status_of(host, entry.workflow_id, entry)) for entry in host.storage.list_runs()]
    return [pair for pair in found if wanted is None or pair[1] in wanted]


_LISTING = threading.Lock()
_listings: WeakKeyDictionary[Host, Listing] = WeakKeyDictionary()
"""Of each host what was listed before: of ten thousand runs most have not changed since."""


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
    with _LISTING:
        rows = _listings.setdefault(host, Listing()).rows(host)
    return RunList(rows, near(host.storage.url))


def get_status(workflow_id: str) -> WorkflowStatus:
    """Return the status of a run. Raises WorkflowNotFoundError, TypeError.

    >>> import nbflow as nf
    >>> nf.run(nf.put(7), workflow_id="seven")
    7
    >>> nf.get_status("seven") == "SUCCESSFUL"
    True
    """
    return Run(default_host(), check_id(workflow_id)).status


def get_output(workflow_id: str, *, task_id: str | None = None) -> Any:
    """Return the value of a run, or of one of its tasks, waiting for it while the run is live here.

    Raises ValueError for an unknown run or task, for a value that was not stored, and for a run that is canceled or
    was let go, before or meanwhile; WorkflowExecutionError for what failed.

    >>> import nbflow as nf
    >>> add = nf.task(lambda a, b: a + b, name="add")
    >>> nf.run(add.bind(add.bind(1, 2), 3), workflow_id="sum-of-sums")
    6
    >>> nf.get_output("sum-of-sums"), nf.get_output("sum-of-sums", task_id="add")
    (6, 3)
    """
    __tracebackhide__ = True
    return get_output_async(workflow_id, task_id=task_id).result()


def get_output_async(workflow_id: str, *, task_id: str | None = None) -> Output:
    """Return a future of the value of a run or of one of its tasks: ``.result(timeout)`` or ``await``.

    >>> import nbflow as nf
    >>> nf.run(nf.put(7), workflow_id="seven")
    7
    >>> nf.get_output_async("seven").result(timeout=60)
    7
    """
    host = default_host()
    check_id(workflow_id)
    return Output(host.engine.start(outputs.output, host, workflow_id, task_id))


def get_metadata(workflow_id: str, task_id: str | None = None) -> dict[str, Any]:
    """Return what is recorded of a run or of one of its tasks: status, times, options, metadata. Raises ValueError.

    >>> import nbflow as nf
    >>> nf.run(nf.put(7), workflow_id="seven", metadata={"by": "ann"})
    7
    >>> found = nf.get_metadata("seven")
    >>> found["status"], found["user_metadata"]
    (<WorkflowStatus.SUCCESSFUL: 'SUCCESSFUL'>, {'by': 'ann'})
    """
    host = default_host()
    found = Run(host, check_id(workflow_id))
    try:
        state, status = found.state, found.status
    except WorkflowError:
        raise ValueError(f"No such workflow_id {workflow_id!r}; nbflow.list_all() shows what there is.") from None
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
        raise ValueError(f"No such workflow_id {workflow_id!r}; nbflow.list_all() shows what there is.") from None


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

    def __repr__(self) -> str:
        return f"<output {'there' if self.done() else 'to come'}>"

    def __await__(self) -> Any:
        return door.wait_async(self._future).__await__()


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
