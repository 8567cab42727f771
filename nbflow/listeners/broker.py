"""What the listeners of brokers share: secrets by reference, and patience with a broker that is away."""

from __future__ import annotations

import asyncio
import os
from typing import Any

ENV = "env:"
"""What begins so names an environment variable, whose content is never stored."""


def resolved(value: Any) -> Any:
    """Return a setting, or the content of the variable that it names. Raises LookupError when that is not set."""
    if not isinstance(value, str) or not value.startswith(ENV):
        return value
    name = value.removeprefix(ENV)
    content = os.environ.get(name)
    if not content:
        raise LookupError(f"The environment variable {name!r}, which a listener needs, is not set in this process.")
    return content


class Patience:
    """Counts how long a broker is away: waits a moment after each failure, and gives up after ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: float | None = None
        self._pause = 0.05

    def worked(self) -> None:
        """Begin anew: the broker answered."""
        self._since, self._pause = None, 0.05

    async def failed(self, error: BaseException) -> None:
        """Wait a moment. Raises the error when it has been so for too long."""
        now = asyncio.get_running_loop().time()
        self._since = self._since if self._since is not None else now
        if now - self._since >= self._seconds:
            raise error
        await asyncio.sleep(min(self._pause, max(0.0, self._seconds - (now - self._since))))
        self._pause = min(self._pause * 2, 5.0)
