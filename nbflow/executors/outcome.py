"""How the end of a body becomes the end of its future."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import functools
import os
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nbflow.core.remade import message_of
from nbflow.errors import TaskError

Future = concurrent.futures.Future[Any]


def settle(future: Future, body: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Call a body and end its future with what it returns or raises. Never raises itself."""
    pid = os.getpid()
    try:
        value = body(*args, **kwargs)
    except BaseException as error:
        end_fork(pid, error)
        # Without the frame of this function the traceback begins in the user's code.
        error.__traceback__ = error.__traceback__.tb_next if error.__traceback__ else None
        future.set_exception(presentable(error))
        # The traceback keeps the frames of the callers. Emptied, they do not hold the future, and with it the
        # arguments, in a cycle until the next garbage collection; the executors do the same.
        del future, body, args, kwargs
    else:
        end_fork(pid)
        future.set_result(value)


def end_fork(pid: int, error: BaseException | None = None) -> None:
    """End this process if it is a fork that a body, begun in process ``pid``, has made and left by coming back here.

    The body comes back in its own process too. A fork that went on from here would answer a second time: by the same
    pipe, or in the same journal.
    """
    if os.getpid() == pid:
        return
    if error is not None:
        traceback.print_exception(error)
    os._exit(0 if error is None else 1)


def presentable(error: BaseException) -> Exception:
    """Return an error that a future may carry: itself, or what wraps it as its ``__cause__``.

    An awaited future that ends with StopIteration hangs, with a CancelledError looks like a cancellation of who
    awaits, and with SystemExit or KeyboardInterrupt tears its event loop down.
    """
    wrapper: Exception
    if isinstance(error, StopIteration):
        wrapper = RuntimeError("the body raised StopIteration")
    elif isinstance(error, (asyncio.CancelledError, concurrent.futures.CancelledError)):
        wrapper = TaskError("the body raised CancelledError: something that it waited for was cancelled")
    elif isinstance(error, Exception):
        return error
    elif isinstance(error, SystemExit):
        wrapper = TaskError(f"the body called sys.exit({error.code!r}); return a value or raise an exception instead")
    elif isinstance(error, KeyboardInterrupt):
        wrapper = TaskError("the body was interrupted (KeyboardInterrupt)")
    else:
        wrapper = TaskError(f"the body raised {type(error).__qualname__}: {message_of(error)}")
    wrapper.__cause__ = error
    return wrapper


def title(body: Callable[..., Any], args: Sequence[Any] = ()) -> str:
    """Return how a message names a body: the user's function, looked up behind what only calls it."""
    if _is_wrapper(body):
        body = next((arg for arg in args if callable(arg) and not _is_wrapper(arg)), body)
    while isinstance(body, functools.partial):
        body = body.func
    return str(getattr(body, "__qualname__", None) or type(body).__qualname__)


def _is_wrapper(body: Any) -> bool:
    in_package = str(getattr(body, "__module__", "")).startswith("nbflow.")
    return in_package or isinstance(getattr(body, "__self__", None), contextvars.Context)
