"""Which public name stands on which page of the reference; what is on no page by name stands on the last one."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import nbflow

PAGES = {
    "writing": """
        task dag.task.Task Node InputNode put continuation any_of First sleep wait_for_event progress track
    """,
    "running": """
        init shutdown run run_async resume resume_async resume_all fork cancel delete salvage wait handle.Run
        list_all list_runs get_run get_status get_output get_output_async get_metadata get_progress looking.Output
        WorkflowStatus dashboard
    """,
    "events": """
        send Receipt Event EventListener TimerListener ButtonListener FormListener Decision HTTPListener serve
        http.endpoint.Endpoint
    """,
    "machine": "Workflow start_workflow",
    "rules": "Flow",
    "observing": "doctor",
}
"""Names of the package, in the order of reading; a dotted one is a class that no module exports."""
MODULES = {
    "events": "nbflow.listeners",
    "machine": "nbflow.machine",
    "rules": "nbflow.rules",
    "testing": "nbflow.testing",
}
"""A module whose public names stand on a page too."""
INHERITED = {"Run": "FlowActs MachineActs", "Flow": "FlowDefinition"}
MORE = "more"


def names_on(page: str) -> list[str]:
    """Return the dotted names that a page has to show."""
    named = {page: words.split() for page, words in PAGES.items()}
    if page == MORE:
        elsewhere = {name.rpartition(".")[2] for names in named.values() for name in names}
        return [f"nbflow.{name}" for name in nbflow.__all__ if name not in elsewhere]
    module = MODULES.get(page, "")
    exported = importlib.import_module(module).__all__ if module else ()
    own = [f"nbflow.{name}" for name in named.get(page, ())]
    here = {name.rpartition(".")[2] for name in own}
    return own + [f"{module}.{name}" for name in exported if name not in here and not is_error(f"{module}.{name}")]


def found(dotted: str) -> Any:
    """Return what a dotted name means."""
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name)


def is_error(dotted: str) -> bool:
    """Tell whether a name is an exception: those have a page of their own."""
    return inspect.isclass(found(dotted)) and issubclass(found(dotted), BaseException)


def directive_of(dotted: str) -> list[str]:
    """Return the lines that have a name documented."""
    thing, name = found(dotted), dotted.rpartition(".")[2]
    if not inspect.isclass(thing):
        return [f".. autofunction:: {dotted}", ""]
    kept = INHERITED.get(name, "")
    members = ["   :members:", "   :undoc-members:"] if issubclass(thing, str) else ["   :members:"]
    inherited = [f"   :inherited-members: {' '.join(_but(thing, kept.split()))}"] if kept else []
    return [f".. autoclass:: {dotted}", *members, *inherited, ""]


def _but(thing: type, kept: list[str]) -> list[str]:
    """Return the bases whose members are not shown."""
    return [",".join(base.__name__ for base in thing.__mro__[1:] if base.__name__ not in kept)]


def anchor_of(title: str) -> str:
    """Return the anchor of a heading as Jupyter makes it, so that links inside a tutorial lead somewhere in both."""
    return title.replace(" ", "-")
