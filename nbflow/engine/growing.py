"""How graphs are stored: the first one of a run, and those that its bodies return."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..core import records as r
from ..core.graph import TOP, Code
from ..dag.compile import Graph, collect, compile_graph, root_of
from ..dag.template import Sealed
from ..storage import values
from ..storage.base import Blobs
from .failure import describe

if TYPE_CHECKING:
    from ..dag.code import CodeBook
    from .runner import Runner

CHUNK = 1000
"""Nodes in one record."""
SMALL = 64 * 1024
"""A continuation that holds more bytes of sealed values than this is stored from a thread."""


def code_records(book: CodeBook, blobs: Blobs) -> tuple[list[r.Record], list[str]]:
    """Return the records of the code that a run does not know yet, and notices about what could not be stored."""
    found: list[r.Record] = []
    notices = []
    for new in book.take_fresh():
        stored = store_sealed(new.sealed, blobs) if new.sealed is not None else None
        found.append(r.CodeAdded(Code(new.key, new.name, stored, new.options, new.fingerprint, new.source)))
        if new.why:
            notices.append(f"{new.why} The run works; after a restart, run the cell again instead of resume().")
        elif new.sealed is not None and len(new.sealed.head) + sum(map(len, new.sealed.buffers)) > 10_000_000:
            size = len(new.sealed.head) + sum(map(len, new.sealed.buffers))
            notices.append(
                f"The code of {new.name!r} carries {size / 1e6:.0f} MB of the notebook's variables with it. "
                "Pass large values as arguments, or wrap them in nbflow.put()."
            )
    return found, notices


def store_sealed(sealed: Sealed, blobs: Blobs) -> dict[str, Any]:
    """Return the stored form of a sealed value."""
    stored = values.encode_pickled(sealed.head, sealed.buffers, blobs)
    return {**stored, "fp": sealed.mark} if sealed.mark else stored


def node_records(graph: Graph, owner: int = TOP) -> Iterator[r.NodesAdded]:
    """Return the records that lay a graph's nodes ready."""
    for begin in range(0, len(graph.specs), CHUNK):
        yield r.NodesAdded(graph.specs[begin : begin + CHUNK], owner)


class Growing:
    """Turns the continuations of one run into records."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self._laying = asyncio.Lock()

    def grow(self, index: int, dag: Any, started: float, ended: float, attempt: int) -> None:
        """Store a continuation and write that its node grew."""
        try:
            root = root_of(dag)
        except Exception as error:
            self._refuse(index, error, started, ended, attempt)
            return
        if _heavy(root):
            self.runner.spawn(self._grow_in_thread(index, root, started, ended, attempt))
            return
        try:
            lines = self._records(index, root)
        except Exception as error:
            self._refuse(index, error, started, ended, attempt)
            return
        self._write(index, lines, started, ended, attempt)

    async def lay(self, owner: int, root: Any) -> list[r.Record]:
        """Return the records that lay a graph ready for its owner. Raises GraphError, CheckpointError."""
        async with self._laying:  # code that is first seen in one graph must be written before another one uses it
            found = await asyncio.to_thread(self._records, owner, root) if _heavy(root) else self._records(owner, root)
        return found[0]

    async def _grow_in_thread(self, index: int, root: Any, started: float, ended: float, attempt: int) -> None:
        try:
            lines = await asyncio.to_thread(self._records, index, root)
        except Exception as error:
            self._refuse(index, error, started, ended, attempt)
            return
        self._write(index, lines, started, ended, attempt)

    def _records(self, index: int, root: Any) -> tuple[list[r.Record], int]:
        runner = self.runner
        inherit = runner.state.options(index).checkpoint
        graph = compile_graph(
            root, runner.book.key_of, lambda sealed: store_sealed(sealed, runner.blobs), inherit=inherit
        )
        found, notices = code_records(runner.book, runner.blobs)
        for notice in notices:
            runner.notice(notice)
        return [*found, *node_records(graph, index)], graph.output

    def _write(self, index: int, lines: tuple[list[r.Record], int], started: float, ended: float, attempt: int) -> None:
        for record in lines[0]:
            self.runner.write(record)
        self.runner.write(r.TaskGrew(index, lines[1], started, ended, attempt))

    def _refuse(self, index: int, error: BaseException, started: float, ended: float, attempt: int) -> None:
        report = describe(error, self.runner.blobs)
        self.runner.write(r.TaskFailed(index, report, started, ended, attempt))


def _heavy(root: Any) -> bool:
    parts = (part for node in collect(root) for sealed in node._sealed for part in (sealed.head, *sealed.buffers))
    return sum(map(len, parts)) > SMALL
