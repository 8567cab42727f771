"""What runs in a worker of Ray: a body that is heard while it runs, and whose value stays in Ray's object store."""

from __future__ import annotations

import contextvars
import pickle
import queue
import threading
from collections.abc import Iterator
from typing import Any

from nbflow.executors import wire
from nbflow.executors.heard import heard

SAID = "said"
"""Messages of the body follow, each pickled."""
ENDED = "ended"
"""The reply follows, and whether the value comes next, to stay in the store."""


def carry(payload: bytes, *held: Any) -> Iterator[Any]:
    """Carry out an encoded call; yield what the body says as it says it, its reply, and a value that is to stay."""
    says: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def run() -> None:
        with heard(lambda kind, content: says.put(pickle.dumps((kind, content)))):
            ended = wire.carry_out(payload, lambda: says.put(pickle.dumps(("started", None))), held)
        says.put(ended)

    threading.Thread(target=contextvars.copy_context().run, args=(run,), name="nbflow-body", daemon=True).start()
    while True:
        said, ended = _next(says)
        if said:
            yield SAID, said
        if ended is not None:
            break
    reply, keep = ended
    yield ENDED, reply, keep is not None
    if keep is not None:
        yield keep.value


def _next(says: queue.SimpleQueue[Any]) -> tuple[list[bytes], Any]:
    """Return all that was said until now, waiting for a word, and the end when it has come."""
    said: list[bytes] = []
    found = says.get()
    while isinstance(found, bytes):
        said.append(found)
        try:
            found = says.get_nowait()
        except queue.Empty:
            return said, None
    return said, found
