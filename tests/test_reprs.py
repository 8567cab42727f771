"""What a person sees of each public object at the prompt: what it is, in one line, and no address of memory."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import nbflow as nf
from nbflow import listeners, machine, rules, testing
from nbflow.home import default_host
from nbflow.storage.folder import FolderStorage
from nbflow.testing import MemoryStorage, virtual_clock
from tests.engine.tools import until


@pytest.fixture(autouse=True)
def storage() -> Iterator[None]:
    nf.shutdown()
    nf.init(storage=MemoryStorage())
    yield
    nf.shutdown()


@nf.task
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def handled() -> dict[str, Any]:
    """Return what a handler of a state machine has in its hands."""
    seen: dict[str, Any] = {}
    shows = nf.Workflow("Shows")

    @shows.start()
    def start(ctx: machine.Context) -> machine.Directive:
        seen.update(context=repr(ctx), store=repr(ctx.store), next=repr(ctx.next), run_info=ctx.run)
        seen["directive"] = ctx.next.complete("well")
        return ctx.next.complete("well")

    run = nf.start_workflow(workflow_type="Shows", workflow_id="shown")
    run.result()
    return {**seen, "workflow": shows, "description": run.describe()}


def flow() -> dict[str, Any]:
    with nf.Flow("stream") as made:
        train = rules.PythonOperator("train", python_callable=print)
        serve = rules.BashOperator("serve", bash_command="true")
        train.action_on_event_received(action=rules.TaskAction.START, event_key="batch")
        serve.start_after(train)
    return {"flow": made, "python task": train, "bash task": serve}


def run() -> nf.Run:
    made = nf.run_async(add.bind(1, 2), workflow_id="sum")
    made.result()
    return made


def output() -> Any:
    found = nf.get_output_async(run().workflow_id)
    found.result()
    return found


def receipt() -> nf.Receipt:
    waiting = nf.run_async(nf.wait_for_event("go"), workflow_id="waits")
    until(lambda: waiting.state.counts["waiting"])
    return waiting.send("go", id="one")


SHOWN: dict[str, Callable[[], Any]] = {
    "<task add>": lambda: add,
    "<node add>": lambda: add.bind(1, 2),
    "<node sum>": lambda: add.bind(1, 2).options(task_id="sum"),
    "<node value>": lambda: nf.put(1),
    "<node sleep>": lambda: nf.sleep(1),
    "<node wait_for_key>": lambda: nf.wait_for_event("key"),
    "<node any_of>": lambda: nf.any_of(nf.sleep(1), nf.sleep(2)),
    "<node input>": lambda: nf.InputNode(),
    "<node input[0]>": lambda: nf.InputNode()[0],
    "<node input.rate>": lambda: nf.InputNode().rate,
    "<run 'sum' SUCCESSFUL>": run,
    "<output there>": output,
    "<WorkflowStatus.SUCCESSFUL: 'SUCCESSFUL'>": lambda: run().status,
    "Receipt(status='delivered', reason='', id='one', node='wait_for_go')": receipt,
    "First(index=0, node_id='value', value=1)": lambda: nf.run(nf.any_of(nf.put(1), nf.sleep(60))),
    "Event(key='k', payload=1, id='x', at=0.0, by='', source='')": lambda: nf.Event("k", 1, "x", 0.0),
    "<listener ButtonListener>": lambda: nf.ButtonListener(),
    "<listener FileListener>": lambda: listeners.FileListener(),
    "<workflow 'Shows': start>": lambda: handled()["workflow"],
    "<condition 'batch'>": lambda: rules.SingleEvent("batch"),
    "<value state 'seen'>": lambda: rules.Context().get_state("seen"),
    "<context: train is SUCCESS>": lambda: rules.Context(statuses={"train": rules.TaskStatus.SUCCESS}),
    "<flow 'stream': train, serve>": lambda: flow()["flow"],
    "<python task 'train'>": lambda: flow()["python task"],
    "<bash task 'serve'>": lambda: flow()["bash task"],
    "NotificationClient('ns')": lambda: rules.NotificationClient("ns"),
    "<storage '/srv/runs'>": lambda: FolderStorage("/srv/runs", sign=False),
}


@pytest.mark.parametrize("text", SHOWN)
def test_it_shows_what_it_is(text: str) -> None:
    assert repr(SHOWN[text]()) == text


def test_what_a_handler_has_shows_which_run_it_is() -> None:
    shown = handled()
    assert shown["context"] == "<context of 'start' in run 'shown'>"
    assert shown["next"] == "<next of workflow 'Shows'>"
    assert "shown" in shown["store"]


def test_no_public_object_shows_an_address() -> None:
    with virtual_clock() as clock:
        things = [clock, default_host().storage, *handled().values(), *flow().values(), nf.list_runs()]
    things += [make() for make in SHOWN.values() if make not in (output, receipt)]
    things += [rules.MeetAny([rules.SingleEvent("a")]), rules.Count(3, "a"), rules.Keys("a*"), rules.Schedule(every=60)]
    assert [text for thing in things if " at 0x" in (text := thing if isinstance(thing, str) else repr(thing))] == []


@pytest.mark.parametrize("module", [nf, machine, rules, testing, listeners], ids=lambda module: module.__name__)
def test_every_public_class_has_a_repr_of_its_own(module: Any) -> None:
    classes = [thing for name in module.__all__ if inspect.isclass(thing := getattr(module, name))]
    plain = [thing.__name__ for thing in classes if thing.__repr__ is object.__repr__]
    assert plain == []


def test_a_task_is_the_function_for_who_asks_for_its_signature_and_its_words() -> None:
    assert str(inspect.signature(add)) == "(a: 'int', b: 'int') -> 'int'"
    assert inspect.getdoc(add) == "Add two numbers."
    assert inspect.unwrap(add) is add.function  # type: ignore[arg-type]
    assert add.__name__ == "add" and add.__module__ == __name__  # type: ignore[attr-defined]
