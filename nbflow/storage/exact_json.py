"""Tell which values come back from JSON exactly as they were: same types, same structure, same identity of parts."""

from __future__ import annotations

from typing import Any

MAX_DEPTH = 60
INT_LIMIT = 1 << 10_000
"""Python refuses to print or read integers of more than 4300 digits; this is far below."""
QUICK_CHARACTERS = 190


class InexactError(Exception):
    """The value would not come back as it was, or it is too large."""


def is_quick(value: Any) -> bool:
    """Tell whether a value is a scalar that JSON keeps and that is short enough to be its own preview."""
    kind = type(value)
    if kind is int:
        return bool(-_QUICK_INT < value < _QUICK_INT)
    if kind is str:
        return len(value) < QUICK_CHARACTERS and value.isascii() and value.isprintable()
    # An infinity or a NaN minus itself is a NaN, and JSON has none of them.
    return value is None or kind is bool or (kind is float and bool(value - value == 0.0))


def copy_exactly(value: Any, budget: int) -> Any:
    """Return a deep copy of a value that JSON keeps exactly within about ``budget`` bytes; else raise InexactError.

    Not exact are tuples, subclasses, NaN and infinities, keys that are not strings, surrogates (a pair would become
    one character), and a list or dict that stands in two places.
    """
    return _Copier(budget).part(value, 0)


def copy(value: Any) -> Any:
    """Return a deep copy of what JSON gave."""
    kind = type(value)
    if kind is list:
        return [copy(part) for part in value]
    if kind is dict:
        return {key: copy(part) for key, part in value.items()}
    return value


class _Copier:
    def __init__(self, budget: int) -> None:
        self._left = budget
        self._seen: set[int] = set()

    def part(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            self._spend(len(value) + 3 if value.isascii() else _checked(value))
        elif kind is int:
            if not -INT_LIMIT < value < INT_LIMIT:
                raise InexactError
            self._spend(4 + value.bit_length() // 3)
        elif kind is list:
            self._enter(value, depth)
            return [self.part(item, depth + 1) for item in value]
        elif kind is dict:
            self._enter(value, depth)
            return {self._key(key): self.part(item, depth + 1) for key, item in value.items()}
        elif value is None or kind is bool or (kind is float and value - value == 0.0):
            self._spend(8)
        else:
            raise InexactError
        return value

    def _key(self, key: Any) -> str:
        if type(key) is not str:
            raise InexactError
        self._spend(len(key) + 4 if key.isascii() else _checked(key))
        return key

    def _enter(self, value: Any, depth: int) -> None:
        if depth >= MAX_DEPTH or id(value) in self._seen:
            raise InexactError
        self._seen.add(id(value))
        self._spend(2)

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise InexactError


_QUICK_INT = 10**QUICK_CHARACTERS


def _checked(text: str) -> int:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InexactError from None
    return 6 * len(text) + 3
