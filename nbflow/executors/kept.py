"""Values that stay where their body ran: what stands for them in a call, and what comes back in their place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

_held: ContextVar[Sequence[Any]] = ContextVar("nbflow_held", default=())


@dataclass(slots=True)
class Handle:
    """What an executor keeps of a value: ``ref`` is its own. ``lost`` says that the value is there no more."""

    ref: Any
    lost: bool = False


class Held:
    """Stands in a call for the value of a handle, by its number; it becomes the value where the call is loaded."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> Any:
        return _the_held, (self.number,)


@dataclass(frozen=True, slots=True)
class Keep:
    """What a body returns for an executor that keeps values: ``head`` travels, ``value`` stays."""

    head: Any
    value: Any


@dataclass(frozen=True, slots=True)
class Kept:
    """What the engine gets for it: ``head``, and the handle of the value."""

    head: Any
    handle: Handle


@contextmanager
def holding(found: Sequence[Any]) -> Iterator[None]:
    """Let the calls that are loaded in this block find the values of their handles."""
    token = _held.set(found)
    try:
        yield
    finally:
        _held.reset(token)


def _the_held(number: int) -> Any:
    return _held.get()[number]
