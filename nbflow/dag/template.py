"""The arguments of a node, frozen at ``bind``: a copy of what was given, with holes where other nodes' values go.

A template is JSON: a scalar stands for itself; ``{"r": k}`` is the value of the k-th dependency; ``{"l": [...]}``,
``{"t": [...]}`` and ``{"d": [[key, value], ...]}`` are a list, a tuple and a dict; ``{"v": k}`` is the k-th sealed
value, which the engine replaces by ``{"v": stored}`` when it stores the graph. A sealed value is pickled at once,
so a later change of the bound value is not seen, and the first run gets exactly what a resumed run would get.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from types import FunctionType
from typing import Any

from ..core import masking
from ..core.culprit import find_culprit
from ..errors import CheckpointError
from .fingerprint import fingerprint

Find = Callable[[Any], int | None]
"""Tells which dependency a value is, or None when it is an ordinary value."""

_SCALARS = frozenset({type(None), bool, int, str})
_FINITE = (float("inf"), float("-inf"))
_LARGEST = 1 << 64
"""A larger integer is sealed: JSON readers and Python's own limit of digits refuse very large ones."""
DEEPEST = 50
"""A container nested deeper is sealed: JSON has a limit of depth, too."""


@dataclass(slots=True)
class Sealed:
    """A pickled value: the pickle head and its out-of-band buffers, both copies."""

    head: bytes
    buffers: list[bytes] = field(default_factory=list)
    mark: str = ""
    """What tells a value that carries code from another one, since pickled code differs from kernel to kernel."""


def seal(value: Any, find: Find, where: str, subject: Any = None) -> Sealed:
    """Pickle a value now; nodes inside it, at any depth, become references.

    Raises CheckpointError, which names the part of the ``subject`` (the value itself) that cannot be pickled.
    """
    import cloudpickle

    class Sealer(cloudpickle.Pickler):  # type: ignore[misc]
        def persistent_id(self, part: Any) -> int | None:
            return find(part)

    buffers: list[bytes] = []

    def keep(buffer: pickle.PickleBuffer) -> bool:
        try:
            raw = buffer.raw()
        except BufferError:
            return True
        if raw.nbytes < 4096:
            return True
        buffers.append(bytes(raw))
        return False

    out = io.BytesIO()
    try:
        Sealer(out, protocol=5, buffer_callback=keep).dump(value)
    except Exception as error:
        blamed = value if subject is None else subject

        def trial(part: Any) -> None:
            Sealer(io.BytesIO(), protocol=5, buffer_callback=lambda _: False).dump(part)

        path, _, cause = find_culprit(blamed, trial, error)
        raise _refused(where, blamed, path, cause) from error
    head = out.getvalue()
    masking.refuse(where, head, *buffers)
    return Sealed(head, buffers)


def _refused(where: str, value: Any, path: str, cause: Exception) -> CheckpointError:
    named = getattr(value, "__name__", type(value).__name__)
    return CheckpointError(
        f"{where} cannot be stored, so the run could not go on after a restart: {named}{path.removeprefix('value')}: "
        f"{str(cause).rstrip('.')}. Make it inside the task, or pass what it is made of (a path, an address, "
        "parameters)."
    )


def template(value: Any, find: Find, sealed: list[Sealed], where: str, depth: int = 0) -> Any:
    """Return the template of one argument; values that are not plain are appended to ``sealed``."""
    kind = type(value)
    if kind in _SCALARS or kind is float:
        if kind is str and masking.known is not None:
            masking.refuse(where, value)
        return value if _plain(value) else _sealed(value, find, sealed, where)
    reference = find(value)
    if reference is not None:
        return {"r": reference}
    if depth < DEEPEST and kind in (list, tuple):
        return {"l" if kind is list else "t": [template(part, find, sealed, where, depth + 1) for part in value]}
    if depth < DEEPEST and kind is dict and all(type(key) in _SCALARS and _plain(key) for key in value):
        masking.refuse(f"A key of {where}", *(key for key in value if type(key) is str))
        return {
            "d": [[key, template(part, find, sealed, f"{where}[{key!r}]", depth + 1)] for key, part in value.items()]
        }
    return _sealed(value, find, sealed, where)


def _plain(value: Any) -> bool:
    """Tell whether JSON holds a scalar exactly."""
    kind = type(value)
    if kind is int:
        return bool(-_LARGEST < value < _LARGEST)
    if kind is float:
        return bool(value == value and value not in _FINITE)
    return kind is not str or _encodable(value)


def _encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _sealed(value: Any, find: Find, sealed: list[Sealed], where: str) -> Any:
    made = seal(value, find, where)
    if b"cloudpickle" in made.head:
        made.mark = _mark(value, find)
    sealed.append(made)
    return {"v": len(sealed) - 1}


def _mark(value: Any, find: Find) -> str:
    """Return the digest of a value's pickle in which code is represented by its fingerprint."""
    import cloudpickle

    class Marker(cloudpickle.Pickler):  # type: ignore[misc]
        def persistent_id(self, part: Any) -> int | None:
            return find(part)

        def reducer_override(self, part: Any) -> Any:
            reduced = super().reducer_override(part)
            if reduced is NotImplemented or not isinstance(part, (FunctionType, type)):
                return reduced
            return str, (fingerprint(part),)

    out = io.BytesIO()
    Marker(out, protocol=5).dump(value)
    return sha256(out.getvalue()).hexdigest()[:16]


def fill(form: Any, values: Callable[[int], Any], unseal: Callable[[Any], Any]) -> Any:
    """Return the argument that a template stands for; ``values`` gives dependencies, ``unseal`` stored values."""
    if type(form) is not dict:
        return form
    ((mark, content),) = form.items()
    if mark == "r":
        return values(content)
    if mark == "l":
        return [fill(part, values, unseal) for part in content]
    if mark == "t":
        return tuple(fill(part, values, unseal) for part in content)
    if mark == "d":
        return {key: fill(part, values, unseal) for key, part in content}
    return unseal(content)


def replace_sealed(form: Any, stored: list[Any]) -> Any:
    """Return a template whose sealed values are the given stored forms."""
    if type(form) is not dict:
        return form
    ((mark, content),) = form.items()
    if mark == "v":
        return {"v": stored[content]}
    if mark in "lt":
        return {mark: [replace_sealed(part, stored) for part in content]}
    if mark == "d":
        return {mark: [[key, replace_sealed(part, stored)] for key, part in content]}
    return form
