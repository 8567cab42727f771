"""How a run shows itself in a notebook: as a live view where somebody can look, else as a still picture."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import os
import time
import uuid
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from ..engine import events
from ..engine.context import task_context
from ..engine.logs import stored_log
from ..views.detail import detail_of
from ..views.html import to_bundle
from ..views.scene_feed import SceneFeed, feed_of
from . import comms
from .frontend import FrontEnd, front_end
from .still import StillCopy
from .watch import Watch, history, merged

if TYPE_CHECKING:
    from ..engine.runner import Runner
    from ..handle import Run
    from .live import LiveView


ACTS = {
    "retry": "retry_event", "discard": "discard_event", "edit": "edit_event",
    "start": "start_task", "stop": "stop_task", "restart": "restart_task",
}  # fmt: skip
"""The acts of panels, and the methods of the run that carry them out."""

MOUNTS = 1.5
"""Seconds in which a page that shows widgets has shown one."""


class Shown(NamedTuple):
    """A live view that stands in a cell: its display, since when (seconds of the monotonic clock), and its copy."""

    handle: Any
    view: LiveView
    since: float
    still: StillCopy | None


_live: dict[str, list[Shown]] = {}
"""The live views of each run by its id."""
_copies: list[tuple[Run, Any]] = []
"""The still pictures of runs that had not ended, with the handles of their displays."""


def bundle(run: Run, clock: bool = True) -> dict[str, str]:
    """Return a run as text/plain and text/html that need no kernel and no script."""
    return to_bundle(run._snapshot(), clock=clock)


def display_run(run: Run) -> None:
    """Show a run in this cell: live, when a browser can be looking."""
    place = front_end()
    if place.can_click:
        copied = _page_keeps_a_file()
        view = live_view(run, copied=copied)
        handle = _display(view, display_id=True)
        shown = Shown(handle, view, time.monotonic(), _copy(run) if copied else None)
        _live.setdefault(run.workflow_id, []).append(shown)
    elif place is FrontEnd.NBVAL or _over(run):
        _display(bundle(run, clock=place is not FrontEnd.NBVAL), raw=True)  # nbval fails where outputs are updated
    else:
        _copies.append((run, _display(bundle(run), raw=True, display_id=True)))
        if len(_copies) == 1:
            _shell().events.register("post_run_cell", _renew)


def freeze(run: Run) -> None:
    """Put the still picture in the place of all live views of a run; without any, show it in this cell."""
    views = _live.pop(run.workflow_id, [])
    for shown in views:
        shown.handle.update(bundle(run), raw=True)
        if shown.view.comm is not None:
            comms.disown([shown.view.comm.comm_id])
        shown.view.close()
        if shown.still is not None:
            shown.still.clear()
    if not views:
        _display(bundle(run), raw=True)


def seen(run: Run) -> bool:
    """Tell whether a browser has shown a live view of a run, or may still be about to."""
    return any(
        shown.view.presence.seen.done() or time.monotonic() - shown.since < MOUNTS
        for shown in _live.get(run.workflow_id, ())
    )


def _renew(*_: Any) -> None:
    """Bring the still pictures of the runs that have ended up to their end.

    At the end of a cell and not at the end of the run: those who execute a notebook take only what belongs to the cell
    that is running, and a thread's message would belong to the one in which the picture stands.
    """
    for copy in [copy for copy in _copies if _over(copy[0])]:
        _copies.remove(copy)
        run, handle = copy
        handle.update(bundle(run), raw=True)
    if not _copies:
        _shell().events.unregister("post_run_cell", _renew)


def _over(run: Run) -> bool:
    live = run._host.runners.get(run.workflow_id)
    return live is None or live.outcome.done()


def _display(shown: Any, **options: Any) -> Any:
    return import_module("IPython.display").display(shown, **options)  # the door is open: this is a kernel


def _shell() -> Any:
    return import_module("IPython").get_ipython()


def _page_keeps_a_file() -> bool:
    """Tell whether this cell is one of JupyterLab or Notebook: they name it, and save what stands under it."""
    return "cellId" in comms.current_parent().get("metadata", {})


def _copy(run: Run) -> StillCopy:
    """Put the copy for the notebook's file under the live view that was just shown."""
    copy = StillCopy(run._snapshot())
    runner = run._host.runners.get(run.workflow_id)
    if runner is not None:
        run._host.engine.call(copy.follow, runner)
    return copy


