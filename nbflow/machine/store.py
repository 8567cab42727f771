"""What a run remembers between its handlers: any values under names, written all together when a handler ends well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ..errors import StoreKeyNotFoundError

_MISSING = object()


class Keeping(Protocol):
    """How values get into their stored form and back; what ``encode`` returns only ``decode`` looks into."""

    def encode(self, key: str, value: Any) -> Any:
        """Return the stored form of a value as it is now. Raises CheckpointError."""

    def decode(self, stored: Any) -> Any:
        """Return a new copy of a value."""


class Store:
    """The values of one run. A handler sees what it wrote at once; others see it when the handler has ended well.

    What is put is copied there and then, and each ``get`` returns a copy of its own: a change of it counts when it is
    put again. Any value that can be pickled is kept as it is: tuples, sets, dates, data frames, functions.

    >>> import nbflow as nf
    >>> keeps = nf.Workflow("Keeps")
    >>> @keeps.start()
    ... def start(ctx, _=0):
    ...     ctx.store.put("seen", [1, 2])
    ...     return ctx.next.complete(("seen" in ctx.store, ctx.store.get("lost", None)))
    >>> nf.start_workflow(workflow_type="Keeps").result()
    (True, None)
    """

    def __init__(
        self, kept: dict[str, Any], keeping: Keeping, deliver: Callable[[Any], Any] = lambda value: value,
        workflow_id: str = "", writable: bool = True,
    ) -> None:  # fmt: skip
        self._kept = kept
        self._keeping = keeping
        self._deliver = deliver
        self._workflow_id = workflow_id
        self._writable = writable
        self.puts: dict[str, Any] = {}
        self.drops: dict[str, None] = {}

    def put(self, key: str, value: Any) -> None:
        """Keep a value under a name. Raises CheckpointError for one that cannot be pickled, TypeError for the name."""
        self._check(key)
        self.puts[key] = self._keeping.encode(key, value)
        self.drops.pop(key, None)

    def get(self, key: str, default: Any = _MISSING) -> Any:
        """Return a value, or the default. Raises StoreKeyNotFoundError (a KeyError) when there is neither.

        In an async handler write ``await ctx.store.get(key)``.
        """
        if key in self.puts:
            return self._deliver(self._keeping.decode(self.puts[key]))
        if key in self._kept and key not in self.drops:
            return self._deliver(self._keeping.decode(self._kept[key]))
        if default is not _MISSING:
            return self._deliver(default)
        known = ", ".join(map(repr, self.keys())) or "nothing"
        raise StoreKeyNotFoundError(
            f"The store of run {self._workflow_id!r} has no {key!r}; it has {known}. A default helps: "
            f"get({key!r}, default)."
        )

    def delete(self, key: str) -> None:
        """Forget a value. Raises StoreKeyNotFoundError when there is none."""
        self._check(key)
        if key not in self:
            raise StoreKeyNotFoundError(f"The store of run {self._workflow_id!r} has no {key!r} to delete.")
        self.puts.pop(key, None)
        if key in self._kept:
            self.drops[key] = None

    def keys(self) -> list[str]:
        """Return the names that have a value, the oldest first."""
        return [
            *(key for key in self._kept if key not in self.drops),
            *(key for key in self.puts if key not in self._kept),
        ]

    def __contains__(self, key: object) -> bool:
        return key in self.puts or (key in self._kept and key not in self.drops)

    def __len__(self) -> int:
        return len(self.keys())

    def __iter__(self) -> Any:
        return iter(self.keys())

    def __repr__(self) -> str:
        return f"<store of {self._workflow_id!r}: {', '.join(self.keys()) or 'empty'}>"

    def _check(self, key: Any) -> None:
        if not self._writable:
            raise TypeError("a query only reads: nothing is put or deleted here")
        if not isinstance(key, str):
            raise TypeError(f"a name in the store is a text, not {key!r}")
