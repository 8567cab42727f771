"""What another process asks of the owner of a run, left in the run's inbox under a key that no user can send.

An order is meant for one ownership, named by its epoch: what an owner that died did not carry out is not carried out
by a later one, which nobody asked. Whoever asked sees from the journal what became of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..core.graph import Json
from ..core.inbox import RESERVED
from ..core.status import WorkflowStatus
from ..storage.base import Storage

if TYPE_CHECKING:
    from .runner import Runner

CANCEL = f"{RESERVED}cancel"
CANCEL_WAIT = f"{RESERVED}cancel_wait"


def ask_to_cancel(storage: Storage, workflow_id: str, epoch: int, by: str) -> None:
    """Ask the owner of this epoch to cancel its run. Idempotent: of all who ask, it hears the first.

    Raises WorkflowNotFoundError, StorageError.
    """
    order = {"id": f"{CANCEL}:{epoch}", "key": CANCEL, "epoch": epoch, "by": by, "at": round(time.time(), 3)}
    storage.send(workflow_id, order)


def ask_to_cancel_wait(storage: Storage, workflow_id: str, epoch: int, node: str, token: int, by: str) -> None:
    """Ask the owner of this epoch to end an open wait without an event. Idempotent.

    Raises WorkflowNotFoundError, StorageError.
    """
    storage.send(workflow_id, {
        "id": f"{CANCEL_WAIT}:{epoch}:{token}", "key": CANCEL_WAIT, "epoch": epoch, "node": node, "token": token,
        "by": by, "at": round(time.time(), 3),
    })  # fmt: skip


def is_order(event: Json) -> bool:
    """Tell whether what lies in an inbox is an order and no event."""
    return str(event.get("key")).startswith(RESERVED)


def carry_out(runner: Runner, order: Json, done: Callable[[], None]) -> None:
    """Do what is asked, if this ownership is asked and knows how; ``done`` is called when that is durable."""
    ended = runner.state.status in (WorkflowStatus.SUCCESSFUL, WorkflowStatus.CANCELED)
    if order["key"] == CANCEL and order.get("epoch") == runner.journal.epoch and not ended:
        runner.cancel(str(order.get("by") or ""))
    if order["key"] == CANCEL_WAIT and order.get("epoch") == runner.journal.epoch and not ended:
        index = runner.state.index.get(str(order.get("node")), -1)
        wait = runner.state.nodes[index].wait if index >= 0 else None
        if wait is not None and wait.token == order.get("token"):
            runner.waits.cancel(index, str(order.get("by") or ""))
    runner.loop.create_task(_when_durable(runner, done))


async def _when_durable(runner: Runner, done: Callable[[], None]) -> None:
    await runner.committer.drained()
    done()
