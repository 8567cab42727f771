"""Is the client of this cell one that types, and shows no widgets: ``jupyter console``, qtconsole?

It allows ``input()`` as a notebook does. But a notebook's page names the cell that it runs, and its kernel was started
by a Jupyter server, which leaves its mark in the environment; a console does neither.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from . import comms

_SERVED = "JPY_SESSION_NAME"


def in_console(environ: Mapping[str, str] | None = None) -> bool:
    """Tell whether the calling context works for a client in which a person can only type."""
    environ = os.environ if environ is None else environ
    parent = comms.current_parent()
    return (
        parent.get("header", {}).get("msg_type") == "execute_request"
        and bool(parent.get("content", {}).get("allow_stdin"))
        and "cellId" not in parent.get("metadata", {})
        and _SERVED not in environ
    )
