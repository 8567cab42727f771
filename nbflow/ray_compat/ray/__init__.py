"""What Ray Workflows' programs use of ``ray`` itself."""

from __future__ import annotations

from typing import NoReturn

from ..refs import ObjectRef, get, put, wait
from ..remote import remote
from ..session import init, is_initialized, shutdown
from . import dag, exceptions, workflow

__all__ = [
    "ObjectRef",
    "dag",
    "exceptions",
    "get",
    "init",
    "is_initialized",
    "put",
    "remote",
    "shutdown",
    "wait",
    "workflow",
]

_ELSEWHERE = {
    "serve": "events by HTTP need no Serve here: url = nbflow.serve().url",
    "actor": "nbflow has no actors: a state machine (nbflow.Workflow) keeps its state in the storage",
    "cancel": "workflow.cancel(workflow_id) cancels a workflow; a call of .remote() cannot be stopped",
}


def __getattr__(name: str) -> NoReturn:
    if name.startswith("__"):
        raise AttributeError(name)
    hint = _ELSEWHERE.get(name, "nbflow.ray_compat has what Ray Workflows' programs used, and not the rest of Ray")
    raise AttributeError(f"ray.{name}: {hint}.")
