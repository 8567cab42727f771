"""When a task is due: every so many seconds, or at the times of a cron expression."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..errors import GraphError

CATCH_UP = ("last", "all", "none")
MOST = 10_000
"""Missed times that are counted; where there are more, the number is a lower bound."""


@dataclass(frozen=True)
class Schedule:
    """The times at which a task is due; moments are UTC seconds.

    Either ``every`` seconds (or a timedelta) after the flow began, or at the times of ``cron`` ("minute hour day month
    weekday") in ``timezone`` ("Europe/Berlin"; default: that of this computer). ``catch_up`` says what becomes of times
    that passed while nobody ran the flow: "last" (one start, which is told how many), "all" (one each) or "none".
    Raises GraphError for what cannot be understood; ImportError without the ``schedule`` extra for cron.

    >>> from nbflow.rules import Schedule
    >>> hourly = Schedule(every=3600)
    >>> hourly.after(100.0, base=0.0)
    3600.0
    >>> Schedule(cron="30 6 * * *", timezone="UTC").after(0.0) / 3600
    6.5
    """

    every: Any = None
    cron: str | None = None
    timezone: str | None = None
    catch_up: str = "last"

    def __post_init__(self) -> None:
        if isinstance(self.every, timedelta):
            object.__setattr__(self, "every", self.every.total_seconds())
        if (self.every is None) == (self.cron is None):
            raise GraphError("A schedule is either every=seconds or cron='minute hour day month weekday'.")
        if self.every is not None and not _is_time(self.every):
            raise GraphError(f"every= takes a number of seconds from 0.01 or a timedelta, not {self.every!r}.")
        if self.catch_up not in CATCH_UP:
            raise GraphError(f"catch_up must be one of {', '.join(map(repr, CATCH_UP))}, not {self.catch_up!r}.")
        if self.cron is not None:
            self._zone()
            next(self._times(0.0))

    def after(self, moment: float, base: float = 0.0) -> float:
        """Return the first time after a moment; ``base`` is when the flow began."""
        return next(self._after(moment, base))

    def missed(self, last: float, now: float, base: float = 0.0) -> tuple[float, int]:
        """Return the latest time after ``last`` that is not after ``now``, and how many there are; (0, 0) for none."""
        if self.every is not None:
            latest_number = self._number(now, base)
            count = latest_number - self._number(last, base)
            return (self._time(latest_number, base), count) if count > 0 else (0.0, 0)
        latest, count = 0.0, 0
        for moment in self._after(last, base):
            if moment > now or count >= MOST:
                break
            latest, count = moment, count + 1
        return latest, count

    def _after(self, moment: float, base: float) -> Iterator[float]:
        if self.every is None:
            yield from self._times(moment)
        number = self._number(moment, base)
        while True:
            number += 1
            yield self._time(number, base)

    def _time(self, number: int, base: float) -> float:
        return round(base + number * float(self.every), 3)  # the engine's clock has milliseconds

    def _number(self, moment: float, base: float) -> int:
        """Return how many times have passed; one that is now counts, whatever rounding made of it."""
        return max(0, math.floor((moment - base + 0.0006) / float(self.every)))

    def _times(self, moment: float) -> Iterator[float]:
        try:
            from cronsim import CronSim, CronSimError  # an extra
        except ImportError:
            raise ImportError("cron= needs cronsim: pip install 'nbflow[schedule]'. every= needs nothing.") from None
        try:
            for found in CronSim(str(self.cron), datetime.fromtimestamp(moment, UTC).astimezone(self._zone())):
                yield found.timestamp()
        except CronSimError as error:
            raise GraphError(
                f"cron={self.cron!r} is not understood ({error}); it has five parts, such as '*/15 8-18 * * mon-fri'."
            ) from None
        raise GraphError(f"cron={self.cron!r} has no time to come.")

    def _zone(self) -> tzinfo | None:
        if self.timezone is None:
            return None
        try:
            return ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise GraphError(
                f"timezone={self.timezone!r} is not known here; give a name such as 'Europe/Berlin'."
            ) from None

    def __str__(self) -> str:
        if self.every is not None:
            return f"every {self.every:g} s"
        return f"at {self.cron!r}" + (f" ({self.timezone})" if self.timezone else "")


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0.01


def schedule_of(every: Any, cron: str | None, timezone: str | None, catch_up: str) -> Schedule | None:
    """Return the schedule of a task that may have none."""
    if every is None and cron is None:
        return None
    return Schedule(every, cron, timezone, catch_up)
