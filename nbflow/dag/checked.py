"""What users may say of a node, checked where it is said."""

from __future__ import annotations

import json
from typing import Any


def check_metadata(metadata: Any) -> dict[str, Any]:
    """Return a copy of metadata that JSON can hold. Raises ValueError."""
    if not isinstance(metadata, dict):
        raise ValueError(f"metadata must be a dict that JSON can hold, not {type(metadata).__name__}.")
    try:
        copied: dict[str, Any] = json.loads(json.dumps(metadata, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"metadata must be a dict that JSON can hold: {error}.") from None
    return copied


def check_text(option: str, value: Any) -> str:
    """Return a string that may be a name. Raises ValueError."""
    if not isinstance(value, str) or not value or len(value) > 255:
        raise ValueError(f"{option} must be a string of 1 to 255 characters, not {value!r}.")
    return value
