"""What stands for a value in a call becomes the value where the call is loaded, and one object again."""

from __future__ import annotations

from typing import Any

from nbflow.executors import wire
from nbflow.executors.kept import Held, Keep


def give(first: Any, second: Any) -> tuple[bool, Any]:
    return first is second, first


def keep(value: Any) -> Keep:
    return Keep(f"a {type(value).__name__}", value)


def test_a_placeholder_is_replaced_at_any_depth_by_one_and_the_same_object() -> None:
    held = Held(1)
    call = wire.encode_call(lambda deep, there: (deep["k"][0] is there, there), ({"k": [held]}, held), {})
    same, found = wire.decode_reply(wire.carry_out(call, held=["another", ["it"]])[0])
    assert same and found == ["it"]


def test_a_placeholder_without_its_value_is_an_error_of_the_call() -> None:
    kind, _ = wire.answer(wire.encode_call(give, (Held(0), Held(0)), {}))
    assert kind == wire.RAISED


def test_only_the_head_of_what_stays_travels() -> None:
    reply, stays = wire.carry_out(wire.encode_call(keep, (b"x" * 1000,), {}))
    assert wire.decode_reply(reply) == "a bytes"
    assert len(reply[1]) < 500
    assert stays is not None and stays.value == b"x" * 1000
