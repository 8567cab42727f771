"""What runs beside a body in another process: its values come from where they lie, its result is stored there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pickle import PickleBuffer
from typing import Any

from ..core import masking
from ..core.graph import Json
from ..dag.elsewhere import Place, call_elsewhere
from ..dag.growth import growth
from ..errors import StorageError
from ..executors.kept import Keep
from ..storage import values
from ..storage.shared import SharedBlobs
from .progress import pace
from .voice import Pace

_QUICK = (type(None), bool, int, float)
_SHORT = 4096
"""Characters of a text that the engine stores itself."""


@dataclass(frozen=True, slots=True)
class Way:
    """What becomes of a result: ``store`` it beside the body, ``catch`` it as a pair, let it stay (``stays``)."""

    blobs: SharedBlobs | None
    store: bool = True
    catch: bool = False
    stays: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """A result that did not travel: its stored form, with the ``parts`` of its blob when the engine must write it."""

    stored: Json | None
    parts: tuple[Json, list[Any]] | None = None


class Lying:
    """Stands in a call for a stored value; it becomes the value where the call is loaded."""

    __slots__ = ("_blobs", "_deps", "_stored")

    def __init__(self, stored: Json, blobs: SharedBlobs, deps: Sequence[Any] = ()) -> None:
        self._stored = stored
        self._blobs = blobs
        self._deps = list(deps)

    def __reduce__(self) -> Any:
        return _load, (self._stored, self._blobs, self._deps)


def run_remote(function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any], place: Place, way: Way) -> Any:
    """Call a function as the body of a task; return its value, or what stands for one that does not travel."""
    token = pace.set(Pace())
    try:
        value = call_elsewhere(function, args, kwargs, place)
    finally:
        pace.reset(token)
    short = type(value) is str and len(value) < _SHORT
    if short and way.store:
        masking.refuse("The str", value)  # the engine may not know the secrets that were looked up here
    if short or type(value) in _QUICK or growth(value) is not None:
        return value
    if not way.store and not way.stays:
        return value
    if way.catch:
        value = (value, None)
    made = _stored(value, way.blobs) if way.store else Made(None)
    small = made.stored is not None and "blob" not in made.stored
    return Keep(made, value) if way.stays and not small else made


def _stored(value: Any, blobs: SharedBlobs | None) -> Made:
    if blobs is not None and blobs.here():
        try:
            return Made(values.encode(value, blobs))
        except StorageError:
            pass  # no fault of the body: the engine stores the value when it can
    carried = _Carried()
    stored = values.encode(value, carried)
    return Made(stored, carried.parts)


class _Carried:
    """Takes the place of a storage that is not seen here: what was to be written is carried to the engine."""

    def __init__(self) -> None:
        self.parts: tuple[Json, list[Any]] | None = None

    def put_blob(self, head: Json, buffers: Sequence[Any]) -> tuple[str, int]:
        self.parts = head, [PickleBuffer(buffer) for buffer in buffers]
        return "", 0

    def get_blob(self, sha256: str) -> tuple[Json, list[bytearray]]:
        raise LookupError(sha256)


def _load(stored: Json, blobs: SharedBlobs, deps: list[Any]) -> Any:
    return values.decode(stored, blobs, persistent_load=deps.__getitem__ if deps else None)
