"""The widget of the dashboard: tells its pages what changed in the storage, and does what a person asks for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import anywidget
import traitlets

from ... import door
from ...handle import Run
from .. import comms, show
from ..desk import Desk
from ..frontend import Presence
from ..live import LiveView
from . import acts, still
from .asked import ask_id
from .assets import script, style
from .board import Board
from .opened import Opened
from .place import Place
from .worker import Worker

Json = dict[str, Any]


class Dashboard(anywidget.AnyWidget):
    """Shows all runs of a storage and their open questions; any number of pages may show it.

    All reading and acting is done by one thread, which sleeps while no page is there.
    """

    _esm = script()
    _css = style()
    board = traitlets.Dict().tag(sync=True, to_json=lambda _, view: view.board_now())
    opened = traitlets.Dict().tag(sync=True)
    _over = False

    def __init__(self, place: Place) -> None:
        self._place, self._board = place, Board()
        self._context, self._tasks = comms.capture_parent(), door.task_context()
        self._desk = Desk(self._answer)
        self._opened: Opened | None = None
        self._worker = Worker(self._look, self._failed)
        self._trouble = ""
        self.presence = Presence()
        """Whether a browser shows the dashboard: somebody may be looking."""
        self._board.look(place.host())
        super().__init__()
        self.on_msg(lambda _widget, content, _buffers: self._receive(content))
        self._own(self)

    def refresh(self) -> None:
        """Look at the storage now, whether anybody watches or not, and wait until that is done."""
        self._worker.submit(self._look).result()

    def board_now(self) -> Json:
        """Return all that the dashboard shows, as of its last look."""
        return self._board.whole()

    def close(self) -> None:
        """End the dashboard, when its thread is done with what it does; runs go on. Idempotent."""
        self._over = True
        self._worker.end()
        self._place.close()
        if self._opened is not None:
            self._opened.close()
        if self.comm is not None:
            comms.disown([self.comm.comm_id])
        super().close()

    def __del__(self) -> None:
        if self._over:
            return
        # The collector runs in any thread, under any lock: what closing waits for might wait for that one.
        try:
            threading.Thread(target=self.close, name="nbflow-dashboard-end", daemon=True).start()
        except RuntimeError:
            pass  # the interpreter ends, and everything with it

    # ---- to the browser ----

    def _look(self) -> None:
        host = self._place.host()
        changed = self._board.look(host)
        if changed is not None:
            self._post({"t": "changed", "now": round(time.time(), 3), **changed})
        if self._opened is not None:
            self._opened.follow(host, self._board.row(self._opened.workflow_id))
        self._tell("")

    def _failed(self, wrong: BaseException) -> None:
        self._tell(f"The runs cannot be read now: {wrong}")

    def _tell(self, trouble: str) -> None:
        """Say what keeps the runs from being read, once; an empty line takes it back."""
        if trouble != self._trouble:
            self._trouble = trouble
            self._post({"t": "trouble", "text": trouble})

    def _post(self, message: Json) -> None:
        if self.comm is not None:
            # ipykernel 7.0 looks for the cell in the context, which a plain thread does not have
            self._context.copy().run(self.send, message)

    def _own(self, widget: anywidget.AnyWidget) -> None:
        if widget.comm is not None:
            comms.own([widget.comm.comm_id], lambda call, *args: self._worker.post(lambda: call(*args)))

    # ---- from the browser ----

    def _receive(self, message: Any) -> None:
        kind = message.get("t") if isinstance(message, dict) else None
        run = str(message.get("run") or "") if kind else ""
        if kind in ("hello", "look"):
            self.presence.mounted(str(message.get("view")))
        if kind == "hello":
            known = message.get("v")
            self._worker.post(lambda: self._greet(known))
        elif kind == "bye":
            self.presence.unmounted(str(message.get("view")))
        elif kind == "answer":
            self._receive_answer(message)
        elif kind in ("cancel", "resume") and run:
            self._worker.post(lambda: self._act(str(kind), run))
        elif kind == "open":
            self._worker.post(lambda: self._open(run))
        if kind:
            self._worker.heard(self.presence.anybody)

    def _greet(self, known: Any) -> None:
        """Look, for a page that is new; a page that missed something gets the whole board."""
        if known != self._board.whole()["v"]:
            self._post({"t": "whole", **self._board.whole()})
        self._look()

    def _receive_answer(self, message: Json) -> None:
        question, option, comment = (str(message.get(name) or "") for name in ("id", "option", "comment"))
        given = message.get("values")
        receipt = {"t": "receipt", "id": question, "view": message.get("view")}
        values = given if isinstance(given, dict) else {}
        self._desk.hand_in(self._board.ask(question), option, values, comment, lambda said: self._post(receipt | said))

    def _answer(self, question: str, option: str, values: Json, comment: str) -> Any:
        def work() -> Any:
            payload = {"option": option, "values": values, "comment": comment}
            receipt = acts.answer(self._place.host(), question, payload)
            if receipt.status in ("queued", "duplicate"):
                self._board.asked.sent(question, option)
            self._worker.hurry()
            return receipt

        return self._worker.submit(work)

    def _act(self, kind: str, run: str) -> None:
        try:
            if kind == "cancel":
                acts.cancel(self._place.host(), run)
            else:
                acts.resume(self._place.host(), run, self._tasks.copy())
        except Exception as wrong:
            self._post({"t": "told", "run": run, "text": f"Could not {kind} {run!r}: {wrong}"})
        self._worker.hurry()
        self._look()

    # ---- the opened run ----

    def _open(self, run: str) -> None:
        if self._opened is not None:
            before, self._opened = self._opened, None
            self._context.copy().run(before.close)
        row = self._board.row(run) if run else None
        if row is None:
            self._context.copy().run(self.set_trait, "opened", {})
            return
        view = self._context.copy().run(self._live_view, run)
        self._own(view)
        opened = Opened(run, view)
        try:
            opened.follow(self._place.host(), row)
        except Exception as wrong:
            self._context.copy().run(opened.close)
            self._post({"t": "told", "run": run, "text": f"Run {run!r} cannot be shown: {wrong}"})
            return
        self._opened = opened
        self._context.copy().run(self.set_trait, "opened", {"run": run, "view": view.model_id})

    def _live_view(self, run: str) -> LiveView:
        def act(kind: str) -> Callable[[], None]:
            return lambda: self._worker.post(lambda: self._act(kind, run))

        def detail(place: int) -> Any:
            host = self._place.host()
            return host.engine.start(show._detail, Run(host, run), place)

        return LiveView(
            on_answer=lambda token, *said: self._answer(ask_id(run, token), *said),
            on_cancel=act("cancel"),
            on_resume=act("resume"),
            detail=detail,
        )

    # ---- for those without widgets ----

    def __repr__(self) -> str:
        return still.text(self._board)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        shown = super()._repr_mimebundle_(**options)
        fallback = {"text/plain": still.text(self._board), "text/html": still.html(self._board)}
        if shown is None:
            return fallback, {}
        bundle, metadata = shown if isinstance(shown, tuple) else (shown, {})
        return {**bundle, **fallback}, metadata
