"""A front end without a browser: it keeps what a widget sends, and sends what a browser would."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import comm
from comm.base_comm import BaseComm

Json = dict[str, Any]


class FrontEnd:
    """What one browser has of all widgets: the state after every update, and the custom messages."""

    def __init__(self) -> None:
        self.state: Json = {}
        self.updates: list[Json] = []
        self.customs: list[Json] = []
        self.threads: list[int] = []
        self.came = threading.Event()

    def take(self, data: Json) -> None:
        """Take what came over a comm."""
        self.threads.append(threading.get_ident())
        if data.get("method") == "custom":
            self.customs.append(data["content"])
        else:
            self.updates.append(data.get("state", {}))
            self.state |= data.get("state", {})
        self.came.set()

    def told(self, kind: str) -> list[Json]:
        """Return the custom messages of a kind."""
        return [message for message in self.customs if message["t"] == kind]

    @staticmethod
    def say(widget: Any, **message: Any) -> None:
        """Send a custom message to the kernel, in the thread that calls."""
        widget.comm.handle_msg({"content": {"data": {"method": "custom", "content": message}}, "buffers": []})


@contextmanager
def front_end() -> Iterator[FrontEnd]:
    """Connect widgets that are made inside to a front end."""
    browser = FrontEnd()

    class Wire(BaseComm):  # type: ignore[misc]
        def publish_msg(self, msg_type: str, data: Any = None, **_: Any) -> None:
            if msg_type in ("comm_open", "comm_msg"):
                browser.take(data or {})

    with patch.object(comm, "create_comm", Wire):
        yield browser
