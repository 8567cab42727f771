"""One look at everything that is watched, at intervals, in one thread: ten thousand waits cost one timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

Look = Callable[[], Any]
"""Looks once, without blocking for long; returns None while there is nothing to see."""

_rounds: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[float, Rounds]] = WeakKeyDictionary()


async def until_seen(look: Look, seconds: float) -> Any:
    """Return what ``look`` sees as soon as it is something; it looks at once, and again every so many seconds.

    ``look`` is called in a thread, together with all the others of this interval. Raises what it raises.
    """
    of_this_loop = _rounds.setdefault(asyncio.get_running_loop(), {})
    return await of_this_loop.setdefault(seconds, Rounds(seconds)).wait(look)


class Rounds:
    """Those who look at one interval, on one loop. Its task exists only while there are any."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._watched: dict[asyncio.Future[Any], Look] = {}
        self._fresh: dict[asyncio.Future[Any], Look] = {}
        self._joined = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def wait(self, look: Look) -> Any:
        """Return what ``look`` sees."""
        seen: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._watched[seen] = self._fresh[seen] = look
        self._joined.set()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._go())
        try:
            return await seen
        finally:
            self._watched.pop(seen, None)
            self._fresh.pop(seen, None)

    async def _go(self) -> None:
        clock = asyncio.get_running_loop().time
        following = clock() + self._seconds
        while self._watched:
            try:
                await asyncio.wait_for(self._joined.wait(), following - clock())
                looks, self._fresh = self._fresh, {}
            except TimeoutError:
                looks, self._fresh = {**self._watched}, {}
                following = clock() + self._seconds
            self._joined.clear()
            for seen, found, error in await asyncio.to_thread(_look_at_all, looks):
                if seen.done():
                    continue
                if error is not None:
                    seen.set_exception(error)
                else:
                    seen.set_result(found)


def _look_at_all(
    looks: dict[asyncio.Future[Any], Look],
) -> list[tuple[asyncio.Future[Any], Any, BaseException | None]]:
    """Return what those see that see something, or what they raise."""
    news: list[tuple[asyncio.Future[Any], Any, BaseException | None]] = []
    for seen, look in looks.items():
        try:
            found = look()
        except Exception as error:
            news.append((seen, None, error))
        else:
            if found is not None:
                news.append((seen, found, None))
    return news
