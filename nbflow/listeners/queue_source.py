"""A listener for whatever has ``get`` and ``commit``: a queue of your own, a client that has no adapter here."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncIterator
from typing import Any

from ..dag.event import EventListener, this_wait


class QueueListener(EventListener):
    """Wait for the next message of a source of your own: subclass it and define ``source``.

    ``source(self, *args, **kwargs)`` gets the arguments of ``wait_for_event`` and returns an object with ``async
    get()``, which returns when there is a message, and ``async commit(message)``. It may be ``async def``, and what it
    returns may be an async context manager: then it is entered, and left when the wait is over. It is called once to
    get and once more to commit, perhaps in another process: keep nothing in ``self``. The message is the value.

    ``commit`` is called when the message is durable, and again after a crash that came between: it must be
    idempotent. Until then the source must give the message again to who asks; one that forgets it on ``get``, as an
    ``asyncio.Queue`` does, loses it in a crash. Without ``commit`` nobody is told.

    >>> import nbflow as nf
    >>> from nbflow.listeners import QueueListener
    >>> class Orders(QueueListener):
    ...     def source(self):
    ...         return Shop()
    >>> class Shop:
    ...     async def get(self):
    ...         return {"order": 7}
    ...     async def commit(self, message):
    ...         print("shipped", message["order"])
    >>> nf.run(nf.wait_for_event(Orders))
    shipped 7
    {'order': 7}
    """

    def source(self, *args: Any, **kwargs: Any) -> Any:
        """Return what messages come from."""
        raise NotImplementedError(f"{type(self).__name__} must define 'def source(self, ...)', which returns a queue.")

    async def poll_for_event(self, *args: Any, **kwargs: Any) -> Any:
        """Return the next message."""
        async with self._open(args, kwargs) as source:
            return await source.get()

    async def event_checkpointed(self, event: Any) -> None:
        """Commit the message."""
        wait = this_wait()
        async with self._open(wait.args, wait.kwargs) as source:
            if hasattr(source, "commit"):
                told = source.commit(event)
                if inspect.isawaitable(told):
                    await told

    @contextlib.asynccontextmanager
    async def _open(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> AsyncIterator[Any]:
        source = self.source(*args, **kwargs)
        if inspect.isawaitable(source):
            source = await source
        if hasattr(source, "__aenter__"):
            async with source as entered:
                yield entered
        else:
            yield source
