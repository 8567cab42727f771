"""How a body on a cluster is heard: what it prints and says goes to its own engine, and not to its neighbours'."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from nbflow.core.masking import mask

Say = Callable[[str, Any], None]
"""What takes a kind of message and its content."""

saying: ContextVar[Say | None] = ContextVar("nbflow_saying", default=None)
"""How the body that runs here is heard; None where its process has a channel of its own, and outside of bodies."""
_lines: ContextVar[dict[str, str] | None] = ContextVar("nbflow_lines", default=None)
_lock = threading.Lock()


@contextmanager
def heard(say: Say) -> Iterator[None]:
    """Let the body in this block be heard: ``say`` gets ("stdout" or "stderr", whole lines) and what it tells.

    Threads that the body starts print where the worker prints.
    """
    _listen()
    begun: dict[str, str] = {}
    tokens = saying.set(say), _lines.set(begun)
    try:
        yield
    finally:
        for name, rest in begun.items():
            if rest:
                say(name, mask(rest))
        saying.reset(tokens[0])
        _lines.reset(tokens[1])


class _Ear:
    """Stands in for ``sys.stdout`` or ``sys.stderr`` of a worker: the body whose context this is gets its text."""

    def __init__(self, name: str, stream: Any) -> None:
        self._name = name
        self._stream = stream

    def write(self, text: str) -> int:
        say, begun = saying.get(), _lines.get()
        if say is None or begun is None:
            self._stream.write(text)
            return len(text)
        whole, newline, rest = (begun.get(self._name, "") + text).rpartition("\n")
        begun[self._name] = rest
        if newline:
            say(self._name, mask(whole + newline))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        say, begun = saying.get(), _lines.get()
        if say is None or begun is None:
            self._stream.flush()
        elif rest := begun.pop(self._name, ""):
            say(self._name, mask(rest))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _listen() -> None:
    """Stand in for the streams of this process, as they are now. Idempotent."""
    with _lock:
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if type(stream) is not _Ear:
                setattr(sys, name, _Ear(name, stream))
