"""What a task prints, here or in another process, goes to its log and on to where it would have gone anyway."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterable, Iterator
from contextvars import Context
from typing import TYPE_CHECKING, Any

from ..core import masking
from ..executors.base import show
from . import watching
from .voice import Voice, current

if TYPE_CHECKING:
    from .runner import Runner

_lock = threading.Lock()


class Tee:
    """Stands in for ``sys.stdout`` or ``sys.stderr``: the task whose context this is gets a copy in its log.

    Everything else, and every attribute, is the stream's own.
    """

    def __init__(self, name: str, stream: Any) -> None:
        self._name = name
        self._stream = stream

    def write(self, text: str) -> Any:
        """Write to the stream, after the log."""
        voice = current.get()
        if voice is not None:
            text = masking.mask(text)
            voice.say(self._name, text)
        return self._stream.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each of them."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._stream)

    def __repr__(self) -> str:
        return repr(self._stream)

    def __reduce__(self) -> Any:
        return _stream, (self._name,)  # a function that holds it goes to another process, and uses the one there


def _stream(name: str) -> Any:
    return getattr(sys, name)


def speaking(runner: Runner, node: int, attempt: int) -> Context:
    """Return a context for a body in which it is heard."""
    # At each body: pytest, doctest and %%capture put another stream there and take it back at any time.
    if type(sys.stdout) is not Tee or type(sys.stderr) is not Tee:
        install()
    context = runner.context.copy()
    context.run(current.set, Voice(runner, node, attempt))
    if watching.watchers:
        watching.enters(runner, node, context)
    return context


def install() -> None:
    """Listen to the streams of this process, as they are now. Idempotent."""
    with _lock:
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is not None and type(stream) is not Tee:
                tee = Tee(name, stream)
                setattr(sys, name, tee)
                _move_handlers(stream, tee)


def uninstall() -> None:
    """Put the streams back. What still holds one of ours goes on through it. Idempotent."""
    with _lock:
        for name in ("stdout", "stderr"):
            tee = getattr(sys, name)
            if type(tee) is Tee:
                setattr(sys, name, tee._stream)
                _move_handlers(tee, tee._stream)


def _move_handlers(old: Any, new: Any) -> None:
    """Let the handlers of ``logging`` that were made with one stream use the other."""
    loggers = [logging.root, *(each for each in [*logging.root.manager.loggerDict.values()])]
    for logger in loggers:
        for handler in getattr(logger, "handlers", ()):
            if isinstance(handler, logging.StreamHandler) and handler.stream is old:
                handler.setStream(new)


def hear(kind: str, value: Any) -> None:
    """Take what a body in another process says; called in the context of its task."""
    voice = current.get()
    if kind == "progress" and voice is not None:
        voice.progress(*value)
    elif kind == "notice" and voice is not None:
        voice.notice(value)
    else:
        show(kind, value)
