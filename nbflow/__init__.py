"""Durable workflows that live in a notebook.

The public names are imported on first use, so that ``import nbflow`` is fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .faces import on_first_use

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .api import cancel as cancel
    from .api import delete as delete
    from .api import get_run as get_run
    from .api import resume as resume
    from .api import resume_all as resume_all
    from .api import resume_async as resume_async
    from .api import run as run
    from .api import run_async as run_async
    from .api import salvage as salvage
    from .api import send as send
    from .api import wait as wait
    from .caching import clear_cache as clear_cache
    from .checkup.doctor import doctor as doctor
    from .core.decision import Decision as Decision
    from .core.first import First as First
    from .core.status import WorkflowStatus as WorkflowStatus
    from .dag.any_of import any_of as any_of
    from .dag.continuation import continuation as continuation
    from .dag.event import Event as Event
    from .dag.event import EventListener as EventListener
    from .dag.event import TimerListener as TimerListener
    from .dag.event import sleep as sleep
    from .dag.event import wait_for_event as wait_for_event
    from .dag.node import InputNode as InputNode
    from .dag.node import Node as Node
    from .dag.node import put as put
    from .dag.task import task as task
    from .engine.events import Receipt as Receipt
    from .engine.listeners import ButtonListener as ButtonListener
    from .engine.listeners import FormListener as FormListener
    from .engine.listeners import HTTPListener as HTTPListener
    from .engine.progress import progress as progress
    from .engine.progress import track as track
    from .flow import Flow as Flow
    from .forking import fork as fork
    from .handle import Run as Run
    from .home import init as init
    from .home import shutdown as shutdown
    from .http.endpoint import serve as serve
    from .looking import get_metadata as get_metadata
    from .looking import get_output as get_output
    from .looking import get_output_async as get_output_async
    from .looking import get_progress as get_progress
    from .looking import get_status as get_status
    from .looking import list_all as list_all
    from .looking import list_runs as list_runs
    from .machine.definition import Workflow as Workflow
    from .notebook.dashboard import dashboard as dashboard
    from .secret import Secret as Secret
    from .starting import start_workflow as start_workflow

_HOMES = {
    "task": ".dag.task",
    "Node": ".dag.node",
    "InputNode": ".dag.node",
    "put": ".dag.node",
    "continuation": ".dag.continuation",
    "any_of": ".dag.any_of",
    "First": ".core.first",
    "sleep": ".dag.event",
    "wait_for_event": ".dag.event",
    "Event": ".dag.event",
    "EventListener": ".dag.event",
    "TimerListener": ".dag.event",
    "HTTPListener": ".engine.listeners",
    "ButtonListener": ".engine.listeners",
    "FormListener": ".engine.listeners",
    "Workflow": ".machine.definition",
    "start_workflow": ".starting",
    "init": ".home",
    "run": ".api",
    "run_async": ".api",
    "resume": ".api",
    "resume_async": ".api",
    "resume_all": ".api",
    "salvage": ".api",
    "fork": ".forking",
    "clear_cache": ".caching",
    "cancel": ".api",
    "delete": ".api",
    "send": ".api",
    "list_all": ".looking",
    "list_runs": ".looking",
    "get_status": ".looking",
    "get_output": ".looking",
    "get_output_async": ".looking",
    "get_metadata": ".looking",
    "get_progress": ".looking",
    "get_run": ".api",
    "wait": ".api",
    "shutdown": ".home",
    "Run": ".handle",
    "Flow": ".flow",
    "dashboard": ".notebook.dashboard",
    "doctor": ".checkup.doctor",
    "serve": ".http.endpoint",
    "Secret": ".secret",
    "WorkflowStatus": ".core.status",
    "Decision": ".core.decision",
    "Receipt": ".engine.events",
    "progress": ".engine.progress",
    "track": ".engine.progress",
}

__all__ = [
    "ButtonListener",
    "Decision",
    "Event",
    "EventListener",
    "First",
    "Flow",
    "FormListener",
    "HTTPListener",
    "InputNode",
    "Node",
    "Receipt",
    "Run",
    "Secret",
    "TimerListener",
    "Workflow",
    "WorkflowStatus",
    "any_of",
    "cancel",
    "clear_cache",
    "continuation",
    "dashboard",
    "delete",
    "doctor",
    "fork",
    "get_metadata",
    "get_output",
    "get_output_async",
    "get_progress",
    "get_run",
    "get_status",
    "init",
    "list_all",
    "list_runs",
    "progress",
    "put",
    "resume",
    "resume_all",
    "resume_async",
    "run",
    "run_async",
    "salvage",
    "send",
    "serve",
    "shutdown",
    "sleep",
    "start_workflow",
    "task",
    "track",
    "wait",
    "wait_for_event",
]


_ROOMS = ("errors", "listeners", "machine", "otel", "ray_compat", "rules", "testing")
"""Modules that are there as ``nbflow.errors`` is, without an import of their own."""

__getattr__, __dir__ = on_first_use(__name__, _HOMES, _ROOMS)