def live_view(run: Run, copied: bool = False) -> LiveView:
    """Return a new live view of a run. Several views of one run show the same and cost little.

    A view that is ``copied`` has a copy of its own beside it, and is itself saved as a name.
    """
    from .live import LiveView

    host, workflow_id = run._host, run.workflow_id
    engine = host.engine

    def answer(question: str, option: str, values: dict[str, Any], comment: str) -> concurrent.futures.Future[Any]:
        return engine.start(_answer, run, question, option, values, comment)

    def detail(place: int) -> concurrent.futures.Future[Any]:
        return engine.start(_detail, run, place)

    def act(panel: str, row: str, name: str, text: str | None) -> concurrent.futures.Future[Any]:
        return engine.start(_act, run, name, row, text)

    def resume() -> None:
        engine.start(_resume, run, view)

    view = LiveView(
        on_answer=answer,
        on_cancel=lambda: engine.start(_cancel, run),
        on_resume=resume,
        on_act=act,
        detail=detail,
        static=lambda: {"text/plain": run.workflow_id} if copied else bundle(run),
    )
    live = host.runners.get(workflow_id)
    if live is not None:
        engine.call(_attach, live, view)
    else:
        _still(run, view)
    if view.comm is not None:
        comms.own([view.comm.comm_id], lambda call, *args: engine.post(lambda: call(*args)))
    return view


async def _attach(runner: Runner, view: LiveView) -> None:
    Watch.of(runner).add(view)


def _still(run: Run, view: LiveView) -> None:
    """Fill a view of a run that is not live here from its journal."""
    feed = feed_of(run.state)
    feed.delta(run._host.clock.time(), everything=True)
    view.apply(feed.full())


async def _answer(run: Run, token: str, option: str, values: dict[str, Any], comment: str) -> events.Receipt:
    """Give the answer of a view to the question of this token. On the engine's loop."""
    runner = run._host.runners.get(run.workflow_id)
    if runner is None:
        return events.Receipt("closed", "nothing runs this run now: resume it, and the question opens again")
    for node in runner.state.nodes:
        if node.wait is not None and str(node.wait.token) == token:
            payload = {"option": option, "values": values, "comment": comment}
            event_id = f"{node.node_id}:{token}:{uuid.uuid4().hex}"
            return await events.deliver(run._host, runner, node.wait.key, payload, event_id, user(), "notebook")
    return events.Receipt("closed", "this question is not open any more")


async def _act(run: Run, name: str, row: str, text: str | None) -> str:
    """Do what a person asks for with a row of a panel; return what to tell them. Raises what the run's method does."""
    method = getattr(run, ACTS[name])
    told = await asyncio.to_thread(method, row) if text is None else await asyncio.to_thread(method, row, _json(text))
    return getattr(told, "reason", "") or ""


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"This is no JSON: {error}. Text stands in double quotes; use true, false and null.") from None


async def _detail(run: Run, place: int) -> dict[str, Any]:
    runner = run._host.runners.get(run.workflow_id)
    if runner is not None:
        return await Watch.of(runner).detail(place)
    return await asyncio.to_thread(_still_detail, run, place)


def _still_detail(run: Run, place: int) -> dict[str, Any]:
    state, storage = run.state, run._host.storage
    feed = feed_of(state)
    feed.delta(run._host.clock.time(), everything=True)
    drawn = feed.picture.nodes
    if not 0 <= place < len(drawn):
        return {}
    beside = feed.detail(place) if isinstance(feed, SceneFeed) else {}
    if not drawn[place].members:
        return beside
    found = history(storage, state, drawn[place], lambda node_id: stored_log(storage, run.workflow_id, node_id))
    return merged(detail_of(state, drawn[place]) | found, beside)


async def _cancel(run: Run) -> None:
    runner = run._host.runners.get(run.workflow_id)
    if runner is not None and not runner.outcome.done():
        runner.cancel(user())


async def _resume(run: Run, view: LiveView) -> None:
    runner = await run._host.resume(run.workflow_id, task_context())
    Watch.of(runner).add(view)


@cache
def user() -> str:
    """Return who sits at this notebook: the hub's name of the person, else none is recorded."""
    return os.environ.get("JUPYTERHUB_USER", "")
