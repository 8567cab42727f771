"""Exceptions that must be pickled: many cannot be made again from their ``args``, so their ``__init__`` is left out."""

from __future__ import annotations

from typing import Any


class Remade:
    """Stands for an exception in a pickle; loading it gives the exception, without a call of its ``__init__``."""

    def __init__(self, error: BaseException) -> None:
        self._parts = (type(error), error.args, vars(error))

    def __reduce__(self) -> Any:
        return (_remake, self._parts)


def _remake(kind: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    error = kind.__new__(kind, *args)
    error.args = args
    vars(error).update(state)
    return error


def message_of(error: BaseException) -> str:
    """Return what an exception says; some raise when they are asked."""
    try:
        return str(error)
    except Exception:
        return "<its message cannot be shown>"
