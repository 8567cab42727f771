"""Where one run is kept: what the parts that serve a run have in common."""

from __future__ import annotations

from typing import NamedTuple

from .os_calls import OS


class RunPlace(NamedTuple):
    """The folder of a run; ``parents`` are the folders that its name depends on, the nearest first."""

    calls: OS
    folder: str
    workflow_id: str
    parents: tuple[str, ...]
