"""What the storage needs of an object store: a few calls, which a model stands in for in the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from ..processes import Process


class Listed(NamedTuple):
    """One object of a listing: its whole key, its size in bytes, and when it was written by the store's clock (UTC)."""

    key: str
    size: int
    changed: float
    version: str


class Bucket(Protocol):
    """The objects below one prefix. Safe to use from several threads; each call may block.

    Each raises StorageUnreachable when nobody answers, StorageReadOnly or StorageError when the answer is no. After
    an error of a call that writes, the object may be there all the same, now or a little later.
    """

    url: str

    def get(self, key: str) -> bytes | None:
        """Return the content of an object, or None."""

    def get_part(self, key: str, start: int, end: int) -> tuple[bytes, int] | None:
        """Return the bytes of an object from ``start`` to before ``end`` or its end, and its size, or None."""

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the contents of objects, fetched together."""

    def create(self, key: str, content: bytes) -> bool:
        """Write an object that is not there; return False when one is. It may be this one, whose answer was lost."""

    def put(self, key: str, content: bytes) -> None:
        """Write an object, in place of one that is there."""

    def put_pieces(self, key: str, pieces: Iterable[memoryview]) -> None:
        """Write a large object from pieces, without holding them all."""

    def copy(self, key: str, to: str) -> bool:
        """Copy an object inside the store; return False when it is not there."""

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; those that are not there do not matter."""

    def find(self, prefix: str, *, shallow: bool = False) -> list[Listed]:
        """Return all objects below a prefix, which ends with a slash, by their keys; ``shallow``: not those deeper."""

    def folders(self, prefix: str) -> list[str]:
        """Return the next parts of the keys below a prefix that go on behind them."""

    def spawn(self, work: Callable[[], None]) -> Callable[[], None]:
        """Do some work beside; return what waits for its end. A model does it at once."""

    def now(self) -> float:
        """Return the wall clock of this machine, in UTC seconds."""

    def clock_offset(self) -> float:
        """Return how many seconds the store's clock is ahead of this machine's; 0.0 when that cannot be found out."""

    def random_hex(self, size: int) -> str:
        """Return ``size`` random bytes as hexadecimal digits."""

    def process(self) -> Process:
        """Say which process this is."""

    def is_alive(self, pid: int, started: str) -> bool:
        """Tell whether a process of this machine still runs."""


def exists(bucket: Bucket, key: str) -> bool:
    """Tell whether an object is there."""
    return bucket.get_part(key, 0, 1) is not None


def create_once(bucket: Bucket, key: str, content: bytes) -> bool:
    """Create an object; return False when somebody else's stands there.

    The answer to a create can be lost after the store has carried it out, and the next attempt then finds the object
    of the first. So what stands there is read and compared: ``content`` must be like no other writer's, by a nonce.
    """
    # What is gone again was not ours: an object that fences somebody is never removed.
    return bucket.create(key, content) or bucket.get(key) == content
