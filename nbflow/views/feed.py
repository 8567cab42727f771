"""What has changed in a run since the last look, as small messages for any number of live views."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.graph import Json, NodeSpec
from ..core.state import RunState
from ..core.status import NodeStatus, WorkflowStatus
from . import topo
from .header import Header
from .picture import PERSON, Picture, kind_of, visible
from .questions import OPEN, Question, in_order, question_of
from .rows import NodeRow, blamed, row_of, single_row
from .snapshot import NOTHING
from .tally import Tally

AT_ONCE = 200
"""So many drawn nodes are laid out by the feed itself; more of them come without places first."""


@dataclass(frozen=True, slots=True)
class Delta:
    """What a view has to take over; None where nothing changed.

    ``st`` has one letter for each drawn node, ``rows`` what changed by place as a string. With ``topo`` everything
    is new, and ``rows`` leaves out nodes to which nothing has happened. A ``topo`` whose ``placed`` is false has no
    places and no edges yet: call ``topo.place(delta.picture)`` in a thread, and hand it to the views and to
    ``Feed.keep`` when ``version`` is still that of the feed.
    """

    version: int
    st: str
    rows: dict[str, list[Any]]
    run: Json | None = None
    asks: list[Json] | None = None
    topo: Json | None = None
    picture: Picture | None = None
    panels: list[Json] | None = None


class Feed:
    """Follows one run for all its views. Use it where the run's state is changed; what it returns may go anywhere.

    It drains ``state.changed``, so there is one for each run. ``behind`` tells that the graph has grown and was not
    looked at yet, because that is not done more often than it is cheap: call ``delta`` again at the next tick.
    """

    def __init__(self, state: RunState, at_once: int = AT_ONCE) -> None:
        self._state = state
        self._at_once = at_once
        self.picture = Picture()
        self.version = 0
        self.behind = True
        self._looked, self._pause = 0.0, 0.0
        self._known: list[tuple[NodeSpec, int, bool]] = []
        self._places: list[int] = []
        self._slots: list[int] = []
        self._codes: list[str] = []
        self._rows: list[NodeRow] = []
        self._tallies: dict[int, Tally] = {}
        self._grown: set[int] = set()
        self._blame: frozenset[int] = frozenset()
        self._status: WorkflowStatus | None = None
        self._questions: dict[int, Question] = {}
        self._asked: tuple[Question, ...] | None = None
        self._progress: dict[int, tuple[int, int]] = {}
        self._told = set[int]()
        self._header: Header | None = None
        self._topo: Json = topo.bare(self.picture)

    # ---- for the engine ----

    def progress(self, node: int, done: int, total: int) -> None:
        """Take how far a running task says it is. Lost with the process: nobody journals it. A stack shows counts."""
        if node < len(self._places) and self._places[node] not in self._tallies:
            self._progress[node] = (done, total)
            self._told.add(node)

    def delta(self, now: float, everything: bool = False) -> Delta | None:
        """Return what changed since the last call, None when nothing did; ``now`` are UTC seconds.

        With ``everything`` the graph is looked at even when it was looked at just before.
        """
        changed = self._drain()
        self.behind = self.behind or any(map(self._moved, changed))
        renewed = False
        if self.behind and (everything or self._due(now)):
            renewed = self._look(now)
        rows = self._all_rows() if renewed else self._update(changed)
        asks = self._ask(changed)
        header = Header.of(self._state, any(q.state == OPEN for q in self._questions.values()))
        run = None if header == self._header else header.to_message()
        self._header = header
        if not (renewed or rows or run or asks is not None):
            return None
        new = (self._topo, self.picture) if renewed else (None, None)
        return Delta(self.version, "".join(self._codes), rows, run, asks, *new)

    def full(self) -> Delta:
        """Return everything as of the last ``delta``, for a view that is new."""
        header = self._header or Header.of(self._state, False)
        asks = [question.to_message() for question in self._asked or ()]
        rows = self._all_rows()
        return Delta(self.version, "".join(self._codes), rows, header.to_message(), asks, self._topo, self.picture)

    def keep(self, version: int, placed: Json) -> bool:
        """Keep a topo that was laid out elsewhere for views to come; return False when the graph has changed since."""
        if version != self.version:
            return False
        self._topo = placed
        return True

    # ---- what changed ----

    def _drain(self) -> set[int]:
        """Return the nodes to look at: those that changed, and those that the state of the run changes."""
        state = self._state
        changed = state.take_changes() | self._told
        self._told = set()
        grown = NodeStatus.GROWN
        for i in changed:
            if state.nodes[i].status is grown:
                self._grown.add(i)
            else:
                self._grown.discard(i)
        if state.status is not self._status:
            self._status = state.status
            blame = blamed(state)
            changed |= self._grown | blame | self._blame
            self._blame = blame
        return changed

    def _moved(self, index: int) -> bool:
        """Tell whether a node stands elsewhere in the graph than when it was looked at."""
        if index >= len(self._known):
            return True
        node = self._state.nodes[index]
        spec, owner, asks = self._known[index]
        if node.spec is not spec or node.owner != owner:
            return True
        asking = node.wait is not None and node.wait.prompt is not None
        return asking != asks and (kind_of(self._state, index) == PERSON) != asks

    # ---- the graph ----

    def _due(self, now: float) -> bool:
        """Tell whether to look at the graph: at most about a tenth of the time goes into it, and the clock may jump."""
        over = self._status is not None and self._status.ended
        return over or not self._looked <= now < self._looked + self._pause

    def _look(self, now: float) -> bool:
        """Look at the graph; return False when the picture is what it was."""
        state = self._state
        picture = Picture.of(state)
        self.behind = False
        self._looked = now
        self._pause = len(state.nodes) * 5e-5 + min(len(picture.nodes), self._at_once) * 2e-3
        self._known = [(node.spec, node.owner, kind_of(state, i) == PERSON) for i, node in enumerate(state.nodes)]
        self._grown = {i for i, node in enumerate(state.nodes) if node.status is NodeStatus.GROWN}
        if picture == self.picture and self.version:
            self._places += [-1] * (len(state.nodes) - len(self._places))
            return False
        self.picture = picture
        self.version += 1
        self._topo = topo.place(picture) if len(picture.nodes) <= self._at_once else topo.bare(picture)
        self._renew()
        return True

    def _renew(self) -> None:
        state, drawn = self._state, self.picture.nodes
        self._places, self._slots = [-1] * len(state.nodes), [0] * len(state.nodes)
        self._rows, self._tallies = [], {}
        for place, node in enumerate(drawn):
            for slot, i in enumerate(node.members):
                self._places[i], self._slots[i] = place, slot
            rows = [row_of(state, i, self._blame) for i in node.members]
            if node.stacked:
                tally = self._tallies[place] = Tally(rows)
                self._rows.append(tally.row())
            else:
                self._rows.append(self._with_progress(node.members[0], single_row(rows[0])))
        self._codes = [row.code for row in self._rows]
        asked = ((i, question_of(state, i)) for i in visible(state) if state.nodes[i].wait is not None)
        self._questions = {i: question for i, question in asked if question is not None}

    def _all_rows(self) -> dict[str, list[Any]]:
        rows = ((str(place), row.to_message()) for place, row in enumerate(self._rows))
        return {place: row for place, row in rows if row != NOTHING}

    # ---- the nodes ----

    def _update(self, changed: set[int]) -> dict[str, list[Any]]:
        """Work out the rows of the nodes that changed; return those that look different now."""
        places, known = self._places, len(self._places)
        stacks: set[int] = set()
        rows: dict[str, list[Any]] = {}
        for i in changed:
            place = places[i] if i < known else -1
            if place < 0:
                continue
            row = row_of(self._state, i, self._blame)
            tally = self._tallies.get(place)
            if tally is None:
                self._set(place, self._with_progress(i, single_row(row)), rows)
            else:
                tally.put(self._slots[i], row)
                stacks.add(place)
        for place in stacks:
            self._set(place, self._tallies[place].row(), rows)
        return rows

    def _set(self, place: int, row: NodeRow, rows: dict[str, list[Any]]) -> None:
        if row != self._rows[place]:
            self._rows[place] = row
            self._codes[place] = row.code
            rows[str(place)] = row.to_message()

    # ---- the questions ----

    def _ask(self, changed: set[int]) -> list[Json] | None:
        """Return all questions when one of them changed, else None."""
        state, questions = self._state, self._questions
        for i in changed:
            if state.nodes[i].wait is not None or i in questions:
                question = question_of(state, i)
                if question is not None:
                    questions[i] = question
                else:
                    questions.pop(i, None)
        asked = in_order(list(questions.values()))
        if asked == self._asked:
            return None
        self._asked = asked
        return [question.to_message() for question in asked]

    # ---- the progress of running tasks ----

    def _with_progress(self, index: int, row: NodeRow) -> NodeRow:
        if index not in self._progress:
            return row
        if row.code != "r":
            del self._progress[index]
            return row
        done, total = self._progress[index]
        return row._replace(done=done, total=total)
