"""The folder name of a run: any workflow id becomes a name that every file system can hold."""

from __future__ import annotations

import hashlib
import re

MAX_ID = 255
_PLAIN = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,78}[a-z0-9_-])?")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?")
_RUDE = re.compile(r"[^a-z0-9]+")


def check_workflow_id(workflow_id: str) -> None:
    """Raise ValueError unless the id is a string of 1 to 255 characters."""
    if not isinstance(workflow_id, str):
        raise ValueError(f"A workflow id is a string, not {type(workflow_id).__name__}.")
    if not 1 <= len(workflow_id) <= MAX_ID:
        raise ValueError(f"A workflow id has 1 to {MAX_ID} characters; this one has {len(workflow_id)}.")


def check_namespace(namespace: str) -> None:
    """Raise ValueError unless the name of a namespace is a string of 1 to 255 characters, and not ``*``."""
    if not isinstance(namespace, str):
        raise ValueError(f"A namespace is a string, not {type(namespace).__name__}.")
    if not 1 <= len(namespace) <= MAX_ID:
        raise ValueError(f"The name of a namespace has 1 to {MAX_ID} characters; this one has {len(namespace)}.")
    if namespace == "*":
        raise ValueError("'*' stands for all namespaces: an event belongs to one of them, so name it.")


def folder_name(workflow_id: str) -> str:
    """Return the folder name of a run.

    A tame id is its own name. Any other (capital letters, which some file systems do not tell from small ones; names of
    devices; a dot at the end, which Windows drops) becomes ``slug~hash``; no tame id holds a tilde.
    """
    check_workflow_id(workflow_id)
    if _PLAIN.fullmatch(workflow_id) and not _DEVICE.fullmatch(workflow_id):
        return workflow_id
    slug = _RUDE.sub("-", workflow_id.lower()).strip("-")[:60] or "run"
    digest = hashlib.sha256(workflow_id.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{slug}~{digest}"
