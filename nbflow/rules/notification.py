"""What a stream of keyed events gives to who listens: the event, its receipt, the processor, and the keys it wants."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a namespace: ``key`` says what it is about, ``value`` is any object, ``offset`` is its place.

    Offsets begin at 1 in each namespace and rise by one. ``at`` is in UTC seconds, by the sender's clock. ``run`` and
    ``task`` name the task that sent it, if one did.

    >>> from nbflow.rules import Event
    >>> Event("model.trained", {"accuracy": 0.93}, offset=1).payload
    {'accuracy': 0.93}
    """

    key: str
    value: Any = None
    offset: int = 0
    namespace: str = "default"
    at: float = 0.0
    id: str = ""
    sender: str = ""
    run: str = ""
    task: str = ""

    @property
    def payload(self) -> Any:
        """The value, under the name that it has in an event of a run."""
        return self.value


@dataclass(frozen=True, slots=True)
class EventReceipt:
    """What became of an event that was sent: it is durable, and ``offset`` is its place in its namespace.

    The receipt of an ``id`` that came before is equal to the first one, and ``duplicate`` is true.

    >>> from nbflow.rules import EventReceipt
    >>> EventReceipt("price", 7, "default", 0.0, "a") == EventReceipt("price", 7, "default", 0.0, "a", duplicate=True)
    True
    """

    key: str
    offset: int
    namespace: str
    at: float
    id: str
    sender: str = ""
    duplicate: bool = field(default=False, compare=False)


class ListenerProcessor:
    """What is done with events: subclass it and define ``process``. A plain function of a list of events will do too.

    >>> from nbflow.rules import ListenerProcessor
    >>> class Show(ListenerProcessor):
    ...     def process(self, events):
    ...         for event in events:
    ...             print(event.offset, event.key, event.value)
    """

    def __repr__(self) -> str:
        return f"<processor {type(self).__name__}>"

    def process(self, events: list[Event]) -> None:
        """Take some events in their order. When it raises, the error is shown and the same events come again."""
        raise NotImplementedError(f"{type(self).__name__} must define 'def process(self, events): ...'.")

    def missed(self, first: int, last: int) -> None:
        """Hear that the events of these offsets were pruned before they came. A notice is shown in any case."""


class Keys:
    """The keys that somebody wants: names, and globs with ``*``, ``?`` and ``[...]``; None or none at all is every key.

    A key that is equal to a pattern matches it, whatever characters it has. Capital letters count.

    >>> from nbflow.rules import Keys
    >>> "model.trained" in Keys(["model.*", "stop"]), "[status].a" in Keys("[status].a"), "x" in Keys()
    (True, True, True)
    """

    def __init__(self, patterns: str | Iterable[str] | None = None) -> None:
        given = [patterns] if isinstance(patterns, str) else list(patterns or ())
        for each in given:
            if not isinstance(each, str) or not each:
                raise TypeError(f"event_keys takes a key, or a list of keys; {each!r} is none.")
        self.patterns = tuple(given)
        self._names = frozenset(given)
        self._globs = tuple(each for each in given if any(sign in each for sign in "*?["))

    def __contains__(self, key: str) -> bool:
        if not self.patterns or key in self._names:
            return True
        return any(fnmatchcase(key, glob) for glob in self._globs)

    def __repr__(self) -> str:
        return f"Keys({list(self.patterns)!r})" if self.patterns else "Keys()"
