"""How a run begins, or goes on with the graph and code given now: what is chosen, and the records of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..core import records as r
from ..core.graph import Json
from ..dag.code import CodeBook
from ..dag.compile import compile_graph
from ..errors import WorkflowExistsError
from . import mended
from .environment import difference, environment, owner
from .folding import fold
from .growing import code_records, node_records, store_sealed
from .keys import refuse_shared

if TYPE_CHECKING:
    from ..core.state import RunState
    from ..dag.node import Node
    from ..storage.base import RunJournal

ON_CHANGE = ("keep", "rerun", "error")
EXISTING = ("resume", "error", "restart", "return")
CLEANUP = (None, "never", "success")


@dataclass(frozen=True, slots=True)
class Choices:
    """How a run begins. ``cleanup`` empty is what the run was begun with, "never" at first."""

    on_change: str = "keep"
    existing: str = "resume"
    cleanup: str = ""


DEFAULT_CHOICES = Choices()


def chosen(on_change: Any, existing: Any, cleanup: Any) -> Choices:
    """Return what was chosen in ``run``. Raises ValueError, which says what there is to choose.

    >>> chosen("keep", "sometimes", None)
    Traceback (most recent call last):
    ...
    ValueError: existing='sometimes': choose one of 'resume', 'error', 'restart', 'return'.
    """
    for name, value, allowed in (
        ("on_change", on_change, ON_CHANGE),
        ("existing", existing, EXISTING),
        ("cleanup", cleanup, CLEANUP),
    ):
        if not any(value is each or (isinstance(value, str) and value == each) for each in allowed):
            raise ValueError(f"{name}={value!r}: choose one of {', '.join(repr(each) for each in allowed if each)}.")
    return Choices(on_change, existing, cleanup or "")


@dataclass(slots=True)
class Beginning:
    """All that is to be written for a run to begin or go on, and what a person should be told of it."""

    book: CodeBook
    records: list[r.Record] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def begin(
    journal: RunJournal, state: RunState, root: Node[Any], inputs: dict[int, Any], metadata: Json | None,
    choices: Choices, now: float,
) -> Beginning:  # fmt: skip
    """Return how a run begins, or how one with a ``state`` goes on. Not on the engine's loop: it pickles and compares.

    Raises GraphError, CheckpointError, WorkflowChangedError; then nothing has been written but large values.
    """
    found = Beginning(CodeBook())
    graph = compile_graph(root, found.book.key_of, lambda sealed: store_sealed(sealed, journal), inputs=inputs)
    codes, notices = code_records(found.book, journal)
    fresh = state.status is None
    if fresh:  # a run that is stored goes on as it was begun
        refuse_shared(graph, found.book)
        found.records.append(r.RunCreated(journal.workflow_id, root._name, now, metadata or {}, environment()))
    found.records += [opened(state, now, found.notices), *codes, *node_records(graph)]
    found.records.append(r.GraphCommitted(graph.output, None if fresh else metadata or None, choices.cleanup))
    found.notices += notices
    if not fresh:
        found.records += mended.recoded(state, found.book, journal)
        if choices.on_change != "keep":
            after = fold(journal.records)
            after.handle_all(found.records)
            if choices.on_change == "error":
                mended.refuse(after)
            found.records += mended.run_again(after)
    return found


def opened(state: RunState, now: float, notices: list[str]) -> r.RunOpened:
    """Return the record that this process takes a run; where the last one differed from here, say so."""
    here = environment()
    differs = difference(state.environment, here)
    if not differs:
        return r.RunOpened(now, owner())
    notices.append(
        f"This run goes on in another environment: {differs}. What it has stored is loaded with what is here now."
    )
    return r.RunOpened(now, {**owner(), "environment": here})


def used(workflow_id: str) -> WorkflowExistsError:
    """Return the error of ``existing="error"``."""
    return WorkflowExistsError(
        workflow_id,
        f"Run {workflow_id!r} exists already. Use another workflow_id, or existing='resume' to go on with it, "
        "'return' for its result, 'restart' to delete it and begin anew.",
    )


def check_compiles(root: Node[Any], inputs: dict[int, Any]) -> None:
    """Raise what compiling a graph raises, before a run is deleted for it."""
    book = CodeBook()
    refuse_shared(compile_graph(root, book.key_of, lambda sealed: {}, inputs=inputs), book)
