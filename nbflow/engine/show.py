"""A value as it will be shown beside a question, also after a restart when the value itself is gone."""

from __future__ import annotations

import base64
import io
from typing import Any

LIMIT = 2_000_000
"""Bytes of a rich form that are kept; a larger one is shown as text."""
_FORMS = {
    "text/html": "_repr_html_",
    "image/svg+xml": "_repr_svg_",
    "text/markdown": "_repr_markdown_",
    "image/png": "_repr_png_",
}


def bundle(value: Any) -> dict[str, str] | None:
    """Return a value's rich forms: text/html, image/png (base64), image/svg+xml and text/plain. None for None."""
    if value is None:
        return None
    found: dict[str, str] = {"text/plain": _plain(value)}
    if hasattr(value, "savefig"):
        found["image/png"] = _figure(value)
        return found
    whole = _without_metadata(_call(value, "_repr_mimebundle_"))
    parts = whole if isinstance(whole, dict) else {}
    for mime, method in _FORMS.items():
        part = _text_of(mime, parts[mime] if mime in parts else _without_metadata(_call(value, method)))
        if part is not None and len(part) <= LIMIT:
            found[mime] = part
    return found


def _without_metadata(part: Any) -> Any:
    """Return what a method of IPython's kind gave, which may be a pair with metadata."""
    return part[0] if isinstance(part, tuple) and len(part) == 2 else part


def _text_of(mime: str, part: Any) -> str | None:
    """Return a form as text: a picture in base64, which it may be already. None for what is no such form."""
    if mime != "image/png":
        return part if isinstance(part, str) else None
    try:
        content = base64.b64decode(part, validate=True) if isinstance(part, str) else bytes(memoryview(part))
    except (ValueError, TypeError):
        return None
    return base64.b64encode(content).decode()


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
