"""Whether a body has been told to stop."""

from __future__ import annotations

from ..voice import current


def stopping() -> bool:
    """Tell a task that runs in a thread whether it has been stopped: then it should return soon.

    A process is killed and a coroutine is cancelled, so there it is False for as long as they live; so it is outside
    of a task.

    >>> from nbflow.rules import stopping
    >>> stopping()
    False
    """
    voice = current.get()
    return voice is not None and not voice.wanted
