"""The tap: take comm messages out of a kernel's shell stream, for those who wait and for those who own a comm.

A Jupyter kernel runs one cell at a time, and a click on a button is a message that queues up behind the running cell,
so a cell that waits for a click would wait for ever. The tap sits at the one place where a message is handed to a shell
thread. It takes comm_open, comm_msg and comm_close out and has them handled at once; all other messages, above all the
cells in the queue, go on their usual way in their usual order. No loop is nested and nothing of asyncio is patched.

    ipykernel 6.x   the receive callback of the shell stream; the waiting main thread polls the stream itself
    ipykernel 7.x   the socket by which the shell channel thread feeds a shell thread, so it works while that is blocked

Waiters form a list, since waits nest: two awaits in a gather, a wait inside a widget callback, a blocking wait inside
an async cell. Those of one shell share an inbox, and whoever of them can run handles what is in it, in its order.

Not everything used is public. The undocumented names, and the versions of ipykernel in which they were found:

    Kernel._publish_status, ._parent_ident, .shell_handlers, .comm_manager          6.30 to 7.4
    Kernel.msg_queue, and tornado's Queue._queue, ._getters (none while a cell runs) 6.30, 6.31
    Kernel._main_asyncio_lock (locked while a cell runs)                            7.0 to 7.4
    Kernel._shell_parent, ._shell_parent_ident (context variables)                  7.0 to 7.4
    Kernel.shell_channel_thread.manager: get_shell_channel_to_subshell_socket,
        get_shell_channel_to_subshell_pair, get_subshell_asyncio_lock,
        subshell_id_from_thread_id                                                  7.0 to 7.4
    pyzmq's ZMQStream._recv_callback, comm's BaseComm._msg_callback                 with all of them

All are looked for before any is touched: on a kernel that lacks one the constructor raises and changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

Frames = list[Any]
Inbox = queue.SimpleQueue[Frames | None]  # None only wakes who waits for the next message
Owner = tuple[Callable[..., object], contextvars.Context]

_COMM_TYPES = frozenset({"comm_open", "comm_msg", "comm_close"})
_POLL = 0.05  # seconds; on ipykernel 6.x no other thread can end the poll when the future is done


class Waiter:
    """One wait in a cell: it pumps the inbox itself if it blocks its thread, or has its loop do so if it awaits."""

    def __init__(self, shell_id: str | None, loop: asyncio.AbstractEventLoop | None, inbox: Inbox) -> None:
        self.shell_id = shell_id
        self.loop = loop
        self.context = contextvars.copy_context()
        self.inbox = inbox

    def wake(self) -> None:
        """End the step of ``pump`` that is going on; callable from any thread."""
        self.inbox.put(None)


@contextlib.contextmanager
def _stop_waits() -> Iterator[None]:
    """Hold KeyboardInterrupt back until the end of the block: between two steps of it a queued cell would be lost."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if came:
        raise KeyboardInterrupt


