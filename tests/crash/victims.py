"""Programs that are killed, or whose disk fails, at a system call: a graph, a state machine, a flow.

Each writes to a file of its own what was acknowledged to it, and each body says that it ran; the parent judges.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import nbflow as nf
from nbflow.engine import trouble
from nbflow.errors import NbflowError
from nbflow.rules import Flow, NotificationClient, PythonOperator, TaskAction

RUN = "victim"
EVENTS = 3
PATIENCE = 60.0


def say(word: str) -> None:
    """Write a line ``epoch word`` into the diary; a line that is there was written whole."""
    fd = os.open(os.environ["DIARY"], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.write(fd, f"{os.environ['EPOCH']} {word}\n".encode())
    os.close(fd)


def once(word: str, act: Callable[[], Any]) -> None:
    """Do something until it is acknowledged, and write that down; not if an earlier life wrote it."""
    with open(os.environ["DIARY"], "a+", encoding="utf-8") as diary:
        diary.seek(0)
        if any(line.split(" ", 1)[1].strip() == word for line in diary):
            return
    deadline = time.monotonic() + PATIENCE
    while not (found := act()):
        assert time.monotonic() < deadline, f"{word}: never acknowledged: {found!r}"
        time.sleep(0.005)
    say(word)


@nf.task
def first() -> int:
    say("ran first")
    return 1


@nf.task
async def second(x: int) -> int:
    say("ran second")
    return x + 1


@nf.task
def last(x: int, event: int, decision: Any, slept: Any) -> list[Any]:
    say("ran last")
    return [x, event, decision.option]


def dag() -> Any:
    """Run a graph that waits for an event, a person and a timer."""
    waits = nf.wait_for_event("go"), nf.wait_for_event(nf.ButtonListener, "Go on?", options=["yes", "no"])
    run = nf.run_async(last.bind(second.bind(first.bind()), *waits, nf.sleep(0.05)), workflow_id=RUN)
    say("begun")
    once("sent go-0", lambda: nf.send(RUN, "go", 7, id="go-0"))
    # an error of the disk may lose the answer after the decision: then the question is answered, which is as good
    once("answered", lambda: (found := run.answer("Go on?", "yes")) or found.status == "closed")
    return run.result()


sums = nf.Workflow("Sums")


@sums.start()
async def begin(ctx: Any) -> Any:
    say("ran begin")
    ctx.store.put("sum", 0)
    return ctx.next.wait_for_event()


@sums.event()
async def add(ctx: Any, number: int) -> Any:
    say(f"ran add {number}")
    ctx.store.put("sum", await ctx.store.get("sum") + number)
    return ctx.next.wait_for_event()


@sums.event()
async def stop(ctx: Any) -> Any:
    say("ran stop")
    return ctx.next.complete(await ctx.store.get("sum"))


def machine() -> Any:
    """Run a state machine that adds up what it is sent."""
    run = nf.start_workflow(sums, workflow_id=RUN, existing="return")
    say("begun")
    for n in range(EVENTS):
        once(f"sent add-{n}", lambda n=n: _counts(run.send("add", {"number": 10**n}, f"add-{n}")))
    once("sent stop-0", lambda: _counts(run.send("stop", id="stop-0")))
    return run.result()


async def count(event: Any) -> int:
    """Say which event a task of the flow was given."""
    say(f"ran count {event.value}")
    return int(event.value)


def flow() -> Any:
    """Run a flow whose tasks start on events that are sent to it, and on a stream of keyed events."""
    with Flow("counts", namespace="crash") as found:
        direct, keyed = PythonOperator("direct", count), PythonOperator("keyed", count)
        direct.action_on_event_received(TaskAction.START, "direct", scope="run")
        keyed.action_on_event_received(TaskAction.START, "keyed", scope="namespace")
    run = found.run_async(RUN)
    say("begun")
    once("sent direct-0", lambda: _counts(run.send("direct", 1, "direct-0")))
    client = NotificationClient("crash")
    once("keyed keyed-0", lambda: client.send_event("keyed", 2, id="keyed-0"))
    result = run.result()
    client.close()
    return result


def adder() -> Any:
    """Run the state machine for those who send to it from other processes."""
    run = nf.start_workflow(sums, workflow_id=RUN, existing="return")
    say("begun")
    return run.result()


def sender() -> Any:
    """Send one event to the state machine, which another process runs."""
    event = os.environ["ARGUMENT"]
    key, payload = ("stop", None) if event == "stop" else ("add", {"number": 1})
    once(f"sent {event}", lambda: _counts(nf.send(RUN, key, payload, id=event)))


def _counts(receipt: Any) -> bool:
    """Tell whether an event is taken; one that came to a run which has ended had been taken before."""
    return bool(receipt) or receipt.status == "closed"


PROGRAMS = {"dag": dag, "machine": machine, "flow": flow, "adder": adder, "sender": sender}
RESULTS = {"dag": [2, 7, "yes"], "machine": 111, "flow": {"direct": 1, "keyed": 2}}


def live(program: str, storage: str, diary: str, epoch: int, argument: str = "") -> int:
    """Run a program for one life and return its exit code: 0 it ended well, 3 its storage failed and it said so."""
    os.environ |= {"DIARY": diary, "EPOCH": str(epoch), "NBFLOW_HUMAN_TIMEOUT": "3600", "ARGUMENT": argument}
    trouble.PAUSE = 0.05
    nf.init(storage=storage)
    try:
        result = PROGRAMS[program]()
    except (NbflowError, OSError) as error:
        say(f"failed {type(error).__name__}: {error}".replace("\n", " "))
        return 3
    finally:
        nf.shutdown()
    assert result == RESULTS.get(program, result), result
    say(f"ended {result}")
    return 0
