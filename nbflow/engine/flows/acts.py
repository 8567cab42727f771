"""What a person can ask of a run of a flow, and do to its tasks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ... import views
from ...core.rules import FlowState
from ...core.status import WorkflowStatus
from ..events import Receipt

if TYPE_CHECKING:
    from ...core.state import RunState
    from ..host import Host
    from ..runner import Runner


class FlowActs:
    """The part of a run's handle that is about flows."""

    if TYPE_CHECKING:
        _host: Host
        workflow_id: str

        @property
        def state(self) -> RunState: ...
        def send(self, key: str, payload: Any = None, id: str | None = None, *, by: str = "") -> Receipt: ...

    def why(self, task: str) -> list[str]:
        """Return why a task of a flow has started, or has not, as lines: its rules, which events came, what is missing.

        Raises ValueError for a run that is no flow, and for an unknown task.

        >>> from nbflow.rules import Flow, MeetAll, TaskAction
        >>> flow = Flow("both", stay_open=True)
        >>> @flow.task
        ... async def join():
        ...     return "joined"
        >>> join.action_on_condition(TaskAction.START, MeetAll(["left", "right"]))
        >>> run = flow.run_async()
        >>> run.why("join")[1]
        "rule join/1: START on all of 'left', 'right': has not acted; nothing that it listens to has come"
        >>> run.cancel()
        """
        live = self._host.runners.get(self.workflow_id)
        if live is None or self._host.engine.inside:
            return views.why(self.state, task)
        return self._host.engine.call(_why, live, task)

    def start_task(self, task: str, *, by: str = "") -> Receipt:
        """Start a task of a flow by hand; nothing happens when it is under way. Raises ValueError as ``why``.

        The receipt says that the wish is durable; ``why`` says what came of it.
        """
        return self._order("start", task, by)

    def stop_task(self, task: str, *, by: str = "") -> Receipt:
        """Stop what is under way of a task of a flow; nothing happens when there is nothing. As ``start_task``."""
        return self._order("stop", task, by)

    def restart_task(self, task: str, *, by: str = "") -> Receipt:
        """Stop what is under way of a task of a flow and start it anew. As ``start_task``."""
        return self._order("restart", task, by)

    def _order(self, action: str, task: str, by: str) -> Receipt:
        self.why(task)
        return self.send(f"nbflow.{action}_task", task, by=by)


async def _why(live: Runner, task: str) -> list[str]:
    state = live.state
    while _opens(live):
        await asyncio.sleep(0.005)  # it was started a moment ago, and its rules are being written
    return views.why(state, task)


def _opens(live: Runner) -> bool:
    state = live.state
    part = state.parts.get(state.driver)
    begun = part is not None and not (isinstance(part, FlowState) and not part.evaluations)
    turn = state.live or (state.status is WorkflowStatus.PENDING and live.workflow_id not in live.host.waiting)
    return state.driver >= 0 and not begun and turn and not live.outcome.done()
