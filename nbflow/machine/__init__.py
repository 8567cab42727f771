"""State machines: what their cells import. Each name is loaded when it is first used."""

from __future__ import annotations

import importlib
from typing import Any

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


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'nbflow.machine' has no attribute {name!r}")
    value = getattr(importlib.import_module(home, __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
