"""When a failed attempt is tried again, and after how long."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how soon a task is tried again.

    ``max_retries`` counts retries, not attempts; -1 is for ever. A dead worker process is always retried
    within that budget; an exception only when ``retry_exceptions`` says so (True: any; else the names of
    the classes, for display). The n-th retry waits ``backoff * factor ** (n - 1)`` seconds, at most ``max_backoff``,
    less up to the share ``jitter`` of it.
    """

    max_retries: int = 3
    retry_exceptions: bool | tuple[str, ...] = False
    backoff: float = 0.0
    factor: float = 2.0
    max_backoff: float = 300.0
    jitter: float = 0.0

    def allows(self, failures: int) -> bool:
        """Tell whether one more attempt may follow this many failed ones."""
        return self.max_retries < 0 or failures <= self.max_retries

    def delay(self, failures: int, chance: float) -> float:
        """Return the seconds to wait after this many failures; ``chance`` in [0, 1) is drawn by the caller."""
        if self.backoff <= 0:
            return 0.0
        exponent = min(failures - 1, 64)
        full = min(self.backoff * self.factor**exponent, self.max_backoff)
        return full * (1.0 - self.jitter * chance)


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for a task, apart from its code; all of it survives a restart.

    ``timeout`` is in seconds. ``checkpoint`` None inherits from the task that made the node, else True.
    ``executor`` and ``loop`` are names; ``mark_start`` journals the start before the body runs (at most once);
    ``resources`` are (name, amount) pairs, of which "CPU" is the number of slots on the executor. ``cache`` is whether
    a result may be that of an earlier call with the same code and inputs: True in any run, "run" in the same one, a
    number in any run if it is not more than so many seconds old.
    """

    retry: RetryPolicy = RetryPolicy()
    timeout: float | None = None
    catch_exceptions: bool = False
    checkpoint: bool | None = None
    executor: str | None = None
    loop: str | None = None
    mark_start: bool = False
    resources: tuple[tuple[str, float], ...] = ()
    cache: bool | str | float = False

    @property
    def slots(self) -> int:
        """How many slots of its executor the body holds: at least one."""
        return max(1, math.ceil(dict(self.resources).get("CPU", 1))) if self.resources else 1


DEFAULT_OPTIONS = Options()
