"""The code of one run: each function or listener is pickled and fingerprinted once, however many nodes call it."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from ..core.retry import Options
from ..errors import CheckpointError
from .fingerprint import read
from .task import Task
from .template import Sealed, seal


@dataclass(frozen=True, slots=True)
class NewCode:
    """Code that the run does not know yet: ``sealed`` is None when it cannot be pickled, and ``why`` says why."""

    key: str
    name: str
    options: Options
    sealed: Sealed | None
    fingerprint: str
    why: str = ""
    source: str = ""


class CodeBook:
    """Gives every task its key. ``live`` holds the functions of this kernel, ``fresh`` what is still to be stored.

    ``named`` are the tasks that the code of others names: they may stand for those of a continuation.
    """

    def __init__(self) -> None:
        self.live: dict[str, Task[Any, Any]] = {}
        self.fresh: list[NewCode] = []
        self.named: dict[str, Task[Any, Any]] = {}
        self._keys: dict[tuple[Any, ...], tuple[str, Any]] = {}

    def key_of(self, task: Task[Any, Any]) -> str:
        """Return the key of a task's function and options in this run."""
        identity = (id(task.function), task.name, task.settings, task.retry_classes)
        known = self._keys.get(identity)
        if known is None:
            # the function is kept with its key, so that its id stays its own
            known = self._keys[identity] = (self._add(task), task.function)
        return known[0]

    def take_fresh(self) -> list[NewCode]:
        """Return the code that was added since the last call."""
        fresh, self.fresh = self.fresh, []
        return fresh

    def _add(self, task: Task[Any, Any]) -> str:
        bare = task.options()
        bare.task_id, bare.metadata = None, None
        mark, source, tasks = read(task.function)
        self.named = {**tasks, **self.named}
        why = ""
        sealed: Sealed | None = None
        try:
            sealed = seal(bare, lambda _: None, f"The code of task {task.name!r}", task.function)
            content = sealed.head
        except CheckpointError as error:
            # it runs all the same; only resume(id) in a fresh kernel cannot do without the cell
            content, why = f"{id(task.function)}{mark}{task.settings}{task.retry_classes}".encode(), str(error)
        key = f"{task.name[:40]}-{sha256(content).hexdigest()[:8]}"
        if key not in self.live:
            self.live[key] = bare
            self.fresh.append(NewCode(key, task.name, task.settings, sealed, mark, why, source))
        return key
