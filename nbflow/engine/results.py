"""Results of earlier calls in the place of new ones: looked up before a body starts, kept when it has ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ..core.caching import cache_key, from_cache
from ..core.graph import Json
from ..core.records import TaskSucceeded
from ..storage import values

if TYPE_CHECKING:
    from .runner import Runner


class Results:
    """What one run takes from the cache of its storage, and gives to it."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._keys: dict[int, str] = {}
        self._making: dict[str, asyncio.Event] = {}
        """The calls that are under way, by key: the same call waits for the first one."""
        self._keeping: set[asyncio.Future[None]] = set()

    async def take(self, index: int, attempt: int) -> bool:
        """Finish a node with an earlier result and return True, if there is one that its task wants."""
        runner = self._runner
        wish = runner.state.options(index).cache
        key = cache_key(runner.state, index, wish)
        if key is None:
            return False
        while True:
            while (first := self._making.get(key)) is not None:
                await first.wait()
            entry = await asyncio.to_thread(runner.journal.read_result, key)
            if entry is not None and self._fits(entry, wish):
                break
            if key not in self._making:  # nobody began it while the storage was asked
                self._keys[index], self._making[key] = key, asyncio.Event()
                return False
        now = runner.now()
        runner.write(TaskSucceeded(index, from_cache(entry["value"], entry["run"]), now, now, attempt))
        return True

    def keep(self, index: int, stored: Json | None) -> None:
        """Keep what a body has returned, if its task wants that."""
        if not self._keys:
            return
        key = self._keys.get(index)
        if key is None or stored is None:
            self.leave(index)
            return
        runner = self._runner
        task = runner.state.codes[runner.state.nodes[index].spec.code].name
        entry = {"task": task, "run": runner.workflow_id, "at": runner.now(), "value": stored}
        kept = runner.loop.run_in_executor(None, runner.journal.keep_result, key, entry)
        self._keeping.add(kept)
        kept.add_done_callback(self._keeping.discard)
        kept.add_done_callback(lambda _: self.leave(index))

    def leave(self, index: int) -> None:
        """Let the next one make the same call: this one has ended. Idempotent."""
        key = self._keys.pop(index, None)
        if key is not None:
            self._making.pop(key).set()

    async def kept(self) -> None:
        """Return when all that was given to the cache can be found there."""
        if self._keeping:
            await asyncio.wait([*self._keeping])

    def _fits(self, entry: Json, wish: bool | str | float) -> bool:
        """Tell whether an entry is young enough, and can be loaded by this Python."""
        if isinstance(wish, float) and not 0 <= self._runner.now() - entry["at"] <= wish:
            return False
        return values.loadable(entry["value"])
