"""What is drawn of a run that is no graph of tasks: a state machine or a flow, as stations, links and panels.

A machine's stations are its steps, a flow's its tasks; links may go in circles and say what they are taken on. Panels
are the tables below: events that wait, events set aside, the stream. Each front turns its own state into a scene, and
from there on a scene is drawn as any other run is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import NamedTuple

from ..core.graph import Json
from ..core.state import RunState
from .picture import TASK, Drawn, Mark, Picture
from .questions import Question
from .rows import NodeRow, blamed, row_of, single_row


@dataclass(frozen=True, slots=True)
class Station:
    """One thing of a scene that can be where the run is. ``node`` is the call that it is shown by, -1 without one.

    ``kind`` is ``task``, ``wait`` or ``human``; ``facts`` are what its details say, ``story`` what happened to it.
    """

    label: str
    row: NodeRow
    kind: str = TASK
    node: int = -1
    facts: Json = field(default_factory=dict)
    story: tuple[str, ...] = ()
    error: Json | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A way from one station to another, by place. ``taken`` tells whether it was gone; a rule is ``dashed``."""

    source: int
    target: int
    label: str = ""
    dashed: bool = False
    taken: bool = False


class Act(NamedTuple):
    """Something that a person can do to a row of a panel. With ``text`` they are asked for one, which begins as it."""

    name: str
    label: str
    text: str | None = None


@dataclass(frozen=True, slots=True)
class PanelRow:
    """One row: ``key`` names it to who carries out an act."""

    key: str
    cells: tuple[str, ...]
    acts: tuple[Act, ...] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """A table below the graph. Without rows it says ``empty``; without that either it is not shown.

    ``timed`` is the place of the column of times, -1 for none: a picture that is the same each time leaves it out.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[PanelRow, ...] = ()
    empty: str = ""
    timed: int = -1

    def to_message(self) -> Json:
        """Return the panel in the message format."""
        rows = [[row.key, list(row.cells), [list(act) for act in row.acts]] for row in self.rows]
        return {"name": self.name, "title": self.title, "columns": self.columns, "rows": rows, "empty": self.empty}


@dataclass(frozen=True, slots=True)
class Scene:
    """All that is drawn of such a run, beside its header."""

    stations: tuple[Station, ...]
    links: tuple[Link, ...] = ()
    panels: tuple[Panel, ...] = ()
    questions: tuple[Question, ...] = ()

    @property
    def picture(self) -> Picture:
        """The stations and links as a picture that can be laid out."""
        nodes = tuple(Drawn(s.label, s.kind, (s.node,) if s.node >= 0 else ()) for s in self.stations)
        edges = tuple((link.source, link.target) for link in self.links)
        return Picture(nodes, edges, tuple(Mark(link.label, link.dashed, link.taken) for link in self.links))

    @property
    def counts(self) -> dict[str, int]:
        """How many stations have each letter."""
        return dict(Counter(station.row.code for station in self.stations))


SCENES: dict[str, str] = {
    "Machine": "nbflow.views.machine_scene:scene_of_machine",
    "FlowState": "nbflow.views.flow_scene:scene_of_flow",
}
"""Who draws what a driver keeps, by the name of its class; each is loaded when the first such run is shown."""


def scene_of(state: RunState) -> Scene | None:
    """Return the scene of a run, None when it is a graph of tasks."""
    if state.driver < 0:
        return None
    home = SCENES.get(type(state.parts.get(state.driver)).__name__, "")
    if not home:  # it has not begun
        row = single_row(row_of(state, state.driver, blamed(state)))
        return Scene((Station(state.nodes[state.driver].node_id, row, node=state.driver),))
    module, _, name = home.partition(":")
    draw: Callable[[RunState], Scene] = getattr(import_module(module), name)
    return draw(state)
