"""State machines: what their cells import. Each name is loaded when it is first used."""

from __future__ import annotations

from ..faces import on_first_use

_HOMES = {
    "ChildOutcome": ".context",
    "Client": "..starting",
    "Context": ".context",
    "Description": "..views.machine",
    "Directive": ".directives",
    "EventInfo": ".context",
    "NextDirectiveMissingError": "..errors",
    "RunInfo": ".context",
    "Store": ".store",
    "StoreKeyNotFoundError": "..errors",
    "Workflow": ".definition",
    "WorkflowFailed": "..errors",
    "WorkflowTimeout": "..errors",
    "start_workflow": "..starting",
}

__all__ = [*_HOMES]

__getattr__, __dir__ = on_first_use(__name__, _HOMES)
