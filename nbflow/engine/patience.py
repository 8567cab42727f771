"""How long a run that nobody watches waits for a person: not for ever."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..core.status import NodeStatus
from ..errors import WaitingForHuman
from .clock import Timer

if TYPE_CHECKING:
    from .runner import Runner

_BUSY = (NodeStatus.RUNNING, NodeStatus.QUEUED, NodeStatus.RETRYING, NodeStatus.COMMITTING)


def human_timeout() -> float:
    """Return the seconds that an unattended run waits for a person: ``NBFLOW_HUMAN_TIMEOUT``, else 60."""
    text = os.environ.get("NBFLOW_HUMAN_TIMEOUT", "60")
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"NBFLOW_HUMAN_TIMEOUT must be a number of seconds, not {text!r}.") from None


class Patience:
    """Lets a run go when for ``seconds`` nothing but a person could move it. It stays resumable, its questions open."""

    def __init__(self, runner: Runner, seconds: float) -> None:
        self.runner = runner
        self.seconds = seconds
        self._timer: Timer | None = None
        runner.observers.append(self.look)
        self.look(runner)

    def look(self, _: Runner) -> None:
        """See whether the run waits for a person only."""
        idle = self._only_questions()
        if idle and self._timer is None:
            self._timer = self.runner.host.clock.call_at(self.runner.now() + self.seconds, self._ring)
        elif not idle and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _only_questions(self) -> bool:
        state = self.runner.state
        if not state.live or any(state.counts[status] for status in _BUSY) or not state.counts[NodeStatus.WAITING]:
            return False
        open_now = [state.nodes[index] for indices in state.waiting.values() for index in indices]
        asked = [node for node in open_now if node.wait is not None and node.wait.prompt and node.wait.deadline is None]
        return len(asked) == state.counts[NodeStatus.WAITING]

    def _ring(self) -> None:
        self._timer = None
        runner = self.runner
        if runner.closed or not self._only_questions():
            return
        waiting = [runner.state.nodes[index] for indices in runner.state.waiting.values() for index in indices]
        names = ", ".join(repr(node.node_id) for node in waiting)
        first, options = waiting[0].node_id, (waiting[0].wait.prompt or {})["options"] if waiting[0].wait else [""]
        message = (
            f"Run {runner.workflow_id!r} waits for a person to answer {names}, and nobody is there. It is stored, and "
            "its questions stay open. Run the cell again in a front end; or answer in advance, with "
            f"nbflow.testing.answers({{{first!r}: {options[0]!r}}}) around the call or with the environment variable "
            f'NBFLOW_ANSWERS=\'{{"{first}": "{options[0]}"}}\'. NBFLOW_HUMAN_TIMEOUT is how many seconds it waits.'
        )
        runner.spawn(runner.detach("nobody was there to answer", WaitingForHuman(runner.workflow_id, message)))
