"""The one lazy door to the rooms of the notebook and of HTTP: nothing else of nbflow reaches for them.

A script never opens the one, and who takes no events over HTTP never opens the other.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import signal
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .engine.context import task_context as copy_for_tasks
from .engine.loop import end_of
from .errors import NbflowError

if TYPE_CHECKING:
    from .engine.host import Host
    from .handle import Run
    from .http.endpoint import Endpoint

GLANCE = 0.3
"""Seconds that a run may take before the cell that waits for it shows it."""


def in_kernel() -> bool:
    """Tell whether this process is a Jupyter kernel."""
    shell = sys.modules.get("IPython")
    if shell is None or "ipykernel" not in sys.modules:
        return False
    found = shell.get_ipython()
    return found is not None and hasattr(found, "kernel")


def front_end() -> str:
    """Return the word for what shows the output of the calling thread, see ``FrontEnd``. Raises ValueError."""
    from .notebook import frontend

    return frontend.front_end().value


def attended() -> bool:
    """Tell whether a person can answer here while a cell waits: at a page that shows it, or at a terminal."""
    if in_kernel():
        from .notebook import frontend

        place = frontend.front_end()
        return place.has_person and place.shows_while_blocked
    return sys.stdin is not None and sys.stdin.isatty()


def shows() -> bool:
    """Tell whether this thread runs a cell in whose output a live view could be seen now."""
    if not in_kernel():
        return False
    from .notebook import comms, frontend

    place = frontend.front_end()
    return place.can_click and place.shows_while_blocked and comms.runs_cells()


def can_ask() -> bool:
    """Tell whether this thread can ask a person line by line: at a terminal, or in a console that shows no widgets."""
    if threading.current_thread() is not threading.main_thread():
        return False
    if not in_kernel():
        return attended()
    from .notebook import console

    return console.in_console()


def seen(run: Run) -> bool:
    """Tell whether a live view of a run is on a page, or may be so in a moment: then nobody needs to be asked."""
    if not in_kernel():
        return False
    from .notebook import show

    return show.seen(run)


def freeze(run: Run) -> None:
    """Put the still picture of a run in the place of its live views; in a script nothing is shown."""
    if in_kernel():
        from .notebook import show

        show.freeze(run)


def display(run: Run) -> None:
    """Show a run in this cell."""
    if in_kernel():
        from .notebook import show

        show.display_run(run)
    else:
        print(repr(run))


def tell(line: str) -> None:
    """Say one line to the person here: under the cell in a notebook, beside the output of a script."""
    print(line, file=sys.stdout if in_kernel() else sys.stderr, flush=True)


def task_context() -> contextvars.Context:
    """Return the context for the bodies of a run that is started here; in a notebook their prints find this cell."""
    if in_kernel():
        from .notebook import comms

        return comms.capture_parent().run(copy_for_tasks)
    return copy_for_tasks()


async def wait_a_moment(future: concurrent.futures.Future[Any]) -> bool:
    """Tell whether a future is done within a glance."""
    waiting = {asyncio.wrap_future(future)}
    done, _ = await asyncio.wait(waiting, timeout=GLANCE)
    for each in done:
        each.cancelled() or each.exception()  # looked at: it is raised to who awaits the run
    return bool(done)


def wait_sync(future: concurrent.futures.Future[Any], timeout: float | None = None) -> Any:
    """Block until a future is done; in a notebook, buttons and forms work meanwhile. Raises TimeoutError."""
    __tracebackhide__ = True  # IPython and pytest show the user's line, and not how it waited
    try:
        if in_kernel():
            from .notebook import comms

            return comms.wait_sync(future, timeout)
        return _wait_plainly(future, timeout)
    except NbflowError as error:
        # its way through the engine tells the user nothing, and would grow with each look at the same outcome
        raise error.with_traceback(None) from error.__cause__


def ask(run: Run, future: concurrent.futures.Future[Any], timeout: float | None = None) -> Any:
    """Block until a future is done, and meanwhile ask the questions of a run line by line. As ``wait_sync``."""
    __tracebackhide__ = True
    from . import asking

    return asking.wait(run, future, timeout)


def wait_some(futures: Sequence[concurrent.futures.Future[Any]], count: int, timeout: float | None = None) -> None:
    """Block until so many futures are done, or ``timeout`` seconds; buttons and forms work meanwhile."""
    if not in_kernel() and sys.platform != "win32":
        _wait_for_some(futures, count, timeout)
        return
    enough: concurrent.futures.Future[None] = concurrent.futures.Future()
    done: list[Any] = []
    lock = threading.Lock()

    def one_done(future: Any) -> None:
        with lock:
            done.append(future)
            if len(done) == count:
                enough.set_result(None)

    for future in futures:
        future.add_done_callback(one_done)
    try:
        wait_sync(enough, timeout)
    except TimeoutError:
        pass


def _wait_for_some(futures: Sequence[concurrent.futures.Future[Any]], count: int, timeout: float | None) -> None:
    """Wait without leaving anything at the futures: whoever asks again and again would fill the memory."""
    pending: Iterable[concurrent.futures.Future[Any]] = futures
    deadline = None if timeout is None else time.monotonic() + timeout
    while sum(future.done() for future in futures) < count:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            return
        _, pending = concurrent.futures.wait(pending, left, concurrent.futures.FIRST_COMPLETED)


def _wait_plainly(future: concurrent.futures.Future[Any], timeout: float | None) -> Any:
    if sys.platform != "win32":
        return future.result(timeout)
    left = timeout
    while True:  # an endless wait on a lock would not see Ctrl-C on Windows
        slice_ = 0.2 if left is None else min(0.2, left)
        try:
            return future.result(slice_)
        except TimeoutError:
            if future.done():
                raise
            left = None if left is None else left - slice_
            if left is not None and left <= 0:
                raise


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that runs in this thread, as it does in a notebook's cell, or None."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def wait_nested(future: concurrent.futures.Future[Any], timeout: float | None) -> Any:
    """Wait inside this thread's running loop and let the loop go on: only tasks that are pinned to it need that.

    Raises RuntimeError when nest-asyncio2 is not installed.
    """
    try:
        import nest_asyncio2  # the one lazy place: it patches asyncio, so nobody gets it who does not need it
    except ImportError:
        raise RuntimeError(
            "A task with loop='notebook' cannot run while run() blocks the notebook's loop. Write "
            "'await nbflow.run_async(dag)' in place of 'nbflow.run(dag)', or pip install 'nbflow[nested]'."
        ) from None
    loop = asyncio.get_running_loop()
    nest_asyncio2.apply(loop)
    return loop.run_until_complete(asyncio.wait_for(wait_async(future), timeout))


class Stop:
    """Notes whether Stop was pressed inside a ``with`` block; what the kernel does on Stop happens as before."""

    def __init__(self) -> None:
        self.pressed = False
        self._before: Any = None

    def __enter__(self) -> Stop:
        if in_kernel() and threading.current_thread() is threading.main_thread():
            self._before = signal.getsignal(signal.SIGINT)
            if callable(self._before):
                signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, number: int, frame: Any) -> Any:
        self.pressed = True
        return self._before(number, frame)

    def __exit__(self, *_: object) -> None:
        # another wait of the cell may stand in front: it passes Stop on, and the kernel resets all at the cell's end
        if callable(self._before) and signal.getsignal(signal.SIGINT) == self._note:
            signal.signal(signal.SIGINT, self._before)


async def wait_async(future: concurrent.futures.Future[Any]) -> Any:
    """Await a future of the engine on any loop; in a notebook, buttons and forms work meanwhile.

    Whoever gives the await up, as ``asyncio.wait_for`` does, leaves the future alone.
    """
    if in_kernel():
        from .notebook import comms

        return await comms.wait_async(future)
    await end_of(future)
    return future.result()


def questions() -> tuple[str, str]:
    """Return the script and the style that draw questions, for a page that is no notebook."""
    from .notebook.live import assets

    return assets.script("questions", "theme"), assets.style("base", "questions")


def endpoint(host: Host) -> Endpoint:
    """Return the HTTP endpoint of a host, which is started when it does not run yet. Raises OSError, StorageError."""
    from .http.endpoint import endpoint_of

    return endpoint_of(host)


def open_endpoint(host: Host) -> str:
    """Start the HTTP endpoint of a host for a run that waits for its events; return where it is, '' if it runs already.

    Raises OSError, StorageError.
    """
    from .http.endpoint import open_endpoint

    return open_endpoint(host)
