"""Pickle with large buffers beside the pickle, so that an array is written from where it lies in memory."""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Callable
from types import AsyncGeneratorType
from typing import Any

import cloudpickle

from nbflow.core.culprit import find_culprit, said_of
from nbflow.errors import CheckpointError

PROTOCOL = 5
Hook = Callable[[Any], Any]
_CODE_MARKS = (b"_make_function", b"_make_skel_class", b"_make_skel_enum", b"CodeType")


class _Bytes:
    """What pickle says for bytes that lie beside it; by itself it would copy them."""

    def __reduce__(self) -> Any:
        return bytes, (pickle.PickleBuffer(b""),)


_BYTES = pickle.dumps(_Bytes(), PROTOCOL, buffer_callback=lambda _: False)


class _HookedPickler(cloudpickle.Pickler):  # type: ignore[misc]
    def __init__(self, file: io.BytesIO, hook: Hook, **options: Any) -> None:
        super().__init__(file, **options)
        self._hook = hook

    def persistent_id(self, part: Any) -> Any:
        return self._hook(part)


class _HookedUnpickler(pickle.Unpickler):
    def __init__(self, head: bytes | bytearray, buffers: list[bytearray], hook: Hook) -> None:
        super().__init__(io.BytesIO(head), buffers=buffers)
        self._hook = hook
        self.failure: Exception | None = None

    def persistent_load(self, reference: Any) -> Any:
        try:
            return self._hook(reference)
        except Exception as error:
            self.failure = error
            raise


def dump(value: Any, hook: Hook | None, *, in_band: int = 0) -> tuple[bytes, list[memoryview]]:
    """Return the pickle of a value and views of its buffers larger than ``in_band`` bytes; nothing large is copied.

    Raises CheckpointError, which names the part that cannot be pickled.
    """
    buffers: list[memoryview] = []

    def stays_in_band(buffer: pickle.PickleBuffer) -> bool:
        view = buffer.raw()
        if view.nbytes <= in_band:
            return True
        buffers.append(view)
        return False

    if type(value) is bytes and len(value) > in_band and (hook is None or hook(value) is None):
        return _BYTES, [memoryview(value)]
    if _goes_once(value):
        # Pickle takes a map or a zip: but whoever has the value second would find it empty, and after a restart whole.
        raise CheckpointError(f"{said_of('value', value, TypeError('nobody could have it twice'))}. {_remedy(value)}")
    try:
        return _dump(value, hook, stays_in_band), buffers
    except Exception as error:
        path, part, cause = find_culprit(value, lambda candidate: _dump(candidate, hook, _drop), error)
        raise CheckpointError(f"{said_of(path, part, cause)}. {_remedy(part)}") from error


def load(head: bytes | bytearray, buffers: list[bytearray], hook: Hook | None, origin: str) -> Any:
    """Return the value of a pickle. ``origin`` begins the sentence that says why it cannot be loaded (CheckpointError).

    What ``hook`` raises passes unchanged.
    """
    loader = _HookedUnpickler(head, buffers, hook) if hook is not None else None
    try:
        return loader.load() if loader is not None else pickle.loads(head, buffers=buffers)
    except Exception as error:
        if loader is not None and loader.failure is error:
            raise
        raise CheckpointError(
            f"{origin} cannot be loaded here: {type(error).__name__}: {error}. Install what it was made with, or run "
            "the task that returned it again."
        ) from error


def carries_code(head: bytes) -> bool:
    """Tell whether a pickle brings functions or classes along, which only the same minor version of Python can run.

    When in doubt it does: the marks could also stand in a text.
    """
    return b"cloudpickle.cloudpickle" in head and any(mark in head for mark in _CODE_MARKS)


def library_of(value: Any) -> str:
    """Return the name and version of the library that defines a value's type; empty for Python's own and the user's."""
    root = type(value).__module__.partition(".")[0]
    if root in sys.stdlib_module_names or root == "__main__":
        return ""
    version = getattr(sys.modules.get(root), "__version__", "")
    return f"{root} {version}" if isinstance(version, str) and version else ""


def _dump(value: Any, hook: Hook | None, callback: Callable[[pickle.PickleBuffer], bool]) -> bytes:
    file = io.BytesIO()
    options = {"protocol": PROTOCOL, "buffer_callback": callback}
    pickler = cloudpickle.Pickler(file, **options) if hook is None else _HookedPickler(file, hook, **options)
    pickler.dump(value)
    return file.getvalue()


def _goes_once(value: Any) -> bool:
    """Tell whether a value is an iterator of Python's own, such as a generator, a map or a zip."""
    kind = type(value)
    return kind.__module__ in ("builtins", "itertools") and hasattr(kind, "__next__")


def _drop(buffer: pickle.PickleBuffer) -> bool:
    return False


def _remedy(part: Any) -> str:
    if isinstance(part, AsyncGeneratorType):
        return "It can be gone through only once: return [each async for each in ...] of it."
    if _goes_once(part):
        return "It can be gone through only once: return list(...) of it."
    return (
        "Return what it is made of instead (a path, an address, parameters) and make it again where it is used; or say "
        "@task(checkpoint=False), which keeps the value in memory and runs the task again after a restart."
    )
