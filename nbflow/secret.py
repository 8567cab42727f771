"""A secret by its name: what is stored, shown and sent is the name, and the value is looked up where it is needed."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from .core import masking
from .errors import SecretNotFoundError

Provider = Callable[[str], str | None]


class Secret:
    """A password or a token that stays out of everything nbflow keeps or shows.

    Give the object to a task and call ``get()`` in its body. It is pickled as its name, so a journal, a preview, a log,
    a notebook and another process only ever see ``Secret('NAME')``; two of the same name are equal.

    The value is that of the environment variable of that name, in the process where ``get()`` is called, or what
    ``provider(name)`` returns there: a function that can be imported, such as one that asks ``keyring``. It is looked
    up each time: a new value is seen at once, and after a restart.

    From the first ``get()`` on, what tasks of that process print, and the errors that they raise, show ``********`` in
    the place of the value. A result, an argument, an event or code that holds it is refused (CheckpointError). Both
    look for the value itself, of 8 characters or more: what a task makes of it (its base64, its upper case, a part) is
    the task's own affair. Raises TypeError, ValueError.

    >>> import os
    >>> import nbflow as nf
    >>> os.environ["SHOP_TOKEN"] = "s3cr3t-of-the-shop"
    >>> token = nf.Secret("SHOP_TOKEN")
    >>> print(token, len(token.get()))
    Secret('SHOP_TOKEN') 18
    >>> ask = nf.task(lambda token: print("asking with", token.get()) or "200 OK", name="ask")
    >>> nf.run(ask.bind(token))
    asking with ********
    '200 OK'
    """

    __slots__ = ("name", "provider")

    def __init__(self, name: str, provider: Provider | None = None) -> None:
        if not isinstance(name, str):
            raise TypeError(f"A secret is called by a string, not by {type(name).__name__}.")
        if not name or "=" in name or "\0" in name:
            raise ValueError(f"{name!r} cannot be the name of a secret: it is that of an environment variable.")
        self.name = name
        self.provider = provider

    def get(self) -> str:
        """Return the value. Raises SecretNotFoundError when there is none here, and what the provider raises."""
        value = os.environ.get(self.name) if self.provider is None else self.provider(self.name)
        if value is None:
            where = "environment variable" if self.provider is None else "secret of its provider"
            raise SecretNotFoundError(
                f"There is no {where} {self.name!r} in this process: set it before the kernel starts, or in the "
                "environment of the process that runs the task."
            )
        if not isinstance(value, str):
            raise TypeError(f"The provider of {self!r} returned {type(value).__name__}, and not a string.")
        masking.learn(self.name, value)
        return value

    def __repr__(self) -> str:
        return f"Secret({self.name!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return self.name == other.name and self.provider == other.provider

    def __hash__(self) -> int:
        return hash((Secret, self.name))

    def __reduce__(self) -> Any:
        return Secret, (self.name,) if self.provider is None else (self.name, self.provider)