class _TappedSocket:
    """Stand in for the socket that feeds one shell thread (7.x); used on the shell channel thread only."""

    def __init__(self, tap: Tap, socket: Any, shell_id: str | None) -> None:
        self._tap, self._socket, self._shell_id = tap, socket, shell_id

    def send_multipart(self, frames: Frames, **kwargs: Any) -> Any:
        import zmq  # lazily: only a kernel needs it

        # Under the lock, or a wait could begin between the two steps: it would look into the stream too early, and the
        # message would lie there until the cell has ended.
        with self._tap.lock, contextlib.suppress(zmq.Again):
            if self._tap.take(frames, self._shell_id):
                return None
            return self._socket.send_multipart(frames, flags=zmq.NOBLOCK, **kwargs)
        # Full: thousands of messages lie in front of a busy shell thread, which must not find the lock taken.
        return self._socket.send_multipart(frames, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


class Tap:
    """The tap of one kernel; there is one for the life of the process."""

    def __init__(self, kernel: Any) -> None:
        """Put the tap in. Raises, with nothing changed, if the kernel is not one that we know."""
        self.kernel = kernel
        self.owned: dict[str, Owner] = {}
        self._waiters: list[Waiter] = []
        self._inboxes: dict[str | None, Inbox] = {}  # by shell
        # To see that somebody waits and to fill the inbox is one step: else a click could go into it after the last
        # waiter has looked for the last time, and be lost.
        self.lock = threading.RLock()
        self.manager: Any = getattr(getattr(kernel, "shell_channel_thread", None), "manager", None)
        self._look_for_the_names()
        if self.manager is None:
            self._tap_stream(None)
        else:
            socket_of = self.manager.get_shell_channel_to_subshell_socket
            self.manager.get_shell_channel_to_subshell_socket = lambda sid: _TappedSocket(self, socket_of(sid), sid)
            # Its thread may be at a message for which it has fetched the bare socket: let it come to the end of that.
            passed = threading.Event()
            kernel.shell_channel_thread.io_loop.add_callback(passed.set)
            passed.wait(1)

    def _look_for_the_names(self) -> None:
        kernel, stream = self.kernel, self._stream(None)
        found: list[object] = [kernel.session.deserialize, kernel.shell_handlers["comm_msg"], kernel.set_parent]
        found += [
            kernel.get_parent,
            kernel.comm_manager.get_comm,
            kernel._publish_status,
            kernel._parent_ident["shell"],
        ]
        found += [stream._recv_callback, stream.flush, stream.socket.poll, self._busy(None)]
        if getattr(kernel, "msg_queue", None) is not None:
            found += [kernel.msg_queue._queue]
        if self.manager is not None:
            found += [self.manager.subshell_id_from_thread_id, self.manager.get_subshell_asyncio_lock]
            found += [kernel._shell_parent.set, kernel._shell_parent_ident.set]
            found += [kernel.shell_channel_thread.io_loop.add_callback]

    # -- the kernel's shells ------------------------------------------------------------------------------------------

    def shell_of_this_thread(self) -> str | None:
        """Return the id of the subshell that this thread runs, None for the main shell. Raises RuntimeError if none."""
        if self.manager is not None:
            shell_id: str | None = self.manager.subshell_id_from_thread_id(threading.get_ident())
            return shell_id
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("this thread runs no cells")
        return None

    def _busy(self, shell_id: str | None) -> bool:
        """Say if a message (a cell, as a rule) is being handled in this shell."""
        if shell_id is not None:
            return bool(self.manager.get_subshell_asyncio_lock(shell_id).locked())
        lock = getattr(self.kernel, "_main_asyncio_lock", None)
        return bool(lock.locked()) if lock is not None else not self.kernel.msg_queue._getters

    def _stream(self, shell_id: str | None) -> Any:
        """Return the stream from which this shell's own thread receives its messages."""
        if self.manager is None:
            return self.kernel.shell_stream
        return self.manager.get_shell_channel_to_subshell_pair(shell_id).to_stream

    def _tap_stream(self, shell_id: str | None) -> None:
        stream = self._stream(shell_id)
        receive = stream._recv_callback
        if getattr(receive, "tap", None) is self:
            return

        def tapped(frames: Frames) -> Any:
            return None if self.take(frames, shell_id) else receive(frames)

        tapped.tap = self  # type: ignore[attr-defined]
        stream.on_recv(tapped, copy=False)

    # -- waiting ------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def waiting(self, loop: asyncio.AbstractEventLoop | None = None) -> Iterator[Waiter]:
        """Be a waiter of this thread's shell: blocking without a ``loop``, awaiting with one."""
        shell_id = self.shell_of_this_thread()
        # One inbox for all waits of a shell: a click that came for an outer wait must reach the inner one, which keeps
        # the thread for itself.
        waiter = Waiter(shell_id, loop, self._inboxes.setdefault(shell_id, queue.SimpleQueue()))
        try:
            with _stop_waits(), self.lock:
                self._waiters.append(waiter)
                self._catch_up(waiter.shell_id)
            yield waiter
        finally:
            with self.lock:
                self._waiters = [other for other in self._waiters if other is not waiter]
            self._empty(waiter)

    def pump(self, waiter: Waiter, step: float) -> None:
        """Handle the messages of a blocking waiter, for ``step`` seconds at most, on its own thread."""
        if self.manager is not None:
            try:
                frames = waiter.inbox.get(timeout=step)
            except queue.Empty:
                self._flush(waiter.shell_id)  # what found the socket full when this wait began is in the stream by now
            else:
                self._handle_taken(frames, waiter)
        elif not waiter.inbox.empty() or self.kernel.shell_stream.socket.poll(int(1000 * min(step, _POLL))):
            self._flush(None)
        self._empty(waiter)

    def _empty(self, waiter: Waiter) -> None:
        while True:
            try:
                frames = waiter.inbox.get_nowait()
            except queue.Empty:
                return
            self._handle_taken(frames, waiter)

    def _handle_taken(self, frames: Frames | None, waiter: Waiter) -> None:
        if frames is not None:
            waiter.context.copy().run(self.handle, frames, waiter)

    def _catch_up(self, shell_id: str | None) -> None:
        """Take the comm messages that came while the cell was busy before this wait: later ones must not overtake.

        Out of reach, on 7.0 to 7.3, is only what came while the same cell awaited something else before.
        """
        self._tap_stream(shell_id)
        held = getattr(self.kernel, "msg_queue", None)
        if held is not None:
            kept = [item for item in held._queue if not (item[2] and self.take(item[2][0], shell_id))]
            held._queue = type(held._queue)(kept)
        self._flush(shell_id)

    def _flush(self, shell_id: str | None) -> None:
        import zmq  # lazily: only a kernel needs it

        # In an empty context: the kernel makes a task of each queued cell here, which must not inherit this cell's.
        with _stop_waits():
            contextvars.Context().run(self._stream(shell_id).flush, zmq.POLLIN)

    # -- messages -----------------------------------------------------------------------------------------------------

    def take(self, frames: Frames, shell_id: str | None) -> bool:
        """Hand a message of this shell to whoever shall handle it now; say if anybody does."""
        if not self._waiters and not self.owned:
            return False
        session = self.kernel.session
        try:
            _, rest = session.feed_identities(frames, copy=False)
            message = session.deserialize(rest, content=False, copy=False)  # a peek: the digest history is not touched
            if message["header"]["msg_type"] not in _COMM_TYPES:
                return False
            owner = self.owned.get(session.unpack(message["content"]).get("comm_id"))
        except Exception:  # not a message that we can read: the kernel knows what to say about it
            return False
        try:
            return self._give_to_owner(frames, owner) or self._give_to_waiter(frames, shell_id)
        except (RuntimeError, LookupError):  # a closed loop, a deleted subshell: nobody there who could handle it
            return False

    def _give_to_owner(self, frames: Frames, owner: Owner | None) -> bool:
        if owner is None:
            return False
        call, context = owner
        call(context.copy().run, self.handle, frames, None)
        return True

    def _give_to_waiter(self, frames: Frames, shell_id: str | None) -> bool:
        with self.lock:
            waiters = [waiter for waiter in self._waiters if waiter.shell_id == shell_id]
            blocked = any(waiter.loop is None for waiter in waiters)
            # A background task may await while no cell runs; the kernel itself is free to handle the message then.
            if not waiters or not (blocked or self._busy(shell_id)):
                return False
            waiters[-1].inbox.put(frames)
            if not blocked and waiters[-1].loop is not None:
                waiters[-1].loop.call_soon_threadsafe(self._empty, waiters[-1])
            return True

    def handle(self, frames: Frames, waiter: Waiter | None) -> None:
        """Handle one comm message on this thread, in this context, between a busy and an idle of its own."""
        kernel = self.kernel
        try:
            ident, rest = kernel.session.feed_identities(frames, copy=False)
            message = kernel.session.deserialize(rest, content=True, copy=False)
        except Exception:
            kernel.log.error("nbflow: unreadable comm message", exc_info=True)
            return
        if waiter is None:
            self._handle_owned(ident, message)
        else:
            self._handle_in_cell(ident, message, waiter)

    def _handle_owned(self, ident: Any, message: dict[str, Any]) -> None:
        # Only the parent that comms look at: they must answer this message, while prints stay with the owner's cell.
        self.kernel._shell_parent.set(message)
        self.kernel._shell_parent_ident.set(ident)
        self.kernel._publish_status("busy", "shell", parent=message)
        try:
            self._call_handler(ident, message)
        finally:
            self.kernel._publish_status("idle", "shell", parent=message)

    def _handle_in_cell(self, ident: Any, message: dict[str, Any], waiter: Waiter) -> None:
        kernel = self.kernel
        before = (kernel._parent_ident["shell"], kernel.get_parent("shell"))
        try:
            kernel.set_parent(ident, message, channel="shell")
            kernel._publish_status("busy", "shell", parent=message)
            self._call_handler(ident, message)
            if sys.stdout is not None:
                sys.stdout.flush()  # what the handler printed comes before its idle
        finally:
            # The front end of ipywidgets sends the next change only after this idle.
            kernel._publish_status("idle", "shell", parent=message)
            kernel.set_parent(*before, channel="shell")
            if self._busy(waiter.shell_id):
                kernel._publish_status("busy", "shell", parent=before[1])  # the cell goes on

    def _call_handler(self, ident: Any, message: dict[str, Any]) -> None:
        """Call what the widget registered. Its errors are logged, as the kernel does with those of a click."""
        kind, comm_id = message["header"]["msg_type"], message["content"].get("comm_id")
        comm = self.kernel.comm_manager.get_comm(comm_id) if kind == "comm_msg" else None
        callback = getattr(comm, "_msg_callback", None)
        try:
            if callback is not None:
                callback(message)  # not by way of the comm, which fires pre_execute and post_execute inside the cell
            else:
                self.kernel.shell_handlers[kind](None, ident, message)
        except Exception:
            self.kernel.log.error("nbflow: the handler of a comm failed", exc_info=True)
