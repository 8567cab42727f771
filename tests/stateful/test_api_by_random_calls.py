"""Whatever is called in whatever order, by processes that die in between: each call does what the model says."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from random import SystemRandom
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import nbflow as nf
from nbflow import api
from nbflow.engine.context import task_context
from nbflow.engine.host import Host
from nbflow.engine.loop import EngineLoop
from nbflow.errors import (
    RunIsLive,
    WorkflowError,
    WorkflowExistsError,
    WorkflowNotFoundError,
    WorkflowNotResumableError,
    WorkflowStillActiveError,
)
from nbflow.storage.base import Storage
from nbflow.storage.folder import FolderStorage
from nbflow.storage.memory import MemoryStorage
from tests import figures
from tests.stateful import model
from tests.stateful.death import begin, die
from tests.stateful.model import ENDED, Expected

LIMIT = 60.0
NAMES = st.sampled_from(["a", "b", "c"])
IDS = st.sampled_from(["1", "2", "3", "4"])


def graph(serial: int) -> Any:
    """Return a graph that needs an event and an answer."""

    @nf.task
    def first(number: int) -> int:
        from tests.stateful import model  # not by a global name, which would count as its code

        model.bodies[number] += 1
        return number

    @nf.task
    def total(number: int, go: Any, option: Any) -> list[Any]:
        return [number, go, str(option)]

    question = nf.wait_for_event(nf.ButtonListener, "question", options=["yes", "no"]).options(task_id="question")
    return total.bind(first.bind(serial), nf.wait_for_event("go").options(task_id="go"), question)


def settled(run: nf.Run) -> None:
    """Return when all that a run can do without an event is done and durable."""
    host, name = api.default_host(), run.workflow_id
    ready = threading.Event()

    def look(live: Any) -> None:
        counts = live.state.counts
        if live.state.status not in ("PENDING", "RUNNING") or not (
            counts["pending"] > 1 or counts["queued"] or counts["running"] or live.committer.pending
        ):
            ready.set()

    def watch() -> None:
        live = host.runners.get(name)
        if live is None:
            ready.set()
            return
        live.observers.append(look)
        look(live)

    host.engine.post(watch)
    assert ready.wait(LIMIT), f"{name} does not settle"


class Calls(RuleBasedStateMachine):
    """Calls on up to three runs."""

    place: Callable[[str], Storage]

    def __init__(self) -> None:
        super().__init__()
        nf.shutdown()
        self.folder = tempfile.TemporaryDirectory(prefix="nbflow-calls-", ignore_cleanup_errors=True)
        self.storage = self.place(self.folder.name)
        self.expected: dict[str, Expected] = {}
        self.serial = self.deaths = 0
        model.bodies.clear()
        begin(self.storage)

    def teardown(self) -> None:
        figures.count("histories")
        figures.count("events", sum(len(each.seen) for each in self.expected.values()))
        figures.count("crash points", self.deaths)
        nf.shutdown()
        self.folder.cleanup()

    def raises(self, name: str, *errors: type[BaseException]) -> AbstractContextManager[Any]:
        """Expect one of these errors, or that the run is not there."""
        return pytest.raises(WorkflowNotFoundError if name not in self.expected else errors)

    # ---- run and resume ----

    @initialize()
    def two_runs(self) -> None:
        self.run("a")
        self.run("b")

    @rule(name=NAMES)
    def run(self, name: str) -> None:
        known = self.expected.get(name)
        if known is None:
            self.serial += 1
            known = self.expected[name] = Expected(self.serial)
        elif known.status == "RUNNING":
            with pytest.raises(RunIsLive):
                nf.run_async(graph(known.serial), workflow_id=name)
            return
        elif known.status == "CANCELED":
            with pytest.raises(WorkflowNotResumableError):
                nf.run_async(graph(known.serial), workflow_id=name)
            return
        self._goes_on(name, nf.run_async(graph(known.serial), workflow_id=name))

    @rule(name=NAMES)
    def resume(self, name: str) -> None:
        known = self.expected.get(name)
        if known is None or known.status == "CANCELED":
            with pytest.raises(WorkflowNotResumableError):
                nf.resume_async(name)
        elif known.status == "RUNNING":
            with pytest.raises(RunIsLive):
                nf.resume_async(name)
        else:
            self._goes_on(name, nf.resume_async(name))

    def _goes_on(self, name: str, run: nf.Run) -> None:
        known = self.expected[name]
        if known.status != "SUCCESSFUL":
            known.go_on()
        if known.status == "SUCCESSFUL":
            assert run.result(LIMIT) == known.value
        else:
            settled(run)

    # ---- events ----

    @rule(name=NAMES, event_id=IDS, payload=st.integers(0, 9))
    def send(self, name: str, event_id: str, payload: int) -> None:
        self._send(name, event_id, "go", payload, payload)

    @rule(name=NAMES, event_id=IDS, option=st.sampled_from(["yes", "no"]))
    def answer(self, name: str, event_id: str, option: str) -> None:
        self._send(name, f"answer {event_id}", "question", {"option": option}, option)

    def _send(self, name: str, event_id: str, key: str, payload: Any, means: Any) -> None:
        known = self.expected.get(name)
        if known is None:
            with pytest.raises(WorkflowNotFoundError):
                nf.send(name, key, payload, id=event_id)
            return
        before = known.status
        receipt = nf.send(name, key, payload, id=event_id)
        assert receipt.status == known.send(event_id, key, means), receipt
        if known.status == "SUCCESSFUL" and before == "RUNNING":
            assert nf.get_output(name) == known.value

    # ---- the ends ----

    @rule(name=NAMES)
    def cancel(self, name: str) -> None:
        known = self.expected.get(name)
        if known is None or known.status in ENDED:
            with self.raises(name, WorkflowError):
                nf.cancel(name)
            return
        nf.cancel(name)
        known.status = "CANCELED"

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        known = self.expected.get(name)
        if known is None or known.status == "RUNNING":
            with self.raises(name, WorkflowStillActiveError):
                nf.delete(name)
            return
        nf.delete(name)
        del self.expected[name]

    @rule(name=NAMES, other=NAMES)
    def fork(self, name: str, other: str) -> None:
        if name not in self.expected or other in self.expected:
            with self.raises(name, WorkflowExistsError):
                nf.fork(name, other)
            return
        nf.fork(name, other)
        self.expected[other] = self.expected[name].fork()

    @rule(dies=st.booleans())
    def restart(self, dies: bool) -> None:
        self.deaths += dies
        if dies:
            die(api.default_host())
        else:
            nf.shutdown()
        for known in self.expected.values():
            known.status = "RESUMABLE" if known.status == "RUNNING" else known.status
        begin(self.storage)

    @precondition(lambda self: any(known.status == "RUNNING" for known in self.expected.values()))
    @rule(data=st.data())
    def take_over(self, data: st.DataObject) -> None:
        """Let another process take a live run and let it go; the one that had it learns of that when it writes."""
        name = data.draw(st.sampled_from([name for name, known in self.expected.items() if known.status == "RUNNING"]))
        mine = api.default_host()
        outcome = mine.runners[name].outcome
        same = isinstance(self.storage, MemoryStorage)
        other = Host(self.storage if same else FolderStorage(self.storage.url, durability="lazy"), EngineLoop())
        try:
            other.engine.call(other.resume, name, task_context(), True)
            # it writes now, if it has not found out by its heartbeat
            assert nf.send(name, "nobody waits for this").status == "queued"
            with pytest.raises(RunIsLive):
                outcome.result(LIMIT)
        finally:
            other.engine.call(other.close)
            other.engine.close()
        live = mine.runners.get(name)
        if live is not None:
            mine.engine.call(live.gone.wait)
        self.expected[name].status = "RESUMABLE"

    # ---- what is seen ----

    @rule(name=NAMES)
    def output(self, name: str) -> None:
        known = self.expected.get(name)
        if known is None:
            with pytest.raises(ValueError):
                nf.get_output(name)
        elif known.status == "SUCCESSFUL":
            assert nf.get_output(name) == known.value
        elif known.status == "CANCELED":
            with pytest.raises(ValueError, match="cancel"):
                nf.get_output(name)
        if known is not None:
            assert nf.get_output(name, task_id="first") == known.serial

    @invariant()
    def every_run_is_listed_as_it_is(self) -> None:
        found = {name: str(status) for name, status in nf.list_all()}
        assert found == {name: known.status for name, known in self.expected.items()}

    @invariant()
    def no_finished_task_ran_again(self) -> None:
        assert all(model.bodies[known.serial] == 1 for known in self.expected.values())


PLACES: dict[str, Callable[[str], Storage]] = {
    "memory": lambda _: MemoryStorage(),
    "folder": lambda path: FolderStorage(path, durability="lazy"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("number", [1, None], ids=["known", "fresh"])
def test_the_functions_do_what_the_model_says_in_any_order(place: str, number: int | None, soak: bool) -> None:
    first = SystemRandom().randrange(1 << 32) if number is None else number
    print(f"seed {first}")

    @seed(first)
    class Here(Calls):
        pass

    Here.place = staticmethod(PLACES[place])
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=2_000 if soak else 30,
            stateful_step_count=80 if soak else 30,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink] if soak else [Phase.generate],
            suppress_health_check=[*HealthCheck],
        ),
    )
