"""The bodies of the simulated tasks: they tell that they run, take their time, and do what their plan says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import nbflow as nf

from .graphs import Step, plain, result

if TYPE_CHECKING:
    from .stage import Stage

stage: Stage | None = None
"""Where the history that is played now notes what happens."""


class Unlucky(Exception):
    """What a body raises that its plan lets fail."""


def on_stage() -> Stage:
    """Return the stage."""
    assert stage is not None
    return stage


def body(name: str, *inputs: Any) -> Any:
    """Run a step in a thread. It names nothing that would be followed for its fingerprint."""
    from tests.simulation import bodies

    return bodies.run(name, inputs)


async def async_body(name: str, *inputs: Any) -> Any:
    """Run a step on the loop."""
    from tests.simulation import bodies

    return await bodies.run_async(name, inputs)


def run(name: str, inputs: tuple[Any, ...]) -> Any:
    """Run a step in a thread."""
    here = on_stage()
    step = here.began(name)
    here.dawdle()
    return _end(here, step, [*inputs])


async def run_async(name: str, inputs: tuple[Any, ...]) -> Any:
    """Run a step on the loop."""
    here = on_stage()
    step = here.began(name)
    await asyncio.sleep(here.seconds())
    return _end(here, step, [*inputs])


def _end(here: Stage, step: Step, inputs: list[Any]) -> Any:
    if here.fails(step):
        raise Unlucky(step.name)
    if step.kind == "delay":
        return here.returns(step, step.seconds)
    if step.kind == "grow":
        return nf.continuation(build(step.below))
    value = result(step, [plain(each) for each in inputs])
    if step.kind == "tuple":
        value = tuple(value)
    if step.kind == "big":
        value = {"value": value, "ballast": bytes(20_000)}
    return here.returns(step, value)


class Source(nf.EventListener):
    """A queue of messages that gives the oldest one until it is told that it was taken."""

    async def poll_for_event(self, name: str) -> Any:
        """Return the oldest message."""
        from tests.simulation import bodies

        return await bodies.oldest_message(name)

    async def event_checkpointed(self, event: Any) -> None:
        """Take the message out."""
        from tests.simulation import bodies

        await bodies.take_message(event)


async def oldest_message(name: str) -> Any:
    """Wait for a message."""
    while (message := on_stage().oldest_message(name)) is None:
        await asyncio.sleep(0.3)
    return message


async def take_message(event: Any) -> None:
    """Tell the source, some time, that a message was taken."""
    await asyncio.sleep(on_stage().seconds())
    on_stage().message_taken(event)


async def charge(item: str) -> int:
    """Charge a payment of the till."""
    here: Any = on_stage()
    await asyncio.sleep(here.seconds())
    points: int = here.charges(item)
    await asyncio.sleep(here.seconds())
    return points


async def counted(item: str) -> str:
    """Count an item of the flow."""
    here: Any = on_stage()
    await asyncio.sleep(here.seconds())
    word: str = here.counts(item)
    await asyncio.sleep(here.seconds())
    return word


def build(steps: list[Step]) -> Any:
    """Return the graph of some steps; its value is that of the last one."""
    nodes: dict[str, Any] = {}
    for step in steps:
        nodes[step.name] = _node(step, [nodes[each.name] for each in step.inputs])
    return nodes[steps[-1].name]


OPTIONS: dict[str, dict[str, Any]] = {
    "flaky": {"retry_exceptions": True, "backoff": 0.5},
    "caught": {"catch_exceptions": True},
    "caught error": {"catch_exceptions": True},
    "volatile": {"checkpoint": False},
    "once": {"catch_exceptions": True, "mark_start": True, "max_retries": 0},
}


def _node(step: Step, inputs: list[Any]) -> Any:
    if step.kind == "wait":
        return nf.wait_for_event(step.key).options(task_id=step.name)
    if step.kind == "timeout":
        return nf.wait_for_event(step.key, timeout=step.seconds, default="nothing came").options(task_id=step.name)
    if step.kind == "source":
        return nf.wait_for_event(Source, step.name).options(task_id=step.name)
    if step.kind == "sleep":
        return nf.sleep(inputs[0]).options(task_id=step.name)
    if step.kind == "first":
        return nf.any_of(*inputs).options(task_id=step.name)
    task = async_task if step.kind == "async" else plain_task
    return task.options(task_id=step.name, **OPTIONS.get(step.kind, {})).bind(step.name, *inputs)


plain_task = nf.task(body)
async_task = nf.task(async_body)
