"""Wait in a cell while its buttons go on answering, on every ipykernel from 6.30 on.

``wait_sync`` and ``wait_async`` are how a cell waits for a run; ``own`` lets the engine's loop serve its own widgets
even while a cell is busy; ``capture_parent`` lets a background thread print into the cell that started it. How the
messages get through is written in ``tap``, with the private names that it takes. Without a kernel all this is inert.

More private names are touched here, all context variables of ipykernel 7: ``_shell_parent`` and
``_shell_parent_ident`` of the kernel, ``_parent_header`` of its shell, and of the shell's display_pub and displayhook.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from nbflow.engine.loop import end_of
from nbflow.notebook.tap import Tap

T = TypeVar("T")

_BEAT = 0.25  # seconds between two looks at signals: how long Stop may go unseen


def wait_sync(future: concurrent.futures.Future[T], timeout: float | None = None) -> T:
    """Block the calling thread until the future is done, and have widget messages handled meanwhile.

    Raises what the future raises, TimeoutError after ``timeout`` seconds, and KeyboardInterrupt within a second of
    Stop or Ctrl-C; in the last two cases the future itself goes on. Outside a kernel, and in a thread that runs no
    cells, it only waits.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    tap = _tap_of_this_thread()
    with contextlib.nullcontext() if tap is None else tap.waiting() as waiter:
        if waiter is not None:
            future.add_done_callback(lambda _: waiter.wake())
        while not future.done():
            step = _BEAT if deadline is None else min(_BEAT, deadline - time.monotonic())
            if step <= 0:
                raise TimeoutError(f"not done after {timeout} s; it goes on, and can be waited for again")
            if tap is None or waiter is None:
                concurrent.futures.wait([future], step)
            else:
                tap.pump(waiter, step)
    return future.result()


async def wait_async(future: concurrent.futures.Future[T]) -> T:
    """Await the future, in a cell or in any coroutine, and have widget messages handled meanwhile.

    Canceling the await, which is what Stop does, leaves the future alone. A canceled future raises
    ``concurrent.futures.CancelledError``, which cannot be taken for a cancellation of the awaiting task.
    """
    done = end_of(future)
    tap = _tap_of_this_thread()
    with contextlib.nullcontext() if tap is None else tap.waiting(asyncio.get_running_loop()):
        while not done.done():
            # The beat is what lets Stop in: ipykernel's SIGINT handler only queues a callback, and a loop that sleeps
            # in its selector does not look at the queue until something else wakes it (ipykernel issue 881).
            await asyncio.wait({done}, timeout=_BEAT)
    return future.result()


def own(comm_ids: Iterable[str], call: Callable[..., object]) -> bool:
    """Have all messages of these comms handled by ``call``, whatever the kernel is busy with; say if that works.

    ``call(function, *args)`` hands a call over to a thread that is always free, as ``loop.call_soon_threadsafe`` does.
    Handlers run in a copy of the caller's context: what they print lands in the caller's cell. Only ipykernel 7 has a
    thread that receives while a cell runs; elsewhere nothing is done and the answer is False.
    """
    tap = _tap()
    if tap is None or tap.manager is None:
        return False
    context = capture_parent()
    tap.owned.update((comm_id, (call, context)) for comm_id in comm_ids)
    return True


def disown(comm_ids: Iterable[str]) -> None:
    """Give these comms back to the kernel; those that nobody owns are passed over."""
    tap = _tap()
    if tap is not None:
        for comm_id in comm_ids:
            tap.owned.pop(comm_id, None)


def running_kernel() -> Any:
    """Return the kernel of this process; None in a script, a terminal, or a process that was forked off a kernel."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    kernel = getattr(get_ipython(), "kernel", None) if get_ipython else None
    # A fork has a copy of the kernel, and would read from the sockets of its parent.
    forked = getattr(getattr(kernel, "session", None), "pid", os.getpid()) != os.getpid()
    return None if forked else kernel


def current_parent() -> dict[str, Any]:
    """Return the message that the calling context works for (a cell, a click), or {} if none is known."""
    try:
        return dict(running_kernel().get_parent("shell"))
    except (AttributeError, LookupError):  # no kernel; a plain thread on ipykernel 7.0
        return {}


def capture_parent() -> contextvars.Context:
    """Copy the calling context for use in other threads, so that prints and widgets there still find their cell.

    On ipykernel 7.0 a plain thread has no parent message, and any widget update in it raises LookupError. What such a
    thread captures gets an empty parent: updates work, and prints belong to no cell. A context can be entered by one
    thread at a time, so take one ``.copy()`` for each.
    """
    context = contextvars.copy_context()
    kernel = running_kernel()
    if kernel is None or not _without_parent(kernel):
        return context
    shell = getattr(kernel, "shell", None)
    shown = (shell, getattr(shell, "display_pub", None), getattr(shell, "displayhook", None))
    variables: list[tuple[object, object]] = [(getattr(part, "_parent_header", None), {}) for part in shown]
    variables += [(getattr(kernel, "_shell_parent", None), {}), (getattr(kernel, "_shell_parent_ident", None), b"")]
    for variable, empty in variables:
        if isinstance(variable, contextvars.ContextVar) and variable not in context:
            context.run(variable.set, empty)
    return context


def _without_parent(kernel: Any) -> bool:
    try:
        kernel.get_parent("shell")
    except LookupError:
        return True
    except AttributeError:
        return False
    return False


_installed: Tap | None = None
_unknown: Any = None  # the kernel that the warning was given for
_install_lock = threading.Lock()


def _tap() -> Tap | None:
    """Return the tap of the running kernel, put in at the first call; None without a kernel or in an unknown one."""
    global _installed, _unknown
    kernel = running_kernel()
    with _install_lock:
        if kernel is None or kernel is _unknown:
            return None
        if _installed is None or _installed.kernel is not kernel:
            try:
                _installed = Tap(kernel)
            except Exception as error:
                _unknown = kernel
                warnings.warn(_unknown_kernel_message(kernel, error), RuntimeWarning, stacklevel=4)
                return None
        return _installed


def _unknown_kernel_message(kernel: Any, error: Exception) -> str:
    version = getattr(sys.modules.get("ipykernel"), "__version__", "not there")
    return (
        f"nbflow does not know the inside of this kernel ({type(kernel).__module__}, ipykernel {version}; {error}). "
        "Buttons and forms will answer only when no cell is running. Do not block a cell: use "
        "`run = nbflow.run_async(...)` and end the cell, or install a kernel that is known: ipykernel 6.30 to 7.4."
    )


def _tap_of_this_thread() -> Tap | None:
    """Return the tap if this thread runs cells, so that it may handle messages; None in any other thread."""
    tap = _tap()
    try:
        if tap is not None:
            tap.shell_of_this_thread()
    except RuntimeError:
        return None
    return tap


def runs_cells() -> bool:
    """Say if the calling thread runs a kernel's cells, so that what it displays lands in one."""
    return _tap_of_this_thread() is not None
