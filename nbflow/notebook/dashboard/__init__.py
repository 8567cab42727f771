"""All runs of a storage in one widget, answerable from any kernel, whoever owns the run."""

from __future__ import annotations

from typing import Any

from ... import home
from .place import Place
from .widget import Dashboard

__all__ = ["Dashboard", "dashboard"]


def dashboard(storage: Any = None) -> Dashboard:
    """Show all runs of a storage with their state, progress and open questions, as the last line of a cell.

    ``storage`` is what ``nbflow.init`` takes: a folder or a storage object; without it, the one of this kernel. What is
    answered here reaches a run that another kernel owns within a second; a run that nobody owns can be resumed here.
    Each kernel, and a page of Voila, may have its own.

    >>> import nbflow as nf
    >>> board = nf.dashboard()
    >>> board.close()
    """
    return Dashboard(Place(home.default_host().storage if storage is None else home.open_storage(storage)))
