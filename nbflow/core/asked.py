"""The questions that a run ever asked, by each of the names under which a person may answer them."""

from __future__ import annotations

from collections.abc import Iterator

from .records import WaitOpened


class Asked:
    """Nodes that ask, by index; ``named`` finds them by the key, the node id or the title of their latest question."""

    __slots__ = ("_by_name", "_names")

    def __init__(self) -> None:
        self._names: dict[int, tuple[str, ...]] = {}
        self._by_name: dict[str, set[int]] = {}

    def __iter__(self) -> Iterator[int]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def add(self, index: int, node_id: str, wait: WaitOpened) -> None:
        """Remember a question, in place of the one that its node asked before."""
        title = (wait.prompt or {}).get("title")
        self.take(index, [wait.key, node_id, *([title] if type(title) is str else [])])

    def take(self, index: int, names: list[str]) -> None:
        """Remember a question by its names."""
        self.discard(index)
        self._names[index] = tuple(names)
        for name in names:
            self._by_name.setdefault(name, set()).add(index)

    def discard(self, index: int) -> None:
        """Forget what a node asked. Idempotent."""
        for name in self._names.pop(index, ()):
            found = self._by_name.get(name)
            if found is not None:
                found.discard(index)
                if not found:
                    del self._by_name[name]

    def named(self, name: str) -> list[int]:
        """Return the nodes that asked something of this name, in the order of the run."""
        return sorted(self._by_name.get(name, ()))

    def names(self) -> list[tuple[int, tuple[str, ...]]]:
        """Return all, each with its names, in the form that ``take`` needs."""
        return [*self._names.items()]
