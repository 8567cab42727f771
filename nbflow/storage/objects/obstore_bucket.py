"""A bucket by ``obstore``: S3 and all that speaks like it, Google, Azure, and for trials a local folder or memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import chain
from typing import Any

from nbflow.errors import StorageError

from .. import processes
from ..os_calls import OS
from .bucket import Listed
from .refusals import refusal

TOGETHER = 16
"""Requests that are on their way at once, when many objects are fetched."""
PART = 1 << 23
"""Bytes of a part of a large object; one that is smaller goes in one request."""
PARTS = 4
"""Parts that are on their way at once: so much of a large value is in memory a second time."""
RETRIES = 6
BACKOFF = {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=5), "base": 2.0}
PATIENCE = timedelta(seconds=20)
"""After so long without an answer an error is raised; a run then pauses, and tries again itself."""
CLOCK_LIFE = 600.0
"""Seconds for which the difference of two clocks is believed."""


class ObstoreBucket:
    """The objects below one URL. ``options`` are those of obstore, such as ``endpoint`` or ``region``.

    Credentials come from the environment, or from ``options``; they are kept in memory only.
    """

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        obs, store = _obstore(url)
        self.url = url.rstrip("/")
        self._obs = obs
        self._os = OS()
        self._pool: ThreadPoolExecutor | None = None
        self._offset = (0.0, 0.0)
        given = {
            "retry_config": {"max_retries": RETRIES, "retry_timeout": PATIENCE, "backoff": BACKOFF},
            **(options or {}),
        }
        try:
            if url.startswith("memory://"):
                self._store = store.MemoryStore()
            elif url.startswith("file://"):
                self._store = store.LocalStore.from_url(url, mkdir=True)
            else:
                self._store = store.from_url(url, **given)
        except Exception as error:
            raise ValueError(f"storage={url!r}: {str(error).splitlines()[0]}") from None  # the cause may show options

    # ---- reading ----

    def get(self, key: str) -> bytes | None:
        """Return the content of an object, or None."""
        try:
            return bytes(self._obs.get(self._store, key).bytes())
        except FileNotFoundError:
            return None
        except self._obs.exceptions.BaseError as error:
            raise refusal(self.url, error) from None

    def get_part(self, key: str, start: int, end: int) -> tuple[bytes, int] | None:
        """Return some bytes of an object and its size, or None."""
        try:
            found = self._obs.get(self._store, key, options={"range": (start, end)})
            return bytes(found.bytes()), found.meta["size"]
        except FileNotFoundError:
            return None
        except self._obs.exceptions.BaseError as error:
            if "InvalidRange" in str(error) or "nvalid range" in str(error) or "range was invalid" in str(error):
                return b"", 0  # an empty object has no part
            raise refusal(self.url, error) from None

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the contents of objects, fetched together."""
        if len(keys) < 2:
            return [self.get(key) for key in keys]
        if self._pool is None:
            self._pool = ThreadPoolExecutor(TOGETHER, thread_name_prefix="nbflow-objects")
        return [*self._pool.map(self.get, keys)]

    def find(self, prefix: str, *, shallow: bool = False) -> list[Listed]:
        """Return all objects below a prefix, by their keys."""
        try:
            if shallow:
                found = self._obs.list_with_delimiter(self._store, prefix.rstrip("/"))["objects"]
            else:
                found = chain.from_iterable(self._obs.list(self._store, prefix.rstrip("/"), chunk_size=1000))
            return sorted(
                Listed(each["path"], each["size"], each["last_modified"].timestamp(), str(each["e_tag"]))
                for each in found
            )
        except FileNotFoundError:
            return []
        except self._obs.exceptions.BaseError as error:
            raise refusal(self.url, error) from None

    def folders(self, prefix: str) -> list[str]:
        """Return the next parts of the keys below a prefix that go on behind them."""
        try:
            found = self._obs.list_with_delimiter(self._store, prefix.rstrip("/"))["common_prefixes"]
        except FileNotFoundError:
            return []
        except self._obs.exceptions.BaseError as error:
            raise refusal(self.url, error) from None
        return [each.rstrip("/").rpartition("/")[2] for each in found]

    # ---- writing ----

    def create(self, key: str, content: bytes) -> bool:
        """Write an object that is not there; return False when one is."""
        try:
            self._obs.put(self._store, key, content, mode="create", use_multipart=False)
        except self._obs.exceptions.AlreadyExistsError:
            return False
        except (FileNotFoundError, self._obs.exceptions.BaseError) as error:
            raise refusal(self.url, error) from None
        return True

    def put(self, key: str, content: bytes) -> None:
        """Write an object, in place of one that is there."""
        self._put(key, content, use_multipart=False)

    def put_pieces(self, key: str, pieces: Iterable[memoryview]) -> None:
        """Write a large object from pieces, without holding them all."""
        first: list[memoryview] = []
        rest = iter(pieces)
        for piece in rest:
            first.append(piece)
            if sum(each.nbytes for each in first) > PART:
                self._put(key, chain(first, rest), use_multipart=True, chunk_size=PART, max_concurrency=PARTS)
                return
        self.put(key, b"".join(first))

    def copy(self, key: str, to: str) -> bool:
        """Copy an object inside the store; return False when it is not there."""
        try:
            self._obs.copy(self._store, key, to)
        except FileNotFoundError:
            return False
        except self._obs.exceptions.BaseError as error:
            raise refusal(self.url, error) from None
        return True

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; those that are not there do not matter."""
        if not keys:
            return
        try:
            self._obs.delete(self._store, [*keys])
        except FileNotFoundError:
            for key in keys:  # a local folder stops at the first that is not there
                self._delete(key)
        except self._obs.exceptions.BaseError as error:
            raise refusal(self.url, error) from None

    def _delete(self, key: str) -> None:
        try:
            self._obs.delete(self._store, key)
        except FileNotFoundError:
            pass
        except self._obs.exceptions.BaseError as error:
            raise refusal(self.url, error) from None

    def _put(self, key: str, content: Any, **how: Any) -> None:
        try:
            self._obs.put(self._store, key, content, **how)
        except (FileNotFoundError, self._obs.exceptions.BaseError) as error:
            raise refusal(self.url, error) from None

    # ---- clock, chance and processes ----

    def spawn(self, work: Callable[[], None]) -> Callable[[], None]:
        """Do some work in a thread; return what waits for its end."""
        thread = threading.Thread(target=work, name="nbflow-rolling", daemon=True)
        thread.start()
        return thread.join

    def now(self) -> float:
        """Return the wall clock, in UTC seconds."""
        return time.time()

    def clock_offset(self) -> float:
        """Return how many seconds the store's clock is ahead, from the time of an object that was just written."""
        offset, until = self._offset
        if time.monotonic() < until:
            return offset
        key = f"cache/clock-{self._os.random_hex(4)}"
        try:
            self.put(key, b"")
            before = self.now()
            listed = [each for each in self.find("cache/", shallow=True) if each.key == key]
            self.delete([key])
        except StorageError:
            return 0.0
        # Stores tell whole seconds: less than that is no difference.
        found = listed[0].changed - before if listed else 0.0
        self._offset = (found if abs(found) > 2.0 else 0.0), time.monotonic() + CLOCK_LIFE
        return self._offset[0]

    def random_hex(self, size: int) -> str:
        """Return ``size`` random bytes as hexadecimal digits."""
        return self._os.random_hex(size)

    def process(self) -> processes.Process:
        """Say which process this is."""
        return self._os.process()

    def is_alive(self, pid: int, started: str) -> bool:
        """Tell whether a process of this machine still runs."""
        return self._os.is_alive(pid, started)

    def __repr__(self) -> str:
        return f"<bucket {self.url}>"


def _obstore(url: str) -> tuple[Any, Any]:
    try:
        import obstore
        import obstore.exceptions
        import obstore.store
    except ImportError:
        raise ModuleNotFoundError(
            f"storage={url!r} needs obstore: pip install 'nbflow[s3]', and restart the kernel.", name="obstore"
        ) from None
    return obstore, obstore.store
