"""The widget of a run: takes over what changed, from any thread, and hands on what a person did."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import anywidget
import traitlets

from ...views import topo as topology
from ...views.feed import Delta
from ...views.picture import Picture
from ..desk import Desk, OnAnswer, settle
from ..frontend import Presence
from .assets import script, style
from .pace import CallLater, Changes, Pace

Json = dict[str, Any]

OnAct = Callable[[str, str, str, str | None], Any]
"""Carries out what a person does to a row of a panel: the panel, the row, the act, and what they wrote."""

FEW = 60
"""Up to so many nodes every push carries all rows, so that a saved notebook is complete at any moment."""
WHOLE_EVERY = 5.0
"""Seconds after which a push carries all rows in any case."""
MANY = 1000
"""Above so many nodes a view is told 8 times a second, else 12 times."""


class LiveView(anywidget.AnyWidget):
    """Shows a run; any number of views of it may be open, in any number of browsers.

    ``apply`` takes a ``Delta`` of a ``Feed``, or a mapping with any of its parts. The callables are called in whatever
    thread a message comes in, so they must only hop: ``on_answer(question_id, option, values, comment)`` and
    ``detail(node)`` return their result or a future of it, and so does ``on_act(panel, row, act, text)``, whose result
    is said to the person. A result of ``on_answer`` has ``status`` and ``reason``.
    ``static`` gives what stands in the notebook's file for those who have no widgets.
    """

    _esm = script()
    _css = style()
    topo = traitlets.Dict().tag(sync=True)
    st = traitlets.Unicode().tag(sync=True)
    rows = traitlets.Dict().tag(sync=True)
    run = traitlets.Dict().tag(sync=True)
    asks: traitlets.List[Json] = traitlets.List().tag(sync=True)
    panels: traitlets.List[Json] = traitlets.List().tag(sync=True)

    def __init__(
        self,
        first: Delta | Mapping[str, Any] | None = None,
        *,
        on_answer: OnAnswer | None = None,
        on_cancel: Callable[[], Any] | None = None,
        on_resume: Callable[[], Any] | None = None,
        on_act: OnAct | None = None,
        detail: Callable[[int], Any] | None = None,
        static: Callable[[], Mapping[str, str]] | None = None,
        call_later: CallLater | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_cancel, self._on_resume, self._desk = on_cancel, on_resume, Desk(on_answer)
        self._detail, self._static, self._clock, self._on_act = detail, static, clock, on_act
        self._context = contextvars.copy_context()
        self._lock = threading.Lock()
        self._placing = threading.Lock()
        self._all_rows: dict[str, list[Any]] = {}
        self._latest: list[Json] = []
        self._whole_at = 0.0
        self._picture: Picture | None = None
        self._version = -1
        self._direction: str | None = None
        self._pace = Pace(self._push, self._pause, call_later, clock)
        self.presence = Presence()
        """Whether a browser shows the view: somebody may be looking."""
        super().__init__()
        self.on_msg(lambda _widget, content, _buffers: self._receive(content))
        if first is not None:
            self.apply(first)

    # ---- from the engine ----

    def apply(self, message: Delta | Mapping[str, Any]) -> None:
        """Take over what changed. Cheap, from any thread; shown at once or with the next push."""
        if isinstance(message, Delta):
            changes = Changes(message.topo, message.st, dict(message.rows), message.run, message.asks, message.panels)
        else:
            changes = Changes.of(message)
        if changes.asks is not None:
            self._latest = changes.asks
        with self._placing:
            if isinstance(message, Delta) and message.topo is not None:
                changes.topo = self._turned(message.topo, message.picture, message.version)
            self._pace.put(changes)

    def flush(self) -> None:
        """Show now what waits for its turn."""
        self._pace.flush()

    def tell(self, text: str) -> None:
        """Show one line under the header, such as how to go on after Stop; an empty one takes it away."""
        self._post({"t": "note", "text": text})

    def close(self) -> None:
        """End the view; later changes cost nothing."""
        self._pace.stop()
        super().close()

    def _pause(self) -> float:
        return 1 / 8 if len(self.st) > MANY else 1 / 12

    def _push(self, changes: Changes) -> None:
        if self.comm is None:
            return
        with self._lock:
            self._all_rows = changes.rows if changes.topo is not None else self._all_rows | changes.rows
            rows = dict(self._all_rows) if self._whole(changes) else changes.rows
        # ipykernel 7.0 looks for the cell in the context, which a plain thread does not have
        self._context.copy().run(self._set_traits, changes, rows)

    def _whole(self, changes: Changes) -> bool:
        now = self._clock()
        few = len(changes.st if changes.st is not None else self.st) <= FEW
        rests = changes.run is not None and changes.run.get("state") != "running"
        if few or rests or changes.topo is not None or now >= self._whole_at:
            self._whole_at = now + WHOLE_EVERY
            return True
        return False

    def _set_traits(self, changes: Changes, rows: dict[str, list[Any]]) -> None:
        with self.hold_sync():  # one message: states never stand beside the nodes of another topology
            if changes.topo is not None:
                self.topo = changes.topo
            if changes.st is not None:
                self.st = changes.st
            if rows:
                self.rows = rows
            if changes.run is not None:
                self.run = changes.run
            if changes.asks is not None:
                self.asks = changes.asks
            if changes.panels is not None:
                self.panels = changes.panels

    # ---- places ----

    def _turned(self, topo: Json, picture: Picture | None, version: int) -> Json:
        """Return the topology in the direction that the person chose; a large one is laid out meanwhile."""
        self._picture, self._version = picture, version
        if picture is None:
            return topo
        if topo["placed"]:
            chosen = self._direction
            return topo if chosen in (None, "auto", topo["rankdir"]) else topology.place(picture, chosen or "auto")
        if not topo["table_first"] or self._direction is not None:
            self._lay_out()
        return topo

    def _lay_out(self) -> None:
        picture, version, direction = self._picture, self._version, self._direction or "auto"
        if picture is None:
            return

        def work() -> None:
            placed = topology.place(picture, direction)
            with self._placing:
                if version != self._version:
                    return  # the graph has grown meanwhile: these places are of another one
                self._pace.flush()  # the rows that still wait belong to these nodes too
                with self._lock:
                    rows = dict(self._all_rows)
                self._pace.put(Changes(topo=placed | {"table_first": False}, rows=rows))

        threading.Thread(target=work, name="nbflow-layout", daemon=True).start()

    # ---- from the browser ----

    def _receive(self, message: Any) -> None:
        kind = message.get("t") if isinstance(message, dict) else None
        if kind == "hello":
            self.presence.mounted(str(message.get("view")))
            with self._lock:
                rows = dict(self._all_rows)
            self._post({"t": "rows", "rows": rows, "now": time.time()})
        elif kind == "bye":
            self.presence.unmounted(str(message.get("view")))
        elif kind == "detail" and isinstance(message.get("i"), int):
            self._receive_detail(message["i"])
        elif kind == "answer":
            self._receive_answer(message)
        elif kind == "act":
            self._receive_act(message)
        elif kind in ("dir", "draw"):
            self._direction = {"TB": "TB", "LR": "LR"}.get(str(message.get("dir")), "auto")
            self._lay_out()
        elif kind in ("cancel", "resume"):
            call = self._on_cancel if kind == "cancel" else self._on_resume
            if call is not None:
                settle(call, lambda _: None, lambda wrong: self.tell(f"Could not {kind} the run: {wrong}"))

    def _receive_detail(self, node: int) -> None:
        def reply(detail: Any) -> None:
            self._post({"t": "detail", "i": node, "d": detail or {}})

        if self._detail is None:
            reply({})
        else:
            look_up = self._detail
            settle(lambda: look_up(node), reply, lambda wrong: reply({"story": [f"No details: {wrong}"]}))

    def _receive_answer(self, message: Json) -> None:
        question, option, comment = (str(message.get(name) or "") for name in ("id", "option", "comment"))
        given = message.get("values")
        receipt = {"t": "receipt", "id": question, "view": message.get("view")}
        ask = next((ask for ask in self._latest if ask["id"] == question), None)
        values = given if isinstance(given, dict) else {}
        self._desk.hand_in(ask, option, values, comment, lambda said: self._post(receipt | said))

    def _receive_act(self, message: Json) -> None:
        panel, row, name = (str(message.get(part) or "") for part in ("panel", "row", "act"))
        text, act = message.get("text"), self._on_act
        if act is not None:
            said = {"t": "acted", "id": message.get("id")}
            settle(
                lambda: act(panel, row, name, str(text) if text is not None else None),
                lambda reply: self._post(said | {"text": str(reply or "")}),
                lambda wrong: self._post(said | {"text": str(wrong), "wrong": True}),
            )

    def _post(self, message: Json) -> None:
        if self.comm is not None:
            self._context.copy().run(self.send, message)

    # ---- for those without widgets ----

    def _repr_mimebundle_(self, **options: Any) -> Any:
        shown = super()._repr_mimebundle_(**options)
        if self._static is None or shown is None:
            return shown
        bundle, metadata = shown if isinstance(shown, tuple) else (shown, {})
        return {**bundle, **self._static()}, metadata
