"""What must be true of every run after what was done to it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

bodies: Counter[int] = Counter()
"""How often the first task of each run has run, by the run's serial number."""
ENDED = ("SUCCESSFUL", "CANCELED")


@dataclass
class Expected:
    """One run. ``left`` are the events that wait in its inbox for an owner, ``seen`` the ids that one has received."""

    serial: int
    status: str = "RUNNING"
    go: Any = None
    option: str = ""
    seen: set[str] = field(default_factory=set)
    left: list[tuple[str, str, Any]] = field(default_factory=list)

    @property
    def value(self) -> list[Any]:
        """What the run gives in the end."""
        return [self.serial, self.go, self.option]

    def send(self, event_id: str, key: str, payload: Any) -> str:
        """Return the status of the receipt of an event, and let it count."""
        if event_id in self.seen:
            return "duplicate"
        if self._is_answered(key) or self.status in ENDED:
            return "closed"
        if self.status != "RUNNING":
            if any(each[:2] == (event_id, key) for each in self.left):
                return "duplicate"
            self.left.append((event_id, key, payload))
            return "queued"
        return self._take(event_id, key, payload)

    def _is_answered(self, key: str) -> bool:
        return key == "question" and bool(self.option)

    def _take(self, event_id: str, key: str, payload: Any) -> str:
        self.seen.add(event_id)
        waits = not self.option if key == "question" else self.go is None
        if not waits:
            return "queued"
        if key == "question":
            self.option = payload
        else:
            self.go = payload
        if self.option and self.go is not None:
            self.status = "SUCCESSFUL"
        return "delivered"

    def go_on(self) -> None:
        """Let a new owner have the run: it takes what was left, in order."""
        self.status = "RUNNING"
        left, self.left = self.left, []
        for event_id, key, payload in left:
            if event_id not in self.seen:
                self._take(event_id, key, payload)

    def fork(self) -> Expected:
        """Return a run that begins with what this one has finished."""
        return Expected(self.serial, "RESUMABLE", self.go, self.option, {*self.seen})
