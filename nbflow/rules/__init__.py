"""Keyed events and rules: flows, operators, conditions, and the streams of events that they act on.

The names are imported on first use: those that reach for a storage live above this room.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..core.executions import TaskStatus as TaskStatus
    from ..engine.flows.stopping import stopping as stopping
    from ..errors import CommandFailed as CommandFailed
    from ..flow import Flow as Flow
    from ..notification import NotificationClient as NotificationClient
    from .actions import TaskAction as TaskAction
    from .conditions import Condition as Condition
    from .conditions import Count as Count
    from .conditions import MeetAll as MeetAll
    from .conditions import MeetAny as MeetAny
    from .conditions import SingleEvent as SingleEvent
    from .conditions import TaskStatusMet as TaskStatusMet
    from .context import Context as Context
    from .context import ValueState as ValueState
    from .context import ValueStateDescriptor as ValueStateDescriptor
    from .notification import Event as Event
    from .notification import EventReceipt as EventReceipt
    from .notification import Keys as Keys
    from .notification import ListenerProcessor as ListenerProcessor
    from .operators import BashOperator as BashOperator
    from .operators import Operator as Operator
    from .operators import PythonOperator as PythonOperator
    from .operators import RunOperator as RunOperator
    from .schedule import Schedule as Schedule

_HOMES = {
    "TaskAction": "nbflow.rules.actions",
    "Condition": "nbflow.rules.conditions",
    "SingleEvent": "nbflow.rules.conditions",
    "MeetAny": "nbflow.rules.conditions",
    "MeetAll": "nbflow.rules.conditions",
    "Count": "nbflow.rules.conditions",
    "TaskStatusMet": "nbflow.rules.conditions",
    "Context": "nbflow.rules.context",
    "ValueState": "nbflow.rules.context",
    "ValueStateDescriptor": "nbflow.rules.context",
    "Operator": "nbflow.rules.operators",
    "PythonOperator": "nbflow.rules.operators",
    "BashOperator": "nbflow.rules.operators",
    "RunOperator": "nbflow.rules.operators",
    "Schedule": "nbflow.rules.schedule",
    "Flow": "nbflow.flow",
    "TaskStatus": "nbflow.core.executions",
    "stopping": "nbflow.engine.flows.stopping",
    "CommandFailed": "nbflow.errors",
    "Event": "nbflow.rules.notification",
    "EventReceipt": "nbflow.rules.notification",
    "Keys": "nbflow.rules.notification",
    "ListenerProcessor": "nbflow.rules.notification",
    "NotificationClient": "nbflow.notification",
}

__all__ = [
    "BashOperator",
    "CommandFailed",
    "Condition",
    "Context",
    "Count",
    "Event",
    "EventReceipt",
    "Flow",
    "Keys",
    "ListenerProcessor",
    "MeetAll",
    "MeetAny",
    "NotificationClient",
    "Operator",
    "PythonOperator",
    "RunOperator",
    "Schedule",
    "SingleEvent",
    "TaskAction",
    "TaskStatus",
    "TaskStatusMet",
    "ValueState",
    "ValueStateDescriptor",
    "stopping",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'nbflow.rules' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
