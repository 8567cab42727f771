"""Turn a value into what a record holds, and back: exact JSON where that loses nothing, else a pickle."""

from __future__ import annotations

import base64
import json
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from nbflow.errors import CheckpointError

from ..core import masking
from . import exact_json, pickling
from .base import Blobs, Json
from .preview import preview, type_name

__all__ = ["INLINE_BYTES", "PYTHON", "decode", "encode", "encode_pickled", "encode_small", "is_stored", "preview"]

INLINE_BYTES = 16 * 1024
"""The size of a value up to which it stands in the record itself."""
SMALL_BYTES = 4 * 1024
"""The size of a value up to which it takes no longer to encode it than to ask another thread to."""
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"

_SECRET = b"nbflow.secret"
"""What the pickle of a value has in it that holds a secret: how it shows itself is then its own affair."""

_RAW = (bytes, bytearray, str)

Hook = Callable[[Any], Any]


def encode(
    value: Any,
    blobs: Blobs,
    *,
    secret: bool = False,
    persistent_id: Hook | None = None,
    allow_json: bool | None = None,
) -> Json:
    """Return the stored form of a value; a large one is durable in ``blobs`` when this returns.

    ``secret`` leaves the preview out. ``persistent_id`` is that of a pickler (None means: pickle it); with it JSON is
    used only if ``allow_json`` is true. The value must not change meanwhile. Raises CheckpointError, which names the
    part that cannot be pickled, and StorageFull.
    """
    if allow_json or (allow_json is None and persistent_id is None):
        stored = _as_json(value, INLINE_BYTES, secret)
        if stored is not None:
            return stored
    head, buffers = pickling.dump(value, persistent_id, in_band=INLINE_BYTES)
    masking.refuse(f"The {type_name(value)}", head, *buffers)
    # nothing but bytes or text: it carries no code and no secret, and to search 1 MB for them takes a third of its hash
    raw = type(value) in _RAW
    stored = _store(head, buffers, blobs, not raw and pickling.carries_code(head))
    return _described(stored, value, secret or (not raw and _SECRET in head))


def encode_small(value: Any) -> Json | None:
    """Return the stored form of a value that JSON keeps exactly in some 4 KiB; None, soon, for any other.

    Raises CheckpointError.

    >>> encode_small({"rows": [1, 2]})["v"], encode_small((1, 2)), encode_small(bytes(100_000))
    ({'rows': [1, 2]}, None, None)
    """
    return _as_json(value, SMALL_BYTES, secret=False)


def encode_pickled(head: bytes, buffers: Sequence[Any], blobs: Blobs) -> Json:
    """Return the stored form of a value that was pickled before; ``buffers`` are its out-of-band buffers."""
    return {**_store(head, buffers, blobs, pickling.carries_code(head)), "py": PYTHON}


def decode(stored: Json, blobs: Blobs, *, persistent_load: Hook | None = None) -> Any:
    """Return a new copy of the value of a stored form.

    What ``persistent_load`` raises passes unchanged. Raises CheckpointError when this Python cannot load the value,
    StorageDamaged when its blob is missing or changed.
    """
    if stored["c"] == "json":
        return exact_json.copy(stored["v"])
    if stored["c"] == "gone":
        raise CheckpointError("A value was removed when its run had succeeded (cleanup='success'): run its task again.")
    if stored["c"] != "p5":
        raise CheckpointError(f"A value was stored by a newer nbflow (as {stored['c']!r}): pip install -U nbflow.")
    _check_python(stored)
    head: bytes | bytearray
    buffers: list[bytearray]
    if "blob" in stored:
        _, (head, *buffers) = blobs.get_blob(stored["blob"])
    else:
        head = base64.b64decode(stored["b64"])
        buffers = [bytearray(base64.b64decode(part)) for part in stored.get("buf", ())]
    return pickling.load(head, buffers, persistent_load, _origin(stored))


def is_stored(form: Any) -> bool:
    """Tell whether something that somebody else has left has the form of a stored value; nothing of it is loaded.

    >>> is_stored({"c": "json", "v": 1}), is_stored({"c": "p5", "b64": "no pickle"}), is_stored("text")
    (True, False, False)
    """
    if not isinstance(form, dict):
        return False
    if form.get("c") == "json":
        return "v" in form
    if form.get("c") != "p5" or not isinstance(form.get("ty", ""), str) or not isinstance(form.get("pv", ""), str):
        return False
    if "blob" in form:
        return isinstance(form["blob"], str)
    try:
        for part in (form.get("b64"), *form.get("buf", ())):
            base64.b64decode(part, validate=True)
    except (ValueError, TypeError):
        return False
    return True


def loadable(stored: Json) -> bool:
    """Tell whether this Python may load a value: code of another minor version would crash it."""
    return not stored.get("code") or stored.get("py", PYTHON) == PYTHON


def _store(head: bytes, buffers: Sequence[Any], blobs: Blobs, carries_code: bool) -> Json:
    stored: Json = {"c": "p5"}
    if carries_code:
        stored["code"] = True
    if len(head) + sum(memoryview(buffer).nbytes for buffer in buffers) <= INLINE_BYTES:
        stored["b64"] = _base64(head)
        if buffers:
            stored["buf"] = [_base64(buffer) for buffer in buffers]
    else:
        stored["blob"], stored["size"] = blobs.put_blob({"c": "p5", "py": PYTHON}, [head, *buffers])
    return stored


def _as_json(value: Any, budget: int, secret: bool) -> Json | None:
    if exact_json.is_quick(value):
        if masking.known is not None:
            masking.refuse(f"The {type_name(value)}", json.dumps(value))
        if secret:
            return {"c": "json", "v": value, "ty": type(value).__name__, "py": PYTHON}
        return {"c": "json", "v": value, "pv": repr(value), "ty": type(value).__name__, "py": PYTHON}
    try:
        exact = exact_json.copy_exactly(value, budget)
    except exact_json.InexactError:
        return None
    if masking.known is not None:
        masking.refuse(f"The {type_name(value)}", json.dumps(exact))
    return _described({"c": "json", "v": exact}, value, secret)


def _base64(content: Any) -> str:
    return base64.b64encode(content).decode("ascii")


def _described(stored: Json, value: Any, secret: bool) -> Json:
    if not secret:
        stored["pv"] = preview(value)
    stored["ty"] = type_name(value)
    stored["py"] = PYTHON
    if stored["c"] == "p5" and (library := pickling.library_of(value)):
        stored["lib"] = library
    return stored


def _check_python(stored: Json) -> None:
    made = stored.get("py", PYTHON)
    if made == PYTHON:
        return
    what = stored.get("ty", "value")
    if not loadable(stored):
        # Bytecode of another minor version does not fail: it crashes the interpreter.
        raise CheckpointError(
            f"A stored {what} holds code of Python {made}, which can crash Python {PYTHON}. Use a kernel with Python "
            f"{made}; or run the cell that defines the workflow and then nbflow.run(dag, workflow_id=...), which "
            "brings the code anew; or run the task that returned it again."
        )
    warnings.warn(
        f"A stored {what} was pickled by Python {made} and is loaded by Python {PYTHON}: this usually works.",
        stacklevel=4,
    )


def _origin(stored: Json) -> str:
    made_with = f"{stored['lib']} on " if "lib" in stored else ""
    return f"The stored {stored.get('ty', 'value')} (made with {made_with}Python {stored.get('py', PYTHON)})"
