"""Who is on the other side: a page with buttons, a terminal, or nobody at all?

A run that asks a person must know whether a person can answer. What tells is a field of the message that the kernel is
working on: ``allow_stdin`` is True from a client that could pass an ``input()`` on to somebody (JupyterLab, Notebook,
VS Code), and False from one that only executes (nbclient and what is built on it: ``jupyter execute``, nbconvert,
papermill; nbval; Voila). Environment variables are inherited by whatever a notebook starts, so they decide only
between clients of one kind.

That a page could show a button is not yet that it does: a console also allows stdin and shows no widget.
``Presence`` answers that: a widget says "mounted" from its own render function, as soon as somebody can see it.
"""

from __future__ import annotations

import concurrent.futures
import os
import sys
import threading
from collections.abc import Mapping
from enum import Enum
from typing import Any

from nbflow.notebook import comms

_FORCED = "NBFLOW_FRONTEND"  # an environment variable with the value of a FrontEnd, for who knows better


class FrontEnd(Enum):
    """What shows the output of the calling context."""

    NOTEBOOK = "notebook"  # JupyterLab, Notebook, VS Code; also a console, until a widget fails to mount
    VOILA = "voila"  # shows a page only after all cells have run
    NBVAL = "nbval"  # compares outputs with the stored ones
    HEADLESS = "headless"  # executes a notebook with nobody watching
    TERMINAL = "terminal"  # a script or IPython at a terminal
    PIPE = "pipe"  # a script without a terminal

    @property
    def can_click(self) -> bool:
        """Say if a person could press a button here."""
        return self in (FrontEnd.NOTEBOOK, FrontEnd.VOILA)

    @property
    def can_type(self) -> bool:
        """Say if a person could answer an ``input()`` here."""
        return self in (FrontEnd.NOTEBOOK, FrontEnd.TERMINAL)

    @property
    def has_person(self) -> bool:
        """Say if a person could answer at all."""
        return self.can_click or self.can_type

    @property
    def shows_while_blocked(self) -> bool:
        """Say if output is seen while a cell still runs; without it a blocking wait for a click never ends."""
        return self is not FrontEnd.VOILA


def front_end(environ: Mapping[str, str] | None = None) -> FrontEnd:
    """Find out what shows the output of the calling context. Raises ValueError for a wrong NBFLOW_FRONTEND."""
    environ = os.environ if environ is None else environ
    forced = environ.get(_FORCED)
    if forced:
        try:
            return FrontEnd(forced)
        except ValueError:
            known = ", ".join(member.value for member in FrontEnd)
            raise ValueError(f"{_FORCED}={forced!r} is not a front end; set it to one of: {known}") from None
    kernel = comms.running_kernel()
    if kernel is None:
        return FrontEnd.TERMINAL if _at_terminal() else FrontEnd.PIPE
    return _of_kernel(kernel, comms.current_parent(), environ)


def _of_kernel(kernel: Any, parent: dict[str, Any], environ: Mapping[str, str]) -> FrontEnd:
    if environ.get("SERVER_SOFTWARE", "").startswith("voila"):
        return FrontEnd.VOILA
    if str(parent.get("header", {}).get("msg_type", "")).startswith("comm_"):
        return FrontEnd.NOTEBOOK  # somebody has clicked
    content = parent.get("content", {})
    # No parent in a plain thread on ipykernel 7.0: the kernel still knows what its last cell allowed.
    if content.get("allow_stdin", getattr(kernel, "_allow_stdin", False)):
        return FrontEnd.NOTEBOOK
    if "PYTEST_CURRENT_TEST" in environ and not content.get("store_history", True):
        return FrontEnd.NBVAL
    return FrontEnd.HEADLESS


def _at_terminal() -> bool:
    try:
        return sys.stdin is not None and sys.stdin.isatty()
    except (AttributeError, ValueError):  # replaced by something else; closed
        return False


class Presence:
    """Know which views of a widget are on a page now. Callable from any thread.

    ``seen`` is done as soon as a view has been mounted once: wait for it with ``comms.wait_sync(presence.seen, 1.0)``
    to learn whether a page is there at all (a mounted view answered in 0.05 to 0.21 s).
    """

    def __init__(self) -> None:
        self.seen: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._views: set[str] = set()
        self._lock = threading.Lock()

    def mounted(self, view_id: str) -> None:
        """Note that this view is on a page; a second time changes nothing."""
        with self._lock:
            self._views.add(view_id)
            if not self.seen.done():
                self.seen.set_result(None)

    def unmounted(self, view_id: str) -> None:
        """Note that this view is gone; an unknown one is passed over."""
        with self._lock:
            self._views.discard(view_id)

    @property
    def anybody(self) -> bool:
        """Say if a view is on a page now. A page that was closed without a word still counts."""
        with self._lock:
            return bool(self._views)
