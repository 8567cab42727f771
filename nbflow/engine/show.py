"""A value as it will be shown beside a question, also after a restart when the value itself is gone."""

from __future__ import annotations

import base64
import io
from typing import Any

LIMIT = 2_000_000
"""Bytes of a rich form that are kept; a larger one is shown as text."""


def bundle(value: Any) -> dict[str, str] | None:
    """Return a value's rich forms: text/html, image/png (base64), image/svg+xml and text/plain. None for None."""
    if value is None:
        return None
    found: dict[str, str] = {"text/plain": _plain(value)}
    if hasattr(value, "savefig"):
        found["image/png"] = _figure(value)
        return found
    for mime, method in (
        ("text/html", "_repr_html_"),
        ("image/svg+xml", "_repr_svg_"),
        ("text/markdown", "_repr_markdown_"),
    ):
        text = _call(value, method)
        if isinstance(text, str) and len(text) <= LIMIT:
            found[mime] = text
    png = _call(value, "_repr_png_")
    if isinstance(png, bytes) and len(png) <= LIMIT:
        found["image/png"] = base64.b64encode(png).decode()
    return found


def _plain(value: Any) -> str:
    try:
        text = str(value) if isinstance(value, str) else repr(value)
    except Exception as error:
        text = f"<{type(value).__name__}: its repr raised {type(error).__name__}>"
    return text if len(text) <= 20_000 else text[:20_000] + " ..."


def _figure(value: Any) -> str:
    out = io.BytesIO()
    value.savefig(out, format="png", dpi=110, bbox_inches="tight")
    return base64.b64encode(out.getvalue()).decode()


def _call(value: Any, method: str) -> Any:
    if isinstance(value, type):
        return None
    try:
        function = getattr(value, method, None)
        return function() if callable(function) else None
    except Exception:
        return None
