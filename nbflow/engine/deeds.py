"""What carries out each kind of command that the state of a run gives."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from ..core import commands as c
from ..core.graph import DRIVER
from ..core.records import RetryDue
from ..core.status import WorkflowStatus

if TYPE_CHECKING:
    from .runner import Runner

Deeds = dict[type[c.Command], Callable[[Any], None]]


def deeds(runner: Runner) -> Deeds:
    """Return what carries out each kind of command but those that end the run."""
    return {
        c.StartTask: partial(_start_task, runner),
        c.StartRetry: lambda command: _start_retry(runner, command),
        c.StopTask: lambda command: _stop_task(runner, command),
        c.OpenWait: lambda command: runner.waits.open(command.node),
        c.KeepWait: lambda command: runner.waits.keep(command.node, command.token),
        c.CloseWait: lambda command: runner.waits.close(command.node),
        c.CommitEvent: lambda command: runner.waits.commit(command.node),
        c.DropValue: lambda command: runner.memory.drop(command.node),
        c.WrapCaught: runner.catching.wrap,
        c.CatchFailure: runner.catching.catch,
        c.CallEnded: runner.drivers.call_ended,
        c.EventKept: runner.drivers.event_kept,
        c.Acknowledge: lambda command: _acknowledge(runner, command),
    }


def _start_task(runner: Runner, command: c.StartTask) -> None:
    driven = runner.state.nodes[command.node].spec.kind is DRIVER
    (runner.drivers if driven else runner.bodies).start(command)


def _start_retry(runner: Runner, command: c.StartRetry) -> None:
    def due() -> None:
        if not runner.closed:
            runner.apply_volatile(RetryDue(command.node, command.attempt))

    if command.at <= runner.now():
        runner.loop.call_soon(due)
    else:
        runner.host.clock.call_at(command.at, due)


def _stop_task(runner: Runner, command: c.StopTask) -> None:
    if runner.state.nodes[command.node].spec.kind is DRIVER:
        runner.drivers.stop()
    elif runner.state.live or runner.state.status is WorkflowStatus.CANCELED:
        runner.bodies.stop(command.node)
    else:
        runner.bodies.halt(command.node)


def _acknowledge(runner: Runner, command: c.Acknowledge) -> None:
    for receipt in runner.receipts.pop(command.event_id, ()):
        if not receipt.done():
            receipt.set_result(command)
