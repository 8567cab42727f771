"""The results that runs keep for each other: ``@task(cache=...)``."""

from __future__ import annotations

from .dag.checked import check_text
from .dag.task import Task
from .home import default_host


def clear_cache(task: Task[..., object] | str | None = None) -> int:
    """Remove the results that ``@task(cache=...)`` has kept in the storage, and return how many there were.

    With a task, or the name of one, only its own. No run loses anything: each has its own results.

    >>> import nbflow as nf
    >>> double = nf.task(lambda x: 2 * x, name="double", cache=True)
    >>> nf.run(double.bind(21)), nf.run(double.bind(21))  # the second one is not computed
    (42, 42)
    >>> nf.clear_cache(double)
    1
    """
    name = task.name if isinstance(task, Task) else "" if task is None else check_text("task", task)
    return default_host().storage.forget_results(name)
