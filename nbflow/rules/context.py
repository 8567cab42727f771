"""What a condition can ask and remember while it looks at an event."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.executions import TaskStatus


@dataclass(frozen=True, slots=True)
class ValueStateDescriptor:
    """The name of one value that a condition remembers.

    >>> from nbflow.rules import ValueStateDescriptor
    >>> ValueStateDescriptor("batches").name
    'batches'
    """

    name: str


class ValueState:
    """One remembered value. It is durable with the record that says what the condition answered.

    >>> from nbflow.rules import Context
    >>> state = Context().get_state("seen")
    >>> state.update(3)
    >>> state.value()
    3
    >>> state.clear()
    >>> state.value() is None
    True
    """

    def __init__(self, values: dict[str, Any], name: str) -> None:
        self._values = values
        self._name = name

    def __repr__(self) -> str:
        return f"<value state {self._name!r}>"

    def value(self) -> Any:
        """Return the value, None when there is none. A change of it in place does not count; ``update`` does."""
        return copy.deepcopy(self._values.get(self._name))

    def update(self, value: Any) -> None:
        """Remember a value, anything that can be stored."""
        self._values[self._name] = value

    def clear(self) -> None:
        """Forget the value."""
        self._values.pop(self._name, None)


class Context:
    """What ``is_met(event, context)`` gets: the memory of its rule, and how the tasks of the flow are.

    >>> from nbflow.rules import Context, TaskStatus
    >>> Context(statuses={"train": TaskStatus.SUCCESS}).get_task_status("train")
    <TaskStatus.SUCCESS: 'SUCCESS'>
    """

    def __init__(
        self, values: dict[str, Any] | None = None, statuses: Mapping[str, TaskStatus] | None = None, place: str = ""
    ) -> None:
        self._values = values if values is not None else {}
        self._statuses = statuses if statuses is not None else {}
        self._place = place

    def __repr__(self) -> str:
        return f"<context: {', '.join(f'{name} is {status}' for name, status in self._statuses.items()) or 'no tasks'}>"

    def get_state(self, descriptor: ValueStateDescriptor | str) -> ValueState:
        """Return the remembered value of a name; each rule has its own."""
        name = descriptor if isinstance(descriptor, str) else descriptor.name
        return ValueState(self._values, f"{self._place}{name}")

    def get_task_status(self, task: Any) -> TaskStatus:
        """Return the status of a task of the flow. Raises ValueError for an unknown one."""
        name = task if isinstance(task, str) else task.name
        if name not in self._statuses:
            raise ValueError(f"The flow has no task {name!r}; it has {', '.join(sorted(self._statuses)) or 'none'}.")
        return self._statuses[name]

    def part(self, place: int) -> Context:
        """Return the context of one condition inside another: with a memory of its own."""
        return Context(self._values, self._statuses, f"{self._place}{place}/")
