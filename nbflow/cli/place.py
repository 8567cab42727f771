"""Where the command looks: a storage that is there, and a run, a node or a question in it, or a hint at a near one."""

from __future__ import annotations

import ast
import os
import re
import shlex

from ..core import records as r
from ..core.state import RunState
from ..core.status import WorkflowStatus
from ..engine.inspect import hint, read
from ..errors import WorkflowNotFoundError
from ..home import near, open_storage
from ..storage.base import RunEntry, Storage
from ..storage.folder import FolderStorage
from ..storage.memory import MemoryStorage
from ..storage.root import MARK
from ..views import words as clean
from .exits import CommandError, Exit

_CALL = re.compile(r"nbflow\.(resume|resume_async|cancel|delete|salvage)\(('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")\)")
"""A call that a command of the same name does, with the id of its run as Python writes it."""


def storage_at(path: str | None) -> Storage:
    """Return the storage that is meant. Raises CommandError when there is none: looking makes no folder."""
    storage = open_storage(path)
    if isinstance(storage, MemoryStorage):
        raise CommandError(Exit.USAGE, f"--storage {path!r} is seen only by the process that has it; give a folder.")
    if isinstance(storage, FolderStorage) and not os.path.exists(f"{storage.url}/{MARK}"):
        raise CommandError(
            Exit.NOT_FOUND,
            f"There is no storage in {near(storage.url)}. Say where it is with --storage FOLDER or NBFLOW_STORAGE.",
        )
    return storage


def entry_of(storage: Storage, workflow_id: str) -> RunEntry:
    """Return what the listing knows of a run. Raises WorkflowNotFoundError with a hint, StorageDamaged."""
    entry = storage.entry(workflow_id)
    if entry is None:
        if storage.exists(workflow_id):
            read(storage, workflow_id)  # says what is wrong with it
        known = (entry.workflow_id for entry in storage.list_runs())
        raise WorkflowNotFoundError(
            workflow_id,
            f"There is no run {workflow_id!r} in {near(storage.url)}{hint(workflow_id, known)} "
            "'nbflow list' shows what there is.",
        )
    return entry


def state_of(storage: Storage, entry: RunEntry) -> RunState:
    """Return a run as it is recorded; one that nobody runs does not run, whatever was recorded last.

    Raises StorageDamaged.
    """
    state = read(storage, entry.workflow_id)
    if not entry.live and state.status in (WorkflowStatus.PENDING, WorkflowStatus.RUNNING):
        state.handle(r.RunDetached(0.0, "its owner died"))
    return state


def command_of(*words: str) -> str:
    """Return a command as it can be pasted into a shell."""
    return shlex.join(["nbflow", *map(clean.name, words)])


def typed(error: BaseException, said: str) -> str:
    """Return what an error says with the commands of a shell in the place of the calls that a notebook would make."""
    said = _CALL.sub(lambda call: next_step(call[1].removesuffix("_async"), ast.literal_eval(call[2])), said)
    run = getattr(error, "workflow_id", "")
    if run:
        said = said.replace("takeover=True", next_step("resume", run, "--takeover"))
        said = said.replace("cancel it first.", f"{next_step('cancel', run)} first.")
    return said


def next_step(*words: str) -> str:
    """Return a command in quotes, to be typed next."""
    return f"'{command}'" if "'" not in (command := command_of(*words)) else f"`{command}`"
