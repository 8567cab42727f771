"""A run at one moment as one immutable value, which any thread may keep and draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from ..core.graph import Json
from ..core.state import RunState
from . import words
from .diff import told
from .header import Header
from .picture import Picture, function_of, visible
from .questions import OPEN, Question, in_order, question_of
from .rows import NodeRow, Row, blamed, counted, preview, row_of, single_row, stack_row
from .scene import Panel, Scene, scene_of


class TaskRow(NamedTuple):
    """One node of the run, drawn alone or in a stack, as tables and details show it. Times are UTC seconds."""

    node: int
    node_id: str
    function: str
    row: Row
    value: str
    error: Json | None
    change: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run as it is at ``at`` (UTC seconds).

    ``nodes`` are the drawn nodes in the order of ``picture.nodes``, ``tasks`` all nodes in the order of the run,
    ``counts`` how many tasks have each letter.
    """

    run: Header
    at: float
    picture: Picture
    nodes: tuple[NodeRow, ...]
    tasks: tuple[TaskRow, ...]
    questions: tuple[Question, ...]
    counts: dict[str, int]
    panels: tuple[Panel, ...] = ()

    @classmethod
    def of(cls, state: RunState, now: float, *, elsewhere: bool = False) -> Snapshot:
        """Take the snapshot of a run. Call it where the state is changed: it reads everything.

        ``elsewhere`` says that another process runs it, so that what is recorded is all that can be known.
        """
        scene = scene_of(state)
        if scene is not None:
            return cls._of_scene(state, now, scene, elsewhere)
        picture, rows = Picture.of(state), _rows(state, elsewhere)
        questions = in_order([asked for i in rows if (asked := question_of(state, i)) is not None])
        return cls(
            Header.of(state, any(question.state == OPEN for question in questions)),
            now,
            picture,
            tuple(
                stack_row([rows[i] for i in drawn.members]) if drawn.stacked else single_row(rows[drawn.members[0]])
                for drawn in picture.nodes
            ),
            tuple(_task_row(state, i, row) for i, row in rows.items()),
            questions,
            counted(rows.values()),
        )

    @classmethod
    def _of_scene(cls, state: RunState, now: float, scene: Scene, elsewhere: bool) -> Snapshot:
        return cls(
            Header.of(state, any(question.state == OPEN for question in scene.questions)),
            now,
            scene.picture,
            tuple(station.row for station in scene.stations),
            tuple(_task_row(state, i, row) for i, row in _rows(state, elsewhere).items()),
            scene.questions,
            scene.counts,
            scene.panels,
        )

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """The edges between the drawn nodes, by place."""
        return self.picture.edges

    @property
    def codes(self) -> str:
        """One letter for each drawn node."""
        return "".join([row.code for row in self.nodes])

    @property
    def summary(self) -> str:
        """The run in one line, the same each time it is run: its name, its state and what its tasks came to."""
        counts = words.counted(self.counts)
        return f"{words.name(self.run.name) or 'Workflow'}: {self.run.look[2].lower()}" + (counts and f"; {counts}")

    def to_message(self) -> Json:
        """Return all that a front end needs but the places of the nodes: st, rows, run, asks, and panels if any."""
        whole: Json = {
            "st": self.codes,
            "rows": {str(i): message for i, row in enumerate(self.nodes) if (message := row.to_message()) != NOTHING},
            "run": self.run.to_message(),
            "asks": [question.to_message() for question in self.questions],
        }
        if self.panels:
            whole["panels"] = [panel.to_message() for panel in self.panels]
        return whole


NOTHING: list[Any] = NodeRow().to_message()
"""The row of a node to which nothing has happened; a first message leaves such rows out."""


UNSURE = "or running: only its process knows"
"""What is said of a queued node of a run that another process has: that a body began is seldom written down."""


def _rows(state: RunState, elsewhere: bool) -> dict[int, Row]:
    blame = blamed(state)
    rows = {i: row_of(state, i, blame) for i in visible(state)}
    if not elsewhere:
        return rows
    return {i: row._replace(note=UNSURE) if row.code == "q" and not row.note else row for i, row in rows.items()}


def _task_row(state: RunState, index: int, row: Row) -> TaskRow:
    node = state.nodes[index]
    value = preview(state.nodes[state.resolve(index)].value) if node.status.finished else ""
    return TaskRow(index, node.node_id, function_of(state, index), row, value, node.error, told(state, index))
