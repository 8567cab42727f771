"""How a failure becomes a value: the pair (value, exception) of a task that catches exceptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core import commands as c
from ..core import records as r
from ..core.graph import Json
from ..core.masking import mask_error
from ..errors import CheckpointError
from .failure import describe, restore

if TYPE_CHECKING:
    from .runner import Runner


class Catching:
    """Makes the values of the nodes of one run that catch exceptions."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner

    def wrap(self, command: c.WrapCaught) -> None:
        """Give a node whose continuation is done its value: (value, None)."""
        self.runner.spawn(self._wrap(command.node, command.output))

    async def _wrap(self, index: int, output: int) -> None:
        runner, node, stored = self.runner, self.runner.state.nodes[index], None
        try:
            value = (await runner.memory.fetch(output), None)
            if runner.state.options(index).checkpoint is not False:
                stored = await runner.trouble.store(value)
        except Exception as error:
            now = runner.now()
            runner.write(r.TaskFailed(index, describe(error, runner.blobs), node.started, now, node.attempt))
            return
        runner.finish_node(index, value, stored, node.started, runner.now(), node.attempt)

    def catch(self, command: c.CatchFailure) -> None:
        """Give a node below which something failed its value: (None, exception)."""
        node = self.runner.state.nodes[command.node]
        error = restore(self.runner.state.nodes[command.failed].error, self.runner.blobs)
        self.runner.spawn(self.finish(command.node, error, node.started, self.runner.now(), node.attempt))

    async def finish(self, index: int, error: BaseException, started: float, ended: float, attempt: int) -> None:
        """Write that a failure became a node's value, or that this could not be stored."""
        runner = self.runner
        value: Any = (None, error)
        stored = None
        if runner.state.options(index).checkpoint is not False:
            try:
                value, stored = await self.store(error)
            except Exception as failure:
                report = describe(failure, runner.blobs)
                runner.write(r.TaskFailed(index, report, started, runner.now(), attempt))
                return
        runner.memory.arrive(index, value)
        runner.write(r.TaskSucceeded(index, stored, started, ended, attempt, caught=True))

    async def store(self, error: BaseException) -> tuple[Any, Json]:
        """Return the value that a failure becomes, and its stored form; one that cannot be stored is told in words."""
        mask_error(error)
        runner = self.runner
        value: Any = (None, error)
        try:
            return value, await runner.trouble.store(value)
        except CheckpointError:
            value = (None, restore({**describe(error, runner.blobs), "value": None}, runner.blobs))
            return value, await runner.trouble.store(value)
