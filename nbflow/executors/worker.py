"""What runs in the process of a body: take a call, run it on the main thread, reply, and die with the engine."""

from __future__ import annotations

import faulthandler
import io
import os
import pickle
import queue
import signal
import sys
import threading
import time
from typing import Any

from nbflow.core import masking
from nbflow.executors import wire
from nbflow.executors.heard import saying

_PR_SET_PDEATHSIG = 1
LEAVE_SECONDS = 2.0
"""How long an idle process may take to leave in order, before it is killed."""

_channel: Channel | None = None


def tell(kind: str, value: Any) -> bool:
    """Say something to the engine's process from inside a body; return False when this is the engine's process.

    ``value`` is picklable. It reaches the executor's ``on_message`` at once, before the body's result does.
    """
    say = saying.get()
    if say is not None:
        say(kind, value)
        return True
    if _channel is None:
        return False
    _channel.send(wire.SAID, pickle.dumps((kind, value)))
    return True


def main(parent: int) -> None:
    """Serve the process ``parent`` until it hangs up; the frames come on fd 0 and go out on fd 1."""
    global _channel
    _die_with(parent)
    requests, channel = _take_pipes()
    _channel = channel
    os.register_at_fork(after_in_child=_forget_channel)
    speakers = sys.stdout, sys.stderr = _Speaker("stdout", 1), _Speaker("stderr", 2)
    faulthandler.enable(file=2)
    calls: queue.SimpleQueue[wire.Bytes | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, calls, channel), name="nbflow-requests", daemon=True).start()
    while (call := calls.get()) is not None:
        reply = wire.answer(call, started=channel.say_started)
        for speaker in speakers:
            speaker.flush()
        channel.reply(*reply)
        del call, reply  # an idle process must not keep its last values alive


class Channel:
    """The way back to the engine's process: whole frames, from any thread of the body."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()
        self.busy = False

    def send(self, kind: bytes, payload: wire.Bytes) -> None:
        """Write one frame."""
        with self._lock:
            wire.write_frame(self._fd, kind, payload)

    def say_started(self) -> None:
        """Tell that the body begins: from here on a death of this process is the body's affair."""
        self.send(wire.STARTED, b"")

    def reply(self, kind: bytes, payload: wire.Bytes) -> None:
        """Answer the call."""
        self.busy = False  # before the frame: the next call may come at once, and sets it again
        self.send(kind, payload)


class _Speaker(io.TextIOBase):
    """A text stream whose lines appear in the engine's process."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, kind: str, fd: int) -> None:
        self._kind = kind
        self._fd = fd
        self._lock = threading.RLock()
        self._held = ""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd  # for programs that the body starts with this stream

    def write(self, text: str) -> int:
        with self._lock:
            whole, newline, rest = (self._held + text).rpartition("\n")
            self._held = rest
            if newline:
                self._say(whole + newline)
        return len(text)

    def flush(self) -> None:
        with self._lock:
            text, self._held = self._held, ""
            if text:
                self._say(text)

    def _say(self, text: str) -> None:
        text = masking.mask(text)
        if not tell(self._kind, text):  # a process that the body forked: it must not write into our frames
            os.write(2, text.encode(errors=self.errors))


def _take_pipes() -> tuple[io.FileIO, Channel]:
    """Move the frames away from fd 0 and 1, so that what a body reads or writes there cannot damage them.

    What programs and C code write to either goes where the stderr of the engine's process goes.
    """
    requests, replies = io.FileIO(os.dup(0)), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return requests, Channel(replies)


def _listen(requests: io.FileIO, calls: queue.SimpleQueue[wire.Bytes | None], channel: Channel) -> None:
    try:
        while True:
            _, call = wire.read_frame(requests)
            channel.busy = True
            calls.put(call)
    except (EOFError, OSError):
        pass
    # The engine's process hung up or died. A body that went on would run beside the one that a resumed run
    # starts again; an idle process leaves in order, unless a thread that some body left behind holds it.
    if not channel.busy:
        calls.put(None)
        time.sleep(LEAVE_SECONDS)
    kill_group(os.getpid())


def kill_group(pid: int) -> None:
    """Kill a worker and all that its bodies have started. Quiet when nothing is left."""
    try:
        if hasattr(os, "killpg"):
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGTERM)  # which ends a process at once where there are no signals
    except (ProcessLookupError, PermissionError):
        pass


def _die_with(parent: int) -> None:
    """Ask Linux to kill this process with its parent, even when the body holds the interpreter lock."""
    if sys.platform != "linux":
        return
    import ctypes  # lazily: the engine's process imports this file too

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we could ask
        os._exit(1)


def _forget_channel() -> None:
    global _channel
    _channel = None
