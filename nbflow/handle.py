"""A run in the user's hands: wait for it, look at it, answer it, stop it, go on with it."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from . import door, views
from .core.codec import decode
from .core.status import NodeStatus, WorkflowStatus
from .core.story import story
from .engine import ending, events, inspect, outputs, wait_ends
from .engine.flows.acts import FlowActs
from .engine.machines.acts import MachineActs
from .engine.machines.doors import key_of
from .engine.patience import human_timeout
from .engine.runner import Runner
from .engine.voice import current
from .errors import NbflowError, WorkflowError

if TYPE_CHECKING:
    import graphviz
    import pandas as pd

    from .core.state import RunState
    from .engine.events import Receipt
    from .engine.host import Host
    from .views.snapshot import Snapshot


class Run(FlowActs, MachineActs):
    """One run. ``await run`` or ``run.result()`` gives its value; as the last line of a cell it shows itself.

    A handle may outlive the run, its failure and its resumption: it always speaks of the run as it is now.
    """

    def __init__(self, host: Host, workflow_id: str, runner: concurrent.futures.Future[Runner] | None = None) -> None:
        self._host = host
        self._opening = runner
        self._shown = False
        self.workflow_id = workflow_id

    # ---- waiting ----

    def result(self, timeout: float | None = None) -> Any:
        """Return the value of the run, waiting for it; ``timeout`` in seconds.

        Raises WorkflowExecutionError (its ``__cause__`` is the task's own exception), WorkflowCancellationError,
        WorkflowNotResumableError when nobody runs it any more, TimeoutError when the time is up (the run goes on).
        """
        __tracebackhide__ = True
        self._host.engine.refuse_inside()
        self._mind_people()
        self._make_room()
        timeout = self._glance(timeout)
        loop = door.running_loop()
        if loop is not None and self._host.pins_tasks(self.workflow_id, loop):
            return door.wait_nested(self._outcome(), timeout)
        if door.can_ask():
            return door.ask(self, self._outcome(), timeout)
        return door.wait_sync(self._outcome(), timeout)

    def __await__(self) -> Generator[Any, None, Any]:
        self._mind_people()
        self._make_room()
        return self._awaited().__await__()

    async def _awaited(self) -> Any:
        with door.Stop() as stop:
            try:
                return await self._watched()
            except (asyncio.CancelledError, KeyboardInterrupt):
                if stop.pressed:
                    self._let_go()
                raise

    def _let_go(self) -> None:
        """Do what Stop means: the run is let go, nothing is lost, and one line says how to go on."""
        self.detach("interrupted")
        door.tell(
            f"Run {self.workflow_id!r} was stopped and nothing is lost; go on with "
            f"nbflow.run(dag, workflow_id={self.workflow_id!r}) or nbflow.resume({self.workflow_id!r})."
        )

    async def _watched(self) -> Any:
        outcome = self._outcome()
        if not self._shown and door.shows():
            done = await door.wait_a_moment(outcome)
            if not done:
                self._show()
        return await door.wait_async(outcome)

    def _glance(self, timeout: float | None) -> float | None:
        """Show the run in the cell that waits for it, unless it is done at a glance; return the time that is left."""
        if self._shown or not door.shows():
            return timeout
        first = door.GLANCE if timeout is None else min(door.GLANCE, timeout)
        if not concurrent.futures.wait([self._outcome()], first).done:
            self._show()
        return None if timeout is None else max(0.0, timeout - first)

    def _show(self) -> None:
        self._shown = True
        door.display(self)

    def _ipython_display_(self) -> None:
        try:
            self._show()
        except NbflowError as error:
            print(f"{self!r} cannot be shown. {error}")

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        try:
            return views.to_bundle(self._snapshot())
        except NbflowError as error:
            return {"text/plain": f"{self!r} cannot be shown. {error}"}

    def freeze(self) -> None:
        """Replace the live views of this run in the notebook by a still picture, which needs no kernel and no script.

        Views that were never shown need no freezing: the picture is shown here then.
        """
        door.freeze(self)

    def _mind_people(self) -> None:
        """Where nobody can answer, do not wait for a person for ever."""
        if door.attended():
            return
        seconds = human_timeout()
        live = self._host.runners.get(self.workflow_id)
        if live is not None:
            self._host.engine.post(lambda: live.mind_people(seconds))

    def _make_room(self) -> None:
        """Where a task waits for this run, let it stand in its way no more."""
        voice = current.get()
        if voice is None:
            return
        if self._opening is not None:
            self._opening.add_done_callback(lambda _: voice.waits_for(self.workflow_id))
        elif self.workflow_id in self._host.runners:
            voice.waits_for(self.workflow_id)

    def done(self) -> bool:
        """Tell whether the run has ended."""
        return self.status.ended

    def _runner(self) -> Runner | None:
        if self._opening is not None and not self._host.engine.inside:
            return self._opening.result()
        return self._host.runners.get(self.workflow_id)

    def _outcome(self) -> concurrent.futures.Future[Any]:
        if self._opening is not None:
            opening = self._opening
            if not opening.done() or opening.exception() is not None:
                return outputs.chained(opening)
            if not self._overtaken(opening.result()):
                return opening.result().outcome
        live = self._host.runners.get(self.workflow_id)
        if live is not None:
            return live.outcome
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        try:
            future.set_result(outputs.stored_output(self._host, self.workflow_id))
        except Exception as error:
            future.set_exception(error)
        return future

    def _overtaken(self, mine: Runner) -> bool:
        """Tell whether the run went on after what this handle started had failed or was let go."""
        live = self._host.runners.get(self.workflow_id)
        if live is mine or not mine.gone.is_set() or mine.outcome.exception() is None:
            return False
        if live is not None:
            return True
        entry = self._host.storage.entry(self.workflow_id)
        return entry is not None and inspect.status_of(self._host.storage, entry) is WorkflowStatus.SUCCESSFUL

    # ---- looking ----

    @property
    def status(self) -> WorkflowStatus:
        """The status of the run now."""
        live = self._host.runners.get(self.workflow_id)
        if live is not None and live.state.status is not None:
            return live.state.status
        entry = self._host.storage.entry(self.workflow_id)
        if entry is None:
            raise inspect.not_found(self.workflow_id)
        return inspect.status_of(self._host.storage, entry)

    @property
    def state(self) -> RunState:
        """The run as it is recorded: live, or read from the storage. Only to be looked at."""
        live = self._host.runners.get(self.workflow_id)
        return live.state if live is not None else inspect.read(self._host.storage, self.workflow_id)

    @property
    def questions(self) -> list[str]:
        """The ids of the questions that are open now."""
        return [
            node.node_id
            for node in self.state.nodes
            if node.status is NodeStatus.WAITING and node.wait is not None and node.wait.prompt
        ]

    def story(self, node: str) -> list[str]:
        """Return all that ever happened to a node, as lines, oldest first. Raises ValueError for an unknown node."""
        records = [record for wire in self._host.storage.read_run(self.workflow_id) if (record := decode(wire))]
        try:
            return story(records, node)
        except ValueError:
            raise inspect.no_node(self.state, node) from None

    def diff(self, node: str) -> str:
        """Return what differs from the code that made a node's result, as a small diff; empty when nothing does.

        Raises ValueError for an unknown node.
        """
        state = self.state
        if node not in state.index:
            raise inspect.no_node(state, node)
        return views.told(state, state.index[node])

    def logs(self, node: str) -> str:
        """Return what a task has printed: its last 200 lines, of all its attempts, also after a restart.

        Lines that the process had not stored yet when it died are lost. Raises ValueError for an unknown node.

        >>> import nbflow as nf
        >>> @nf.task
        ... def greet():
        ...     print("hello")
        >>> nf.run(greet.bind(), workflow_id="greetings")
        hello
        >>> nf.get_run("greetings").logs("greet")
        'hello\\n'
        """
        if node not in self.state.index:
            raise inspect.no_node(self.state, node)
        live = self._host.runners.get(self.workflow_id)
        if live is not None:
            return live.logs.text(node)
        return self._host.storage.read_log(self.workflow_id, node)

    def to_dataframe(self) -> pd.DataFrame:
        """Return the nodes as a DataFrame, one row each: node, state, attempts, times (UTC), seconds, value, error."""
        return views.to_dataframe(self._snapshot())

    def to_dot(self) -> graphviz.Digraph:
        """Return the graph as a ``graphviz.Digraph``; its ``source`` needs no ``dot`` program."""
        return views.to_dot(self._snapshot())

    def _snapshot(self) -> Snapshot:
        live = self._host.runners.get(self.workflow_id)
        if live is None or self._host.engine.inside:
            elsewhere = live is None and inspect.is_live(self._host.storage, self.workflow_id)
            return views.Snapshot.of(self.state, self._host.clock.time(), elsewhere=elsewhere)
        return self._host.engine.call(_snapshot, live)

    def __repr__(self) -> str:
        try:
            return f"<run {self.workflow_id!r} {self.status}>"
        except WorkflowError:
            return f"<run {self.workflow_id!r} deleted>"

    # ---- acting ----

    def send(self, key: str, payload: Any = None, id: str | None = None, *, by: str = "") -> Receipt:
        """Send an event to the run; ``id`` makes it count once however often it is sent. See ``nbflow.send``."""
        host, workflow_id = self._host, self.workflow_id
        live = host.runners.get(workflow_id)
        if host.engine.inside:
            sending = (
                events.deliver(host, live, key, payload, id, by, "api")
                if live is not None
                else asyncio.to_thread(events.leave, host.storage, workflow_id, key, payload, id, by)
            )
            return events.Sending(host.engine.loop.create_task(sending))
        if live is not None:
            return host.engine.call(events.deliver, host, live, key, payload, id, by, "api")
        return events.leave(host.storage, workflow_id, key, payload, id, by)

    def answer(self, question: str, option: str = "", *, comment: str = "", by: str = "", **values: Any) -> Receipt:
        """Answer an open question, by its node's id or its title. The first answer wins; see the receipt."""
        question = key_of(self.state, question)
        node = events.open_question(self.state, question)
        if node is None or node.wait is None:
            done = events.answered_question(self.state, question)
            if done is None:
                open_now = ", ".join(map(repr, self.questions)) or "none"
                reason = f"run {self.workflow_id!r} has no question {question!r}; open now: {open_now}"
                return events.Receipt("rejected", reason)
            return self.send(question, {"option": option, "values": values})
        payload = {"values": values, "comment": comment, "by": by, **({"option": option} if option else {})}
        return self.send(node.wait.key, payload, by=by)

    def cancel_wait(self, node: str, *, by: str = "") -> None:
        """End an open wait of the run without an event, here or in the process that runs it; ``by`` is recorded.

        The wait gets its default (``on_timeout`` of a question); without one it fails with WaitCanceled, and with it
        the run, unless something catches that. Raises ValueError when no wait of this node is open, RunIsLive when
        the process that runs it does not answer, WorkflowError when nobody runs it.

        >>> import nbflow as nf
        >>> run = nf.run_async(nf.wait_for_event("go").options(default="nobody"), workflow_id="gone-without")
        >>> while run.state.counts["waiting"] == 0: pass
        >>> run.cancel_wait("wait_for_go")
        >>> run.result()
        'nobody'
        """
        wait_ends.cancel_wait(self._host, self.workflow_id, node, by)

    def link(self, question: str, *, expires: float | None = 7 * 86400.0, by: str = "") -> str:
        """Return a link to an open question, for a person without a notebook; an endpoint is started if none runs.

        See ``Endpoint.link``, which it calls. Where the person is not at this machine, ``nbflow.serve(public_url=...)``
        comes first. Raises ValueError when no such question is open.
        """
        return door.endpoint(self._host).link(self, question, expires=expires, by=by)

    def cancel(self) -> None:
        """Cancel the run: final, and at once. Raises WorkflowError when it has ended already."""
        ending.cancel(self._host, self.workflow_id)

    def resume(self) -> Run:
        """Go on with a failed or dead run, with its stored graph and code; return a handle."""
        context = door.task_context()
        opening = self._host.engine.start(self._host.resume, self.workflow_id, context)
        if not self._host.engine.inside:
            outputs.opened(self._host, self.workflow_id, opening)
        return Run(self._host, self.workflow_id, opening)

    def delete(self) -> None:
        """Remove the run and all that is stored of it. Raises WorkflowStillActiveError while it is live."""
        ending.delete(self._host, self.workflow_id)

    def detach(self, why: str = "detached by its owner") -> None:
        """Let the run go without canceling it: it becomes RESUMABLE, here or anywhere."""
        live = self._host.runners.get(self.workflow_id)
        if live is not None:
            self._host.engine.call(live.detach, why)


async def _snapshot(runner: Runner) -> Snapshot:
    return views.Snapshot.of(runner.state, runner.now())
