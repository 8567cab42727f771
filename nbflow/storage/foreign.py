"""Read the small JSON files that are no truth, and that anything may stand in: a cache, a claim, a name."""

from __future__ import annotations

import json
from typing import Any


def parse(raw: bytes | bytearray) -> Any:
    """Return a JSON document. Raises ValueError for whatever is none, also for one that is nested without end.

    >>> parse(b'{"a": 1}')
    {'a': 1}
    >>> parse(b"[" * 100_000)
    Traceback (most recent call last):
    ValueError: nested too deep
    """
    try:
        return json.loads(raw)
    except RecursionError:
        raise ValueError("nested too deep") from None
