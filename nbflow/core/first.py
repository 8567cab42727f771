"""The value of an any_of: which of its parts was first, and what that gave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class First:
    """What was first: ``index`` counts the parts of ``any_of`` from 0, ``node_id`` names one, ``value`` is its value.

    >>> match First(1, "sleep", None):
    ...     case First(index=1):
    ...         print("too late")
    too late
    """

    index: int
    node_id: str
    value: Any
