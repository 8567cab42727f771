"""A run that begins with what another one has finished."""

from __future__ import annotations

from typing import Any

from .api import check_id
from .dag.checked import check_metadata
from .engine.fork import fork as store_fork
from .handle import Run
from .home import default_host


def fork(
    workflow_id: str, new_id: str | None = None, after: str | None = None, metadata: dict[str, Any] | None = None
) -> Run:
    """Make a new run that shares all that a run has finished, and return its handle; nothing runs yet.

    With ``after``, the id of a finished task, what depends on that task is not shared: it runs again. All else that is
    finished is shared, also beside it. The parent may be live, failed, canceled or done, and is not touched; it may be
    deleted later, since large values are linked, not copied. The fork goes on by ``run(dag, workflow_id=new_id)``, with
    changed code if you like, or by ``resume(new_id)``. Without ``new_id`` it is called after its parent.
    ``get_metadata(new_id)["forked_from"]`` names the parent; ``metadata`` replaces that of the parent.

    Safe against crashes: there is no run, or a whole one. Raises WorkflowNotFoundError, WorkflowExistsError, ValueError
    when ``after`` is not finished.

    >>> import nbflow as nf
    >>> load, double = nf.task(lambda: 21, name="load"), nf.task(lambda x: 2 * x, name="double")
    >>> nf.run(double.bind(load.bind()), workflow_id="parent")
    42
    >>> again = nf.fork("parent", after="load")
    >>> again.workflow_id, again.status
    ('parent-fork', <WorkflowStatus.RESUMABLE: 'RESUMABLE'>)
    >>> triple = nf.task(lambda x: 3 * x, name="double")
    >>> nf.run(triple.bind(load.bind()), workflow_id="parent-fork")
    63
    """
    host = default_host()
    host.engine.refuse_inside()
    check_id(workflow_id)
    if new_id is not None:
        check_id(new_id)
    if metadata is not None:
        metadata = check_metadata(metadata)
    return Run(host, store_fork(host, workflow_id, new_id, after, metadata))
