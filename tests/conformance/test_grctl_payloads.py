"""What an event may bring: checked at the door, so that a bad payload is refused and the run keeps waiting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import pytest

import nbflow as nf
from nbflow.engine import events
from tests.engine.machines.tools import waiting

MISSING = object()


def sends(handler: Callable[..., Any], payload: Any, **options: Any) -> tuple[Any, Any]:
    """Send a payload to a machine with this handler; return the receipt and what the handler got, MISSING when refused.

    A refused event leaves the run as it was, and the next one is handled.
    """
    machine = nf.Workflow("payloads")

    @machine.start()
    async def start(ctx: Any) -> Any:
        return ctx.next.wait_for_event()

    machine.event("e", **options)(handler)

    @machine.event()
    async def other(ctx: Any) -> Any:
        return ctx.next.complete(MISSING if False else "other")

    run = waiting(nf.start_workflow(machine))
    receipt = run.send("e", payload)
    if not receipt:
        assert receipt.status == "rejected" and receipt.reason
        assert run.describe().waits_for == ("e", "other")
        assert run.send("other")
        assert run.result() == "other"
        return receipt, MISSING
    return receipt, run.result()


async def two(ctx: Any, item: str, qty: int = 1) -> Any:
    return ctx.next.complete((item, qty))


async def more(ctx: Any, item: str, **rest: Any) -> Any:
    return ctx.next.complete((item, rest))


def test_G11_a_dict_is_unpacked_and_defaults_count() -> None:
    assert sends(two, {"item": "a", "qty": 3})[1] == ("a", 3)
    assert sends(two, {"item": "a"})[1] == ("a", 1)


def test_G11_a_missing_or_an_unknown_key_is_refused() -> None:
    assert "'item' missing" in sends(two, {"qty": 3})[0].reason
    assert "no parameter 'size'" in sends(two, {"item": "a", "size": 3})[0].reason
    assert sends(more, {"item": "a", "size": 3})[1] == ("a", {"size": 3})


async def one(ctx: Any, item: str) -> Any:
    return ctx.next.complete(item)


async def whole(ctx: Any, item: dict[str, Any]) -> Any:
    return ctx.next.complete(item)


def test_G12_a_dict_for_one_parameter_names_it_or_is_its_value() -> None:
    assert sends(one, {"item": "a"})[1] == "a"
    assert sends(whole, {"sku": 1, "qty": 2})[1] == {"sku": 1, "qty": 2}
    assert sends(whole, {"item": {"sku": 1}})[1] == {"sku": 1}
    assert sends(whole, {"item": "a", "qty": 2})[1] == {"item": "a", "qty": 2}
    assert "not dict" in sends(one, {"other": "a"})[0].reason


async def number(ctx: Any, n: int) -> Any:
    return ctx.next.complete(n)


def test_G13_a_scalar_is_the_one_value_and_its_type_is_checked() -> None:
    assert sends(number, 7)[1] == 7
    assert "whole number" in sends(number, "7")[0].reason
    assert not sends(number, True)[0]
    assert sends(number, "7", coerce=True)[1] == 7


@pytest.mark.parametrize("payload", ["a", 7, ["a", 1]])
def test_G14_what_is_no_dict_is_refused_by_a_handler_with_several_parameters(payload: Any) -> None:
    assert "needs a dict with 'item', 'qty'" in sends(two, payload)[0].reason


async def optional(ctx: Any, n: int | None = None) -> Any:
    return ctx.next.complete(("got", n))


async def nullable(ctx: Any, n: int | None) -> Any:
    return ctx.next.complete(("got", n))


def test_G15_nothing_is_no_arguments() -> None:
    assert sends(optional, None)[1] == ("got", None)
    assert sends(nullable, None)[1] == ("got", None)
    assert "needs a payload: 'n'" in sends(number, None)[0].reason


async def nothing(ctx: Any) -> Any:
    return ctx.next.complete("done")


def test_G16_a_payload_that_the_handler_does_not_take_is_left_out_and_the_receipt_says_so() -> None:
    receipt, got = sends(nothing, {"any": "thing"})
    assert got == "done"
    assert receipt.status == "delivered" and "takes no payload" in receipt.reason


async def anything(ctx: Any, value: Any) -> Any:
    return ctx.next.complete(("got", value))


@pytest.mark.parametrize("payload", [0, "", False, [], 0.0])
def test_G17_a_falsy_payload_is_a_payload(payload: Any) -> None:
    got = sends(anything, payload)[1]
    assert got == ("got", payload) and type(got[1]) is type(payload)


@dataclass
class Item:
    sku: str
    qty: int = 1


async def typed(ctx: Any, item: Item) -> Any:
    return ctx.next.complete(item)


def test_G18_any_object_comes_through_as_it_is() -> None:
    pandas = pytest.importorskip("pandas")
    for value in (Item("a", 2), {1, 2}, (1, 2), Decimal("1.5"), 2**70, b"bytes", lambda: 3):
        got = sends(anything, value)[1][1]
        assert got() == 3 if callable(value) else (got == value and type(got) is type(value))
    frame = pandas.DataFrame({"x": [1, 2]})
    assert sends(anything, frame)[1][1].equals(frame)


def test_G18_a_dict_becomes_the_dataclass_that_the_handler_wants() -> None:
    assert sends(typed, Item("a", 2))[1] == Item("a", 2)
    assert sends(typed, {"sku": "a"})[1] == Item("a")
    assert "'qty'" not in sends(typed, {"sku": "a", "qty": 3})[0].reason
    assert not sends(typed, {"sku": "a", "size": 3})[0]


async def choice(ctx: Any, size: Literal["s", "m"], n: int = 0) -> Any:
    return ctx.next.complete(size)


@pytest.mark.parametrize(
    ("handler", "payload"),
    [(two, {"qty": 1}), (two, "a"), (number, "7"), (number, None), (two, {"item": "a", "qty": "x"}), (one, {"o": 1})],
)
def test_another_process_refuses_what_the_form_in_the_journal_can_tell(handler: Any, payload: Any, host: Any) -> None:
    machine = nf.Workflow("elsewhere")

    @machine.start()
    async def start(ctx: Any) -> Any:
        return ctx.next.wait_for_event()

    machine.event("e")(handler)
    run = waiting(nf.start_workflow(machine, workflow_id="w"))
    assert events.leave(host.storage, "w", "e", payload, None, "").status == "rejected"
    run.terminate()


def test_what_only_the_owner_can_tell_is_set_aside_and_the_run_waits_on(host: Any) -> None:
    machine = nf.Workflow("misfit")

    @machine.start()
    async def start(ctx: Any) -> Any:
        return ctx.next.wait_for_event()

    machine.event("e")(choice)
    run = waiting(nf.start_workflow(machine, workflow_id="w"))
    assert events.leave(host.storage, "w", "e", {"size": "xl"}, "bad", "").status == "queued"
    from tests.engine.tools import until

    until(lambda: run.set_aside)
    aside = run.set_aside[0]
    assert (aside.id, aside.event, aside.payload) == ("bad", "e", {"size": "xl"}) and "one of 's', 'm'" in aside.error
    run.edit_event("bad", {"size": "m"})
    assert run.result() == "m"
