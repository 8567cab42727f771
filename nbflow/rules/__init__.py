"""Keyed events and rules: flows, operators, conditions, and the streams of events that they act on.

The names are imported on first use: those that reach for a storage live above this room.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..faces import on_first_use

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
    "TaskAction": ".actions",
    "Condition": ".conditions",
    "SingleEvent": ".conditions",
    "MeetAny": ".conditions",
    "MeetAll": ".conditions",
    "Count": ".conditions",
    "TaskStatusMet": ".conditions",
    "Context": ".context",
    "ValueState": ".context",
    "ValueStateDescriptor": ".context",
    "Operator": ".operators",
    "PythonOperator": ".operators",
    "BashOperator": ".operators",
    "RunOperator": ".operators",
    "Schedule": ".schedule",
    "Flow": "..flow",
    "TaskStatus": "..core.executions",
    "stopping": "..engine.flows.stopping",
    "CommandFailed": "..errors",
    "Event": ".notification",
    "EventReceipt": ".notification",
    "Keys": ".notification",
    "ListenerProcessor": ".notification",
    "NotificationClient": "..notification",
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

__getattr__, __dir__ = on_first_use(__name__, _HOMES)
