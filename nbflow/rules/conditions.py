"""When a rule acts: on one event, on any, all or so many of several, on the states of tasks, or as a user says.

A condition is edge-triggered: it is met by an event, and is armed anew when it was met. With ``sticky=True`` it stays
met, and each further event that it listens to meets it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..core.executions import TaskStatus
from ..errors import GraphError
from .actions import SCOPES
from .context import Context
from .notification import Keys


@dataclass(frozen=True, slots=True)
class Ear:
    """One kind of event that a condition listens to: a key (a glob), in a scope, from some sender (a glob)."""

    key: str
    scope: str = "run"
    sender: str | None = None

    def hears(self, event: Any, scopes: Iterable[str]) -> bool:
        """Tell whether this is such an event; ``scopes`` are those that the event belongs to."""
        return (
            self.scope in scopes
            and event.key in Keys(self.key)
            and (self.sender is None or event.sender in Keys(self.sender))
        )

    def __str__(self) -> str:
        scope = "" if self.scope == "run" else f" in the {self.scope}"
        return f"{self.key!r}{scope}" + (f" from {self.sender!r}" if self.sender else "")


class Condition:
    """A condition of your own: say which keys it listens to, and whether an event of them meets it.

    ``is_met`` is called once for each such event, in order, in a thread; ``context`` has the states of tasks and
    values that it remembers, which are durable and survive a restart. When it raises, the rule is shown as broken and
    the event is kept for it until the run goes on with a mended one.

    >>> from nbflow.rules import Condition, Context, Event
    >>> class Large(Condition):
    ...     def is_met(self, event, context):
    ...         return event.value > 10
    >>> Large(["size"]).is_met(Event("size", 11), Context())
    True
    """

    def __init__(
        self, expect_event_keys: str | Iterable[str] = (), *, scope: str = "run", sender: str | None = None
    ) -> None:
        keys = [expect_event_keys] if isinstance(expect_event_keys, str) else list(expect_event_keys)
        self.expect_event_keys = [checked_key(key) for key in keys]
        self._scope, self._sender = checked_scope(scope), sender

    def is_met(self, event: Any, context: Context) -> bool:
        """Tell whether this event meets the condition. Yours to write."""
        raise NotImplementedError(f"{type(self).__name__} has to say when it is met: write is_met(event, context).")

    @property
    def custom(self) -> bool:
        """True when user code decides: it is called in a thread."""
        return type(self).is_met.__module__ != __name__

    def ears(self) -> list[Ear]:
        """Return the kinds of events that it listens to."""
        return [Ear(key, self._scope, self._sender) for key in self.expect_event_keys]

    def statuses(self) -> dict[str, TaskStatus]:
        """Return the states of tasks that it waits for."""
        return {}

    def missing(self, context: Context) -> list[str]:
        """Return what has not come yet, in words."""
        return [f"that {type(self).__name__} says yes to {' or '.join(map(str, self.ears()))}"]

    def parts(self) -> list[Condition]:
        """Return the conditions inside it, and itself."""
        return [self]

    def __str__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(str, self.ears()))})"

    def __repr__(self) -> str:
        return f"<condition {self}>"


class SingleEvent(Condition):
    """Met by each event of a key, which may be a glob (``"batch.*"``).

    ``scope`` is "run" (default: events that were sent to this run or by its tasks), "flow" (by the tasks of any run of
    this flow) or "namespace" (by anybody); ``sender`` (a glob) lets only some senders count.

    >>> from nbflow.rules import SingleEvent
    >>> str(SingleEvent("model", sender="train*"))
    "'model' from 'train*'"
    """

    def __init__(self, event_key: str, *, scope: str = "run", sender: str | None = None) -> None:
        super().__init__([event_key], scope=scope, sender=sender)

    def is_met(self, event: Any, context: Context) -> bool:
        """Met by every event that it hears."""
        return True

    def missing(self, context: Context) -> list[str]:
        """Return its key."""
        return [str(self)]

    def __str__(self) -> str:
        return str(self.ears()[0])


class _Several(Condition):
    """A condition made of others; keys stand for events of them, in ``scope`` and from ``sender``."""

    word = ""

    def __init__(
        self, conditions: Iterable[Condition | str], *, sticky: bool = False, scope: str = "run",
        sender: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(scope=scope, sender=sender)
        given = [conditions] if isinstance(conditions, str) else conditions
        self.conditions = [condition_of(each, scope, sender) for each in given]
        self.sticky = sticky
        if not self.conditions:
            raise GraphError(f"{type(self).__name__} needs at least one condition or key.")

    def ears(self) -> list[Ear]:
        return list(dict.fromkeys(ear for each in self.conditions for ear in each.ears()))

    def statuses(self) -> dict[str, TaskStatus]:
        return {name: status for each in self.conditions for name, status in each.statuses().items()}

    def parts(self) -> list[Condition]:
        return [self, *(part for each in self.conditions for part in each.parts())]

    def met_now(self, event: Any, context: Context) -> list[int]:
        """Return the places of those that this event meets."""
        heard = [(i, each) for i, each in enumerate(self.conditions) if listens(each, event)]
        return [i for i, each in heard if each.is_met(event, context.part(i))]

    def __str__(self) -> str:
        return f"{self.word} of {', '.join(map(str, self.conditions))}"


class MeetAny(_Several):
    """Met by an event that meets one of several conditions; a key stands for any event of it.

    >>> from nbflow.rules import MeetAny
    >>> str(MeetAny(["a", "b"]))
    "any of 'a', 'b'"
    """

    word = "any"

    def is_met(self, event: Any, context: Context) -> bool:
        """Met when one of them is."""
        return bool(self.met_now(event, context))

    def missing(self, context: Context) -> list[str]:
        """Return what each of them waits for, as one."""
        words = [" and ".join(each.missing(context.part(i))) for i, each in enumerate(self.conditions)]
        return [" or ".join(words)]


class MeetAll(_Several):
    """Met when each of several conditions has been met since it was met last; then all must come again.

    With ``sticky=True`` they need not: from then on each further event meets it.

    >>> from nbflow.rules import Context, Event, MeetAll
    >>> both, context = MeetAll(["a", "b"]), Context()
    >>> [both.is_met(Event(key, None), context) for key in ("a", "a", "b", "b")]
    [False, False, True, False]
    >>> both.missing(context)
    ["'a'"]
    """

    word = "all"

    def is_met(self, event: Any, context: Context) -> bool:
        """Met when the last of them is."""
        memory = context.get_state("met")
        met = {*(memory.value() or ()), *self.met_now(event, context)}
        if len(met) < len(self.conditions):
            memory.update(sorted(met))
            return False
        if self.sticky:
            memory.update(sorted(met))
        else:
            memory.clear()
        return True

    def missing(self, context: Context) -> list[str]:
        """Return those that have not been met."""
        met = context.get_state("met").value() or ()
        places = [i for i in range(len(self.conditions)) if i not in met]
        return [word for i in places for word in self.conditions[i].missing(context.part(i))]


class Count(_Several):
    """Met by every ``times``-th event that meets a condition, or one of several; a key stands for any event of it.

    With ``sticky=True`` by the ``times``-th and every one after it.

    >>> from nbflow.rules import Context, Count, Event
    >>> third, context = Count(3, "batch"), Context()
    >>> [third.is_met(Event("batch", i), context) for i in range(7)]
    [False, False, True, False, False, True, False]
    """

    def __init__(
        self, times: int, of: Condition | str | Iterable[Condition | str], *, sticky: bool = False, scope: str = "run",
        sender: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__([of] if isinstance(of, Condition) else of, sticky=sticky, scope=scope, sender=sender)
        if type(times) is not int or times < 1:
            raise GraphError(f"Count(times, ...) takes a whole number from 1, not {times!r}.")
        self.times = times

    def is_met(self, event: Any, context: Context) -> bool:
        """Met when enough have come."""
        memory = context.get_state("count")
        if not self.met_now(event, context):
            return False
        count = (memory.value() or 0) + 1
        if count < self.times or self.sticky:
            memory.update(min(count, self.times))
        else:
            memory.clear()
        return bool(count >= self.times)

    def missing(self, context: Context) -> list[str]:
        """Return how many are still to come."""
        left = max(1, self.times - (context.get_state("count").value() or 0))
        return [f"{left} more of {' or '.join(map(str, self.conditions))}"]

    def __str__(self) -> str:
        return f"every {self.times} of {' or '.join(map(str, self.conditions))}"


class TaskStatusMet(Condition):
    """Met when tasks come to have given states, all at the same time; a task's state is that of its latest execution.

    >>> from nbflow.rules import TaskStatus, TaskStatusMet
    >>> str(TaskStatusMet({"train": TaskStatus.SUCCESS}))
    'train is SUCCESS'
    """

    def __init__(self, statuses: Mapping[Any, TaskStatus | str]) -> None:
        super().__init__()
        if not statuses:
            raise GraphError("A condition on the states of tasks needs at least one task.")
        self._wanted = {name_of(task): TaskStatus(status) for task, status in statuses.items()}

    def is_met(self, event: Any, context: Context) -> bool:
        """Met when all hold with this change of one of them."""
        return all(context.get_task_status(name) is wanted for name, wanted in self._wanted.items())

    def ears(self) -> list[Ear]:
        return []

    def statuses(self) -> dict[str, TaskStatus]:
        return dict(self._wanted)

    def missing(self, context: Context) -> list[str]:
        """Return the tasks that are not in their states."""
        found = []
        for name, wanted in self._wanted.items():
            status = context.get_task_status(name)
            if status is not wanted:
                found.append(f"{name} to be {wanted} (it is {status})")
        return found or [f"{' and '.join(self._wanted)} once more"]

    def __str__(self) -> str:
        return " and ".join(f"{name} is {wanted}" for name, wanted in self._wanted.items())


def listens(condition: Condition, event: Any) -> bool:
    """Tell whether a condition wants to look at an event; ``event`` is a rule engine's or any ``Event``."""
    status = getattr(event, "status", None)
    if status is not None:
        return condition.statuses().get(event.task) is status
    scopes = getattr(event, "scopes", SCOPES)
    return any(ear.hears(event, scopes) for ear in condition.ears())


def condition_of(given: Condition | str, scope: str = "run", sender: str | None = None) -> Condition:
    """Return a condition; a key stands for its events, in a scope. Raises GraphError for anything else."""
    if isinstance(given, Condition):
        return given
    if isinstance(given, str):
        return SingleEvent(given, scope=scope, sender=sender)
    raise GraphError(f"A condition is an event's key or a Condition, not {given!r}.")


def checked_key(key: Any) -> str:
    """Return the key of an event. Raises GraphError."""
    if not isinstance(key, str) or not key:
        raise GraphError(f"The key of an event is a string that is not empty, not {key!r}.")
    return key


def checked_scope(scope: str) -> str:
    """Return a scope. Raises GraphError."""
    if scope not in SCOPES:
        raise GraphError(f"scope must be one of {', '.join(map(repr, SCOPES))}, not {scope!r}.")
    return scope


def name_of(task: Any) -> str:
    """Return the name of a task, given by itself or by name."""
    name = task if isinstance(task, str) else getattr(task, "name", None)
    if not isinstance(name, str):
        raise GraphError(f"A task is named by its operator or its name, not by {task!r}.")
    return name
