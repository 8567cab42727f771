"""A page that shows a real dashboard: what its kernel side sends goes into the page, and what is clicked comes back."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import comm
from comm.base_comm import BaseComm
from harness import ORIGIN, Harness
from playwright.sync_api import Browser, Route

from nbflow.notebook.dashboard import Dashboard, assets

Json = dict[str, Any]

MODELS = """() => {
  window.models = {};
  model.widget_manager = { get_model: async (id) => models[id] || Promise.reject(new Error("no such model")) };
}"""
TAKE = """([id, kind, content]) => {
  const Model = model.constructor;
  if (kind === "open") models[id] = new Model(content);
  else if (kind === "close") delete models[id];
  else if (models[id]) kind === "custom" ? models[id].message(content) : models[id].update(content);
}"""
SENT = """() => Object.fromEntries(
  Object.entries(models).map(([id, one]) => [id, one.sent.splice(0)]).filter(([, sent]) => sent.length))"""


class Wires:
    """The comms of all widgets that were made while it listened, and what they sent and was not taken yet."""

    def __init__(self) -> None:
        self.comms: dict[str, Any] = {}
        self.said: queue.SimpleQueue[tuple[str, str, Any]] = queue.SimpleQueue()
        self.pushed: list[int] = []
        """The size of every message in bytes."""

    def take(self, wire: Any, msg_type: str, content: Json) -> None:
        self.comms[wire.comm_id] = wire
        self.pushed.append(len(json.dumps(content, default=str)))
        if msg_type == "comm_close":
            self.said.put((wire.comm_id, "close", None))
        elif content.get("method") == "custom":
            self.said.put((wire.comm_id, "custom", content["content"]))
        else:
            kind = "open" if msg_type == "comm_open" else "update"
            state = {name: part for name, part in content.get("state", {}).items() if name not in ("_esm", "_css")}
            self.said.put((wire.comm_id, kind, json.loads(json.dumps(state, default=str))))


@contextmanager
def wires() -> Iterator[Wires]:
    """Connect the widgets that are made inside."""
    found = Wires()

    class Wire(BaseComm):  # type: ignore[misc]
        def publish_msg(self, msg_type: str, data: Any = None, **_: Any) -> None:
            found.take(self, msg_type, data or {})

    with patch.object(comm, "create_comm", Wire):
        yield found


class BoardPage(Harness):
    """One page with one dashboard. Nothing goes between page and kernel but in ``until`` and ``pump``."""

    def __init__(self, browser: Browser, wires: Wires, board: Dashboard, **options: Any) -> None:
        self.wires, self.board = wires, board
        state = {"board": json.loads(json.dumps(board.board_now())), "opened": dict(board.opened)}
        super().__init__(browser, state, **options)

    def _serve(self, route: Route) -> None:
        made = {f"{ORIGIN}/view.js": assets.script, f"{ORIGIN}/view.css": assets.style}.get(route.request.url)
        if made is None:
            super()._serve(route)
            return
        self.asked.append(route.request.url)
        kind = "text/javascript" if route.request.url.endswith(".js") else "text/css"
        route.fulfill(body=made(), content_type=kind)

    def open(self) -> None:
        """Open one more view of the dashboard."""
        super().open()
        if len(self.page.evaluate("views")) == 1:
            self.page.evaluate(MODELS)
            self.page.evaluate("id => { models[id] = model }", self.board.comm.comm_id)

    def pump(self) -> None:
        """Carry over what either side has said."""
        while not self.wires.said.empty():
            name, kind, content = self.wires.said.get()
            if not (kind == "open" and name == self.board.comm.comm_id):
                self.page.evaluate(TAKE, [name, kind, content])
        for name, messages in self.page.evaluate(SENT).items():
            for message in messages:
                packed = {"content": {"data": {"method": "custom", "content": message}}, "buffers": []}
                self.wires.comms[name].handle_msg(packed)

    def until(self, reached: Callable[[], object], what: str, patience: float = 20.0) -> None:
        """Carry messages until something is reached."""
        end = time.monotonic() + patience
        while not reached():
            assert time.monotonic() < end, (
                f"waited in vain for {what}; the page says:\n{self.find('xpath=.').inner_text()}"
            )
            self.pump()
            self.page.wait_for_timeout(30)

    def sees(self, text: str, selector: str = "xpath=.") -> None:
        """Carry messages until a part of the page has a text."""
        self.until(lambda: self.find(selector).filter(has_text=text).count(), f"{text!r} in {selector}")
