"""What a run says of itself in the log ``nbflow`` at level INFO: that it was made, and each step of its tasks.

The lines are those of Ray Workflows. Nothing is said, and next to nothing spent, unless somebody asks for it:
``logging.getLogger("nbflow").setLevel(logging.INFO)``. Each has ``workflow_id``, ``node_id`` and ``action`` as data.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..core import commands as c
from ..core import records as r

if TYPE_CHECKING:
    from ..core.state import RunState

_log = logging.getLogger("nbflow")

_RUN: dict[type[r.Record], str] = {
    r.RunCreated: "created",
    r.RunStarted: "started",
    r.RunSucceeded: "succeeded",
    r.RunFailed: "failed",
    r.RunCanceled: "canceled",
    r.RunDetached: "let go",
}
_TASK: dict[type[r.Record], str] = {
    r.TaskStarted: "RUNNING",
    r.WaitOpened: "WAITING",
    r.TaskAttemptFailed: "RETRYING",
    r.TaskSucceeded: "SUCCESSFUL",
    r.TaskGrew: "SUCCESSFUL",
    r.ListenerCommitted: "SUCCESSFUL",
    r.WaitExpired: "SUCCESSFUL",
    r.TaskFailed: "FAILED",
    r.CallStopped: "CANCELED",
}


def say(state: RunState, record: r.Record, commands: list[c.Command]) -> None:
    """Say what a record means that was just taken; ``commands`` came of it."""
    kind, workflow_id = type(record), state.workflow_id
    if kind in _RUN:
        facts = {"action": f"run_{_RUN[kind].replace(' ', '_')}", "workflow_id": workflow_id}
        _log.info('Workflow job %s. [id="%s"]', _RUN[kind], workflow_id, extra=facts)
    elif isinstance(record, r.NodeRecord) and kind in _TASK:
        _say_task(state, record.node, _TASK[kind])
        if kind is r.WaitOpened and state.nodes[record.node].status.finished:
            _say_task(state, record.node, "SUCCESSFUL")  # its event had come before
    elif kind is r.EventReceived:
        for command in commands:
            if isinstance(command, c.CloseWait):
                _say_task(state, command.node, "SUCCESSFUL")


def _say_task(state: RunState, index: int, status: str) -> None:
    node_id = state.nodes[index].node_id
    facts = {"action": f"task_{status.lower()}", "workflow_id": state.workflow_id, "node_id": node_id}
    _log.info("Task status [%s]\t[%s@%s]", status, state.workflow_id, node_id, extra=facts)
