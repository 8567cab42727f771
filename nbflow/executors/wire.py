"""What travels between the engine's process and the process of a body: frames, calls and replies."""

from __future__ import annotations

import io
import os
import pickle
import struct
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from nbflow.core import masking
from nbflow.core.remade import Remade, message_of
from nbflow.errors import CheckpointError, TaskError
from nbflow.executors.kept import Keep, holding
from nbflow.executors.outcome import end_fork, presentable, title

CALL = b"c"
STARTED = b"s"
SAID = b"m"
RETURNED = b"r"
RAISED = b"x"

_HEAD = struct.Struct("!cQ")
_CHUNK = 1 << 20

Bytes = bytes | bytearray
Reply = tuple[bytes, Bytes]
"""The kind of a frame and its payload."""


class RemoteTraceback(Exception):
    """The traceback of a body in its own process, as text; the ``__cause__`` of what the body raised."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


def write_frame(fd: int, kind: bytes, payload: Bytes) -> None:
    """Write one frame whole. Raises BrokenPipeError when nobody can read it."""
    head = _HEAD.pack(kind, len(payload))
    if len(payload) < _CHUNK:
        head, payload = head + payload, b""
    for part in (head, payload):
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(fd, rest) :]


def read_frame(pipe: io.RawIOBase, wait: Callable[[], None] = lambda: None) -> tuple[bytes, bytearray]:
    """Read one frame, calling ``wait`` before each read. Raises EOFError at a closed or torn end."""
    kind, size = _HEAD.unpack(_read_exactly(pipe, _HEAD.size, wait))
    return kind, _read_exactly(pipe, size, wait)


def _read_exactly(pipe: io.RawIOBase, size: int, wait: Callable[[], None]) -> bytearray:
    content = bytearray(size)
    rest = memoryview(content)
    while rest:
        wait()
        count = pipe.readinto(rest)
        if not count:
            raise EOFError
        rest = rest[count:]
    return content


def dumps(value: Any) -> bytes:
    """Pickle a value, with functions and classes of a notebook by value. Raises what pickling raises."""
    import cloudpickle  # lazily: only runs that use other processes pay for it

    return bytes(cloudpickle.dumps(value))


def encode_call(body: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
    """Return a call as bytes. Raises TaskError that names what cannot leave this process."""
    try:
        return dumps((body, args, kwargs))
    except Exception as error:
        name = title(body, args)
        parts = {"its code": body, **{f"argument {i}": value for i, value in enumerate(args, 1)}, **kwargs}
        what = next((what for what, value in parts.items() if not _picklable(value)), "its call")
        raise TaskError(
            f"{name!r} cannot be sent to another process: {what} cannot be pickled ({error}). "
            f'Make it inside the task, or run the task with executor="thread".'
        ) from error


def answer(call: Bytes, started: Callable[[], None] = lambda: None) -> Reply:
    """Carry out an encoded call, here, and return its encoded reply. Never raises."""
    return carry_out(call, started)[0]


def carry_out(
    call: Bytes, started: Callable[[], None] = lambda: None, held: Sequence[Any] = ()
) -> tuple[Reply, Keep | None]:
    """Carry out an encoded call as ``answer``, with the values of its handles; return what is to stay here, too."""
    try:
        with holding(held):
            body, args, kwargs = pickle.loads(call)
    except BaseException as error:
        error.add_note("The task could not be loaded in its process: is the module that it needs importable there?")
        return (RAISED, _encode_error(presentable(error))), None
    if isinstance(call, bytearray):
        call.clear()  # it may be large, and the body may run for hours
    started()
    pid = os.getpid()
    try:
        value = body(*args, **kwargs)
    except BaseException as error:
        end_fork(pid, error)
        error.__traceback__ = error.__traceback__.tb_next if error.__traceback__ else None
        return (RAISED, _encode_error(presentable(error))), None
    end_fork(pid)
    keep = value if isinstance(value, Keep) else None
    try:
        return (RETURNED, dumps(keep.head if keep else value)), keep
    except Exception as error:
        failure = CheckpointError(
            f"The result of {title(body, args)!r}, a {type(value).__qualname__}, cannot be pickled ({error}). "
            "Return something that can, such as what is needed to make it again."
        )
        failure.__cause__ = error
        return (RAISED, _encode_error(failure)), None


def decode_reply(reply: Reply) -> Any:
    """Return what the body returned, or raise what it raised, with the remote traceback as ``__cause__``."""
    kind, payload = reply
    if kind == RAISED:
        raise _decode_error(payload)
    try:
        return pickle.loads(payload)
    except Exception as error:
        raise CheckpointError(f"The result came back from its process but cannot be loaded here ({error}).") from error


def _encode_error(error: Exception) -> bytes:
    masking.mask_error(error)
    name = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    text = masking.mask("".join(traceback.format_exception(error)))
    return pickle.dumps((name, masking.mask(message_of(error)), text, _portable(error)))


def _decode_error(payload: Bytes) -> Exception:
    name, message, text, pickled = pickle.loads(payload)
    error: Exception | None = None
    if pickled is not None:
        try:
            error = pickle.loads(pickled)
        except Exception as load_error:
            message = f"{message} (and it could not be loaded here: {load_error})"
    if error is None:
        error = TaskError(f"The task raised {name}, which cannot be pickled: {message}")
    error.__cause__ = RemoteTraceback(text)
    return error


def _portable(error: Exception) -> bytes | None:
    """Pickle an error so that it can be loaded, too; return None when there is no way."""
    for form in (lambda: error, lambda: Remade(error)):
        try:
            pickled = dumps(form())
            masking.refuse("The exception", pickled)
            if isinstance(pickle.loads(pickled), type(error)):
                return pickled
        except Exception:
            continue
    return None


def _picklable(value: Any) -> bool:
    try:
        dumps(value)
    except Exception:
        return False
    return True
